"""Witness: every selection, insight and transfer in a log that anyone can verify offline.

Imports nothing but the standard library and ``cryptography``, so that an auditor needs no more.
"""

from crossmodel.witness import merkle
from crossmodel.witness.keys import KeyPair, Trust, load_or_create_keys
from crossmodel.witness.ledger import Ledger
from crossmodel.witness.verify import verify_witness
from crossmodel.witness.vif import CrossModelVIF

__all__ = [
    "CrossModelVIF",
    "KeyPair",
    "Ledger",
    "Trust",
    "load_or_create_keys",
    "merkle",
    "verify_witness",
]
