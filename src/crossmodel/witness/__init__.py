"""Witness: every selection, insight and transfer in a log that anyone can verify offline.

Imports nothing but the standard library and ``cryptography``, so that an auditor needs no more.
Names load when they are used: ``merkle`` alone needs no cryptography, and ``verify``, which is also
run as a command, must not have been imported before that.
"""

from typing import TYPE_CHECKING

from crossmodel.lazy import loader
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

__getattr__ = loader(__name__, _MODULE_OF)
