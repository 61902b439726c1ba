"""Keys: made together, kept encrypted where a passphrase is given, believed only when pinned."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import re
import secrets
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crossmodel.errors import VerificationError, WitnessError
from crossmodel.witness.strict import is_key_name, load_base64, load_json

RSA_2048: Final = "RSA-2048"
ED25519: Final = "Ed25519"
RSA_BITS: Final = 2048
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 4096
RSA_EXPONENT: Final = 65537
SALT_BYTES: Final = 32
TIMESTAMPS_NEED: Final = "time-stamps need the extra 'audit': pip install 'crossmodel[audit]'"
KEY_FILES: Final = {RSA_2048: "rsa.pem", ED25519: "ed25519.pem"}
PKCS8_PLAIN: Final = b"-----BEGIN PRIVATE KEY-----"
PKCS8_ENCRYPTED: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"

_GENERATION = re.compile(r"generation-([1-9][0-9]{0,8})", re.ASCII)

_SPKI_HEADER_BYTES: Final = 4
"""Tag and length of a SubjectPublicKeyInfo of 256 to 65,535 bytes, as all our RSA keys have."""

_PSS_IDENTIFIERS: Final = (
    # id-RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes
    bytes.fromhex(
        "304106092a864886f70d01010a3034a00f300d06096086480165030402010500"
        "a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"
    ),
    bytes.fromhex("300b06092a864886f70d01010a"),  # and for PSS of any kind
)
"""AlgorithmIdentifiers (RFC 4055, 3.1) of RSA keys that may verify only what we verify."""

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
            VerificationError: for other algorithms, RSA outside of 2048..4096 bits, an exponent
                that is not 65537, or an RSA key that says it is for other signatures than ours.
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
        _check_identifier(key, spki)
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

    def to_row(self) -> dict[str, str]:
        """How trust files and rotation records name it."""
        return {
            "algorithm": self.algorithm,
            "spki": base64.b64encode(self.spki).decode(),
            "key_id": self.key_id,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> PublicKey:
        """A key from what :meth:`to_row` gave.

        Raises:
            VerificationError: if it is not exactly what the row says, or outside of our policy.
        """
        if not isinstance(row["spki"], str):
            raise VerificationError("a key's spki is base64")
        key = cls.load(load_base64(row["spki"]))
        if key.algorithm != row["algorithm"] or key.key_id != row["key_id"]:
            raise VerificationError("a key is not what its algorithm and key_id say")
        return key

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
            encryption = serialization.BestAvailableEncryption(_secret(passphrase))
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

    def has_one_of(self, keys: Collection[PublicKey]) -> bool:
        """Whether one of its two keys is among these."""
        return self.rsa.public in keys or self.ed25519.public in keys


def load_or_create_keys(folder: Path, *, passphrase: str | None = None) -> KeyPair:
    """The keys in use of those kept in ``folder``; made there if it does not exist.

    Raises:
        WitnessError: if they cannot be read (a wrong passphrase, a missing file) or written.
    """
    try:
        if not folder.exists():
            create_keys(folder, passphrase)
        return load_keys(folder, passphrase)[1]
    except OSError as error:
        raise WitnessError(f"cannot keep keys in {folder}: {error.strerror}") from error


def generation_folder(folder: Path, number: int) -> Path:
    """Where a key folder keeps its keys after that many generations; the first lies in itself."""
    return folder if number == 1 else folder / f"generation-{number}"


def newest_generation(folder: Path) -> int:
    """The number of the keys in use, from 1.

    One rename makes a generation the newest, so there is no moment without keys, and none at which
    a reader could get one key of each generation.

    Raises:
        OSError: if the folder cannot be read.
    """
    found = (_GENERATION.fullmatch(path.name) for path in folder.iterdir())
    return max((int(each[1]) for each in found if each is not None), default=1)


def load_keys(folder: Path, passphrase: str | None) -> tuple[int, KeyPair]:
    """The keys in use of a key folder, and the number of their generation.

    Raises:
        OSError: if there are none, or they cannot be read.
        WitnessError: for a wrong passphrase, a damaged file, or a key outside of our policy.
    """
    while True:
        number = newest_generation(folder)
        try:
            return number, load_pair(generation_folder(folder, number), passphrase)
        except (FileNotFoundError, WitnessError):
            # they may have been destroyed for newer ones while they were read
            if newest_generation(folder) == number:
                raise


def load_pair(folder: Path, passphrase: str | None) -> KeyPair:
    """The two keys whose files lie in exactly this folder.

    Raises:
        OSError: if a file cannot be read.
        WitnessError: for a wrong passphrase, a damaged file, or a key outside of our policy.
    """
    rsa_path, ed25519_path = (folder / KEY_FILES[name] for name in (RSA_2048, ED25519))
    return KeyPair(
        load_signer(rsa_path.read_bytes(), rsa_path.name, RSA_2048, passphrase),
        load_signer(ed25519_path.read_bytes(), ed25519_path.name, ED25519, passphrase),
    )


def create_keys(folder: Path, passphrase: str | None) -> None:
    """Make two keys in ``folder``, which is there whole or not at all; old keys are left alone.

    It is made aside, forced to disk and moved into place, so a crash leaves no half-written key,
    and of two processes that start at once the later one reads what the earlier one made.

    Raises:
        OSError: if it cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    aside.mkdir(mode=0o700)
    try:
        pair = KeyPair.generate()
        for algorithm, signer in ((RSA_2048, pair.rsa), (ED25519, pair.ed25519)):
            assert isinstance(signer, FileSigner)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(aside / KEY_FILES[algorithm], flags, 0o600), "wb") as file:
                file.write(signer.pem(passphrase))
                file.flush()
                os.fsync(file.fileno())
        sync_folder(aside)
        aside.rename(folder)
        sync_folder(folder.parent)
    except OSError:
        if not folder.is_dir():  # else another process was faster: its keys are the keys
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk: a signed head must not outlive its keys."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_signer(pem: bytes, name: str, algorithm: str, passphrase: str | None) -> FileSigner:
    """A private key from PKCS#8 (RFC 5958) in PEM; ``name`` is what messages call it.

    Raises:
        WitnessError: if it cannot be read, is of another algorithm, or outside of our policy.
    """
    if not pem.lstrip().startswith((PKCS8_PLAIN, PKCS8_ENCRYPTED)):
        raise WitnessError(
            f"the key {name} cannot be read: it is not PKCS#8 in PEM, or damaged; "
            "openssl pkcs8 -topk8 converts other forms"
        )
    try:
        key = serialization.load_pem_private_key(pem, _secret(passphrase) if passphrase else None)
    except TypeError:
        needed = (
            "needs a passphrase" if not passphrase else "is not encrypted: unset the passphrase"
        )
        raise WitnessError(f"the key {name} {needed}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise WitnessError(
            f"the key {name} cannot be read: wrong passphrase, or a damaged file"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | Ed25519PrivateKey):
        raise WitnessError(f"the key {name} must be {algorithm}")
    try:
        signer = FileSigner.of(key)
    except VerificationError as error:
        raise WitnessError(f"the key {name}: {error}") from None
    if signer.public.algorithm != algorithm:
        raise WitnessError(f"the key {name} must be {algorithm}")
    return signer


def _secret(passphrase: str) -> bytes:
    return passphrase.encode("utf-8", "surrogateescape")  # as the environment holds it


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


def _check_identifier(key: rsa.RSAPublicKey, spki: bytes) -> None:
    """RSA keys may say what they are for (RFC 4055, 1.2), or come bare (RFC 8017, A.1.1).

    The library reads past both, so that one key would have several ids.
    """
    plain = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if spki != plain and not spki[_SPKI_HEADER_BYTES:].startswith(_PSS_IDENTIFIERS):
        raise VerificationError(
            "an RSA key must be a SubjectPublicKeyInfo, and not for other signatures than ours"
        )


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
class Cosigner:
    """An outsider who signs only heads that extend what it saw before (C2SP *tlog-cosignature*)."""

    name: str
    key: PublicKey


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """Who says when a head existed (RFC 3161): certificates in DER, a root among them.

    The certificate that signs must be there too if the authority leaves it out of its answers.
    """

    name: str
    certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier believes: one log, by its origin, its keys, and outsiders who watch it.

    With ``cosignatures_needed`` a head counts only if that many of the cosigners have signed it,
    and then it needs no pin. With ``timestamp_authorities`` one of them must have stamped it.
    """

    origin: str
    keys: tuple[TrustedKey, ...]
    cosigners: tuple[Cosigner, ...] = ()
    cosignatures_needed: int = 0
    timestamp_authorities: tuple[TimestampAuthority, ...] = ()

    @classmethod
    def of(cls, origin: str, keys: Sequence[PublicKey]) -> Trust:
        """Trust in keys for trees of every size."""
        return cls(origin, tuple(TrustedKey(key) for key in keys))

    def to_json(self) -> bytes:
        """The trust file."""
        rows = [
            trusted.key.to_row() | {"from_size": trusted.from_size, "to_size": trusted.to_size}
            for trusted in self.keys
        ]
        value = {"origin": self.origin, "keys": rows} | _outsider_rows(self)
        return json.dumps(value, indent=2).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Trust:
        """Read a trust file.

        Raises:
            VerificationError: if it is not exactly one, or holds a key outside of our policy.
        """
        value = load_json(data)
        if not isinstance(value, dict) or set(value) - set(_OUTSIDERS) != {"origin", "keys"}:
            raise VerificationError(
                "a trust file holds an origin and keys, and may hold " + ", ".join(_OUTSIDERS)
            )
        if not isinstance(value["origin"], str) or not isinstance(value["keys"], list):
            raise VerificationError("a trust file's origin is a string, its keys are a list")
        keys = tuple(_trusted(row) for row in value["keys"])
        if not keys:
            raise VerificationError("a trust file must hold at least one key")
        cosigners, needed = _cosigners(value, {trusted.key.spki for trusted in keys})
        return cls(value["origin"], keys, cosigners, needed, _authorities(value))


def _trusted(row: Any) -> TrustedKey:
    names = {"algorithm", "spki", "key_id", "from_size", "to_size"}
    if not isinstance(row, dict) or set(row) != names:
        raise VerificationError(f"a trusted key has exactly the fields {', '.join(sorted(names))}")
    key = PublicKey.from_row(row)
    first, last = row["from_size"], row["to_size"]
    sizes = [first] if last is None else [first, last]
    if not all(type(size) is int and size >= 0 for size in sizes) or sizes != sorted(sizes):
        raise VerificationError("from_size and to_size must be sizes of trees, in this order")
    return TrustedKey(key, first, last)


_OUTSIDERS: Final = ("cosigners", "cosignatures_needed", "timestamp_authorities")
"""What a trust file may hold besides; without it, it means what it always meant."""


def _outsider_rows(trust: Trust) -> dict[str, Any]:
    rows = {
        "cosigners": [
            {"name": each.name, "spki": _base64(each.key.spki), "key_id": each.key.key_id}
            for each in trust.cosigners
        ],
        "cosignatures_needed": trust.cosignatures_needed,
        "timestamp_authorities": [
            {"name": each.name, "certificates": [_base64(der) for der in each.certificates]}
            for each in trust.timestamp_authorities
        ],
    }
    return {name: value for name, value in rows.items() if value}


def _cosigners(
    value: Mapping[str, Any], own: Collection[bytes]
) -> tuple[tuple[Cosigner, ...], int]:
    """The cosigners of a trust file, and how many of them it asks for."""
    cosigners = tuple(
        Cosigner(_outsiders_name(row), _cosigners_key(row))
        for row in _rows(value, "cosigners", {"name", "spki", "key_id"})
    )
    keys = [cosigner.key.spki for cosigner in cosigners]
    if len(set(keys)) < len(keys) or set(keys) & set(own):
        raise VerificationError("each cosigner has a key of its own, which is not the log's")
    needed = value.get("cosignatures_needed", 0)
    if type(needed) is not int or not 0 <= needed <= len(cosigners):
        raise VerificationError(
            f"cosignatures_needed must be from 0 to the number of cosigners, {len(cosigners)}"
        )
    return cosigners, needed


def _cosigners_key(row: Mapping[str, Any]) -> PublicKey:
    key = PublicKey.load(_bytes(row["spki"]))
    if key.algorithm != ED25519 or key.key_id != row["key_id"]:
        raise VerificationError("a cosigner's key is Ed25519, and what its key_id says")
    return key


def _authorities(value: Mapping[str, Any]) -> tuple[TimestampAuthority, ...]:
    rows = _rows(value, "timestamp_authorities", {"name", "certificates"})
    if rows and importlib.util.find_spec("rfc3161_client") is None:
        raise VerificationError(TIMESTAMPS_NEED)
    if not all(isinstance(row["certificates"], list) and row["certificates"] for row in rows):
        raise VerificationError("a timestamp authority has a list of certificates")
    authorities = tuple(
        TimestampAuthority(_outsiders_name(row), tuple(map(_bytes, row["certificates"])))
        for row in rows
    )
    if len({authority.name for authority in authorities}) < len(authorities):
        raise VerificationError("each timestamp authority has a name of its own")
    return authorities


def _rows(value: Mapping[str, Any], field: str, names: set[str]) -> list[Mapping[str, Any]]:
    rows = value.get(field, [])
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and set(row) == names for row in rows
    ):
        raise VerificationError(f"{field} is a list of objects of {', '.join(sorted(names))}")
    return rows


def _outsiders_name(row: Mapping[str, Any]) -> str:
    name = row["name"]
    if not isinstance(name, str) or not is_key_name(name):
        raise VerificationError(
            "an outsider's name has no spaces, control characters or plus signs"
        )
    return name


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise VerificationError("keys and certificates are base64")
    return load_base64(text)
