"""``python -m crossmodel`` and the ``crossmodel`` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line; exits the process."""
    from crossmodel.cli.app import run  # noqa: PLC0415 - `import crossmodel` must not load a CLI

    run()


if __name__ == "__main__":
    main()
