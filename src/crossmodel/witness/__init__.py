"""Witness: every selection, insight and transfer in a log that anyone can verify offline.

Imports nothing but the standard library and ``cryptography``, so that an auditor needs no more.
Names load when they are used: ``merkle`` alone needs no cryptography, and ``verify``, which is also
run as a command, must not have been imported before that.
"""

import importlib
from typing import TYPE_CHECKING, Any

from crossmodel.witness import merkle

if TYPE_CHECKING:
    from crossmodel.witness.keys.keyring import FolderKeyring, load_or_create_keys
    from crossmodel.witness.keys.pairs import KeyPair
    from crossmodel.witness.keys.signers import KeyPlace, open_keys
    from crossmodel.witness.keys.trust import Trust
    from crossmodel.witness.ledger import Ledger
    from crossmodel.witness.retention import Retention
    from crossmodel.witness.rotating import rotate_keys, settle_keys
    from crossmodel.witness.rotation import accept_rotation
    from crossmodel.witness.verify import verify_witness
    from crossmodel.witness.vif import CrossModelVIF

__all__ = [
    "CrossModelVIF",
    "FolderKeyring",
    "KeyPair",
    "KeyPlace",
    "Ledger",
    "Retention",
    "Trust",
    "accept_rotation",
    "load_or_create_keys",
    "merkle",
    "open_keys",
    "rotate_keys",
    "settle_keys",
    "verify_witness",
]

_MODULE_OF = {
    "CrossModelVIF": "vif",
    "FolderKeyring": "keys.keyring",
    "KeyPair": "keys.pairs",
    "KeyPlace": "keys.signers",
    "Ledger": "ledger",
    "Retention": "retention",
    "Trust": "keys.trust",
    "accept_rotation": "rotation",
    "load_or_create_keys": "keys.keyring",
    "open_keys": "keys.signers",
    "rotate_keys": "rotating",
    "settle_keys": "rotating",
    "verify_witness": "verify",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
