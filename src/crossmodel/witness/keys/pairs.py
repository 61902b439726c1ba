"""Keys by our own policy: what signs and what verifies, made together."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crossmodel.errors import VerificationError, WitnessError
from crossmodel.witness.strict import load_base64

RSA_2048: Final = "RSA-2048"
ED25519: Final = "Ed25519"
RSA_BITS: Final = 2048
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 4096
RSA_EXPONENT: Final = 65537
SALT_BYTES: Final = 32
PKCS8_PLAIN: Final = b"-----BEGIN PRIVATE KEY-----"
PKCS8_ENCRYPTED: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"

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

_FIELD: Final = 2**255 - 19
_CURVE: Final = -121665 * pow(121666, -1, _FIELD) % _FIELD
"""The curve's equation: -x² + y² = 1 + _CURVE·x²·y² over the field (RFC 8032, 5.1)."""

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
                that is not 65537, an RSA key that says it is for other signatures than ours, or an
                Ed25519 key that verifies what nobody signed.
        """
        try:
            key = serialization.load_der_public_key(spki)
        except (ValueError, UnsupportedAlgorithm):
            raise VerificationError("not a public key that we know") from None
        if isinstance(key, Ed25519PublicKey):
            _check_order(key)
            return cls(ED25519, spki, key)
        if not isinstance(key, rsa.RSAPublicKey):
            raise VerificationError("keys must be RSA or Ed25519")
        _check_rsa(key)
        _check_identifier(key, spki)
        return cls(RSA_2048, spki, key)

    @classmethod
    def from_pem(cls, pem: bytes) -> PublicKey:
        """A key from its SubjectPublicKeyInfo in PEM (RFC 7468, 13), if our policy allows it.

        Raises:
            VerificationError: if it is none, or as :meth:`load`.
        """
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise VerificationError("no public key in PEM") from None
        return cls.load(
            key.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

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
    secret = _secret(passphrase) if passphrase else None
    try:
        # testing the primes takes up to 0.15 s of every start; what damage does is found without
        key = serialization.load_pem_private_key(pem, secret, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, rsa.RSAPrivateKey):
            _check_whole(key)
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


def _check_whole(key: rsa.RSAPrivateKey) -> None:
    """A key whose numbers belong together (RFC 8017, 3.2); its primes are taken to be prime.

    Raises:
        ValueError: if they do not.
    """
    own, public = key.private_numbers(), key.public_key().public_numbers()
    p, q, d = own.p, own.q, own.d
    belong = (
        min(p, q) > 1
        and p * q == public.n
        and (own.dmp1, own.dmq1) == (d % (p - 1), d % (q - 1))
        and public.e * own.dmp1 % (p - 1) == public.e * own.dmq1 % (q - 1) == 1
        and own.iqmp < p
        and own.iqmp * q % p == 1
    )
    if not belong:
        raise ValueError("the numbers of the key do not belong together")


def _check_order(key: Ed25519PublicKey) -> None:
    """A point of order 1, 2, 4 or 8 is nobody's key: signatures by it are found by trying."""
    y = int.from_bytes(key.public_bytes_raw(), "little") % 2**255
    square = y * y % _FIELD
    # orders 1 and 2 have y = ±1, order 4 has y = 0, order 8 is what doubling brings to y = 0
    if square in {0, 1} or (_CURVE * square * square + 2 * square - 1) % _FIELD == 0:
        raise VerificationError("an Ed25519 key must not be a point of small order")


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
