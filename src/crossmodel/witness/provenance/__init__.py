"""Who said what to whom: chains out of the log, and their forms in other people's standards."""

from crossmodel.witness.provenance.chain import (
    Chain,
    HiddenValue,
    InsightNode,
    Record,
    RequestNode,
)
from crossmodel.witness.provenance.tracker import ProvenanceTracker

__all__ = ["Chain", "HiddenValue", "InsightNode", "ProvenanceTracker", "Record", "RequestNode"]
