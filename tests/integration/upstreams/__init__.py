"""A model provider to test against: a process of its own that answers well, or wrongly on purpose.

``server.py`` is the process and needs the standard library only; ``Upstream`` starts it, asks it
what it saw and ends it; ``clients`` holds the raw HTTP client that sends what no library would.
"""

from upstreams.process import Upstream

__all__ = ["Upstream"]
