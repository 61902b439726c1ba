"""Keys: made together, kept encrypted where a passphrase is given, believed only when pinned."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crossmodel.errors import VerificationError, WitnessError
from crossmodel.witness.strict import load_base64, load_json

RSA_2048: Final = "RSA-2048"
ED25519: Final = "Ed25519"
RSA_BITS: Final = 2048
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 4096
RSA_EXPONENT: Final = 65537
SALT_BYTES: Final = 32
_FILES: Final = {RSA_2048: "rsa.pem", ED25519: "ed25519.pem"}

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=SALT_BYTES)


class Signer(Protocol):
    """Whoever holds a private key: a file here, a key service elsewhere."""

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this one signs."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over exactly these bytes."""
        ...


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key and the one algorithm that it verifies with.

    RSA keys verify RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes (RFC 8017,
    8.1) and nothing else; Ed25519 keys verify Ed25519 (RFC 8032).
    """

    algorithm: str
    spki: bytes
    _key: rsa.RSAPublicKey | Ed25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def load(cls, spki: bytes) -> PublicKey:
        """A key from its DER-encoded SubjectPublicKeyInfo, if our policy allows it.

        Raises:
            VerificationError: for other algorithms, RSA outside of 2048..4096 bits, or an exponent
                that is not 65537.
        """
        try:
            key = serialization.load_der_public_key(spki)
        except (ValueError, UnsupportedAlgorithm):
            raise VerificationError("not a public key that we know") from None
        if isinstance(key, Ed25519PublicKey):
            return cls(ED25519, spki, key)
        if not isinstance(key, rsa.RSAPublicKey):
            raise VerificationError("keys must be RSA or Ed25519")
        _check_rsa(key)
        return cls(RSA_2048, spki, key)

    @property
    def key_id(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, in hex: a name, never a reason to believe."""
        return hashlib.sha256(self.spki).hexdigest()

    @property
    def raw(self) -> bytes:
        """What a signed note's key id covers: the 32 bytes of Ed25519, the SPKI of RSA."""
        if isinstance(self._key, Ed25519PublicKey):
            return self._key.public_bytes_raw()
        return self.spki

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` is this key's over exactly ``message``."""
        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, message)
            else:
                self._key.verify(signature, message, _PSS, hashes.SHA256())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A private key held in this process; its ``repr`` shows nothing of it."""

    public: PublicKey
    _key: rsa.RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @classmethod
    def of(cls, key: rsa.RSAPrivateKey | Ed25519PrivateKey) -> FileSigner:
        """A signer over a key object, if our policy allows the key."""
        return cls(PublicKey.load(_spki(key)), key)

    def sign(self, message: bytes) -> bytes:
        """The signature over exactly these bytes."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, _PSS, hashes.SHA256())

    def pem(self, passphrase: str | None) -> bytes:
        """The private key as PKCS#8, encrypted if there is a passphrase."""
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            encryption = serialization.BestAvailableEncryption(passphrase.encode())
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The two keys of a log, made together: RSA-2048 and Ed25519."""

    rsa: Signer
    ed25519: Signer

    @classmethod
    def generate(cls) -> KeyPair:
        """Two new keys."""
        return cls(
            FileSigner.of(rsa.generate_private_key(RSA_EXPONENT, RSA_BITS)),
            FileSigner.of(Ed25519PrivateKey.generate()),
        )

    def signers(self, algorithm: str) -> tuple[Signer, ...]:
        """Who signs a checkpoint: both under ``RSA-2048``, Ed25519 alone under its name."""
        return (self.ed25519,) if algorithm == ED25519 else (self.rsa, self.ed25519)


def load_or_create_keys(folder: Path, *, passphrase: str | None = None) -> KeyPair:
    """The keys kept in ``folder``; made there if it does not exist, whole or not at all.

    The folder is made aside, forced to disk and moved into place, so a crash leaves no half-written
    key, and of two processes that start at once the later one reads what the earlier one made.

    Raises:
        WitnessError: if they cannot be read (a wrong passphrase, a missing file) or written.
    """
    try:
        if not folder.exists():
            _create(folder, passphrase)
        return KeyPair(
            _load(folder / _FILES[RSA_2048], RSA_2048, passphrase),
            _load(folder / _FILES[ED25519], ED25519, passphrase),
        )
    except OSError as error:
        raise WitnessError(f"cannot keep keys in {folder}: {error.strerror}") from error


def _create(folder: Path, passphrase: str | None) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    aside.mkdir(mode=0o700)
    try:
        pair = KeyPair.generate()
        for algorithm, signer in ((RSA_2048, pair.rsa), (ED25519, pair.ed25519)):
            assert isinstance(signer, FileSigner)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(aside / _FILES[algorithm], flags, 0o600), "wb") as file:
                file.write(signer.pem(passphrase))
                file.flush()
                os.fsync(file.fileno())
        _sync_folder(aside)
        aside.rename(folder)
        _sync_folder(folder.parent)
    except OSError:
        if not folder.is_dir():  # else another process was faster: its keys are the keys
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk: a signed head must not outlive its keys."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _load(path: Path, algorithm: str, passphrase: str | None) -> FileSigner:
    pem = path.read_bytes()
    try:
        key = serialization.load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    except TypeError:
        needed = (
            "needs a passphrase" if not passphrase else "is not encrypted: unset the passphrase"
        )
        raise WitnessError(f"the key {path.name} {needed}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise WitnessError(
            f"the key {path.name} cannot be read: wrong passphrase, or a damaged file"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | Ed25519PrivateKey):
        raise WitnessError(f"the key {path.name} must be {algorithm}")
    try:
        signer = FileSigner.of(key)
    except VerificationError as error:
        raise WitnessError(f"the key {path.name}: {error}") from None
    if signer.public.algorithm != algorithm:
        raise WitnessError(f"the key {path.name} must be {algorithm}")
    return signer


def _spki(key: rsa.RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _check_rsa(key: rsa.RSAPublicKey) -> None:
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise VerificationError(
            f"RSA keys must have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, not {key.key_size}"
        )
    if key.public_numbers().e != RSA_EXPONENT:
        raise VerificationError(f"RSA keys must have the exponent {RSA_EXPONENT}")


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key that a verifier believes for tree sizes from ``from_size`` to ``to_size``."""

    key: PublicKey
    from_size: int = 0
    to_size: int | None = None

    def covers(self, size: int) -> bool:
        """Whether it is believed for a tree of that size."""
        return self.from_size <= size and (self.to_size is None or size <= self.to_size)


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier believes: one log, by its origin, and its keys."""

    origin: str
    keys: tuple[TrustedKey, ...]

    @classmethod
    def of(cls, origin: str, keys: Sequence[PublicKey]) -> Trust:
        """Trust in keys for trees of every size."""
        return cls(origin, tuple(TrustedKey(key) for key in keys))

    def to_json(self) -> bytes:
        """The trust file."""
        rows = [
            {
                "algorithm": trusted.key.algorithm,
                "spki": base64.b64encode(trusted.key.spki).decode(),
                "key_id": trusted.key.key_id,
                "from_size": trusted.from_size,
                "to_size": trusted.to_size,
            }
            for trusted in self.keys
        ]
        return json.dumps({"origin": self.origin, "keys": rows}, indent=2).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Trust:
        """Read a trust file.

        Raises:
            VerificationError: if it is not exactly one, or holds a key outside of our policy.
        """
        value = load_json(data)
        if not isinstance(value, dict) or set(value) != {"origin", "keys"}:
            raise VerificationError("a trust file holds an origin and keys")
        if not isinstance(value["origin"], str) or not isinstance(value["keys"], list):
            raise VerificationError("a trust file's origin is a string, its keys are a list")
        keys = tuple(_trusted(row) for row in value["keys"])
        if not keys:
            raise VerificationError("a trust file must hold at least one key")
        return cls(value["origin"], keys)


def _trusted(row: Any) -> TrustedKey:
    names = {"algorithm", "spki", "key_id", "from_size", "to_size"}
    if not isinstance(row, dict) or set(row) != names or not isinstance(row["spki"], str):
        raise VerificationError(f"a trusted key has exactly the fields {', '.join(sorted(names))}")
    key = PublicKey.load(load_base64(row["spki"]))
    if key.algorithm != row["algorithm"] or key.key_id != row["key_id"]:
        raise VerificationError("a trusted key is not what its algorithm and key_id say")
    first, last = row["from_size"], row["to_size"]
    sizes = [first] if last is None else [first, last]
    if not all(type(size) is int and size >= 0 for size in sizes) or sizes != sorted(sizes):
        raise VerificationError("from_size and to_size must be sizes of trees, in this order")
    return TrustedKey(key, first, last)
