"""What the core asks of the outside world: small protocols that adapters and tests implement."""

from crossmodel.ports.calls import Clock, Hook, Provider, Spread, TokenCounter
from crossmodel.ports.log import LogReader, LogTransaction, NodeAt, RawLeaf
from crossmodel.ports.store import AlertTransaction, Store, Transaction

__all__ = [
    "AlertTransaction",
    "Clock",
    "Hook",
    "LogReader",
    "LogTransaction",
    "NodeAt",
    "Provider",
    "RawLeaf",
    "Spread",
    "Store",
    "TokenCounter",
    "Transaction",
]
