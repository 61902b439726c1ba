"""What our pages are made of: one file each, without scripts, and nothing loaded from anywhere."""

from importlib.resources import files


def style() -> str:
    """The style sheet of all pages: light and dark, for screens of any size and for print."""
    return files(__package__).joinpath("page.css").read_text("utf-8")
