"""State that survives: every table behind the ports ``Store`` and ``Transaction``."""

from crossmodel.store.opening import open_store

__all__ = ["open_store"]
