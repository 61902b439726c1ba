"""How logs may be written: settings check it, and must not load what writes them."""

from __future__ import annotations

from typing import Final

FORMATS: Final = ("text", "json")
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
