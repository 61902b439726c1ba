"""``python -m crossmodel`` and the ``crossmodel`` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; exits the process."""
    from crossmodel.cli.serving import serve_directly  # noqa: PLC0415 - as below

    serve_directly(sys.argv[1:])
    from crossmodel.cli.app import run  # noqa: PLC0415 - `import crossmodel` must not load a CLI

    run()


if __name__ == "__main__":
    main()
