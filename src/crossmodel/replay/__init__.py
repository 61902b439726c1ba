"""Deterministic replay: a request's parts made again from what was recorded of it.

What comes out is compared with the signed statements of the log, each of which is checked first,
and never with rows that anybody could edit. Of each part it is said whether it is the same, what
differs, or why it cannot be replayed; of a decision, every term of every score.
"""

from crossmodel.replay.explaining import Explainer
from crossmodel.replay.replayer import Replayer

__all__ = ["Explainer", "Replayer"]
