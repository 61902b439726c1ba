"""Settings become a running CrossModel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crossmodel.assembly.building import build_extractor, create_keys, restore_budgets
from crossmodel.assembly.facade import CrossModel
from crossmodel.lazy import loader

if TYPE_CHECKING:
    from crossmodel.extraction.bulk import Extracted, ExtractionJob, extract_all
    from crossmodel.extraction.logs import LoggedAnswer, UnreadableRow, read_path, read_text
    from crossmodel.transfer import Exported

__all__ = [
    "CrossModel",
    "Exported",
    "Extracted",
    "ExtractionJob",
    "LoggedAnswer",
    "UnreadableRow",
    "build_extractor",
    "create_keys",
    "extract_all",
    "read_path",
    "read_text",
    "restore_budgets",
]

_MODULE_OF: Final = {
    "Exported": "transfer",
    "Extracted": "extraction.bulk",
    "ExtractionJob": "extraction.bulk",
    "LoggedAnswer": "extraction.logs",
    "UnreadableRow": "extraction.logs",
    "extract_all": "extraction.bulk",
    "read_path": "extraction.logs",
    "read_text": "extraction.logs",
}
"""Where those names are that load when they are used, as their stages do."""

__getattr__ = loader(__name__, _MODULE_OF, within="crossmodel")
