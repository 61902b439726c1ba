"""Signers: where a log's private keys are, other than in its own folder.

A key is named by a URI:

- ``env:NAME`` or ``env:NAME:PASSPHRASE_NAME``: PKCS#8 in PEM, in an environment variable;
- ``file:PATH``: the same in a file, encrypted with the log's own passphrase where there is one;
- anything that ``securesystemslib`` knows, such as ``gcpkms:…``, ``awskms:…``, ``azurekms:…``,
  ``hv:…`` (Vault) and ``hsm:…`` (PKCS#11), with the public key in a file (extra ``kms``).

Whatever a service signs is verified under our own policy before it is used: one that is set to
PKCS#1 v1.5, another salt or another key is found when it is opened, and at each signature.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.serialization import load_der_public_key

from crossmodel.errors import MissingExtraError, VerificationError, WitnessError
from crossmodel.witness.keys.keyring import load_or_create_keys
from crossmodel.witness.keys.pairs import (
    ED25519,
    RSA_2048,
    FileSigner,
    KeyPair,
    PublicKey,
    Signer,
    load_signer,
)

ENVIRONMENT: Final = "env"
FILE: Final = "file"
PROBE: Final = b"crossmodel: does this key sign as it must?"
"""Signed when a service is opened. It has no line break, so it can be no checkpoint."""

_SCHEMES: Final = {RSA_2048: "rsassa-pss-sha256", ED25519: "ed25519"}


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where one of a log's keys is: a URI, and a file with the public key where services need it.

    An empty ``uri`` stands for the file in the log's own folder.
    """

    uri: str = ""
    public_key: Path | None = None


IN_FOLDER: Final = KeyPlace()


class Service(Protocol):
    """What we use of ``securesystemslib.signer.Signer``."""

    def sign(self, payload: bytes, /) -> Any:
        """An object with the signature in hex as its ``signature``."""
        ...


@dataclass(frozen=True, slots=True)
class ServiceSigner:
    """A private key that a key service or a hardware module holds."""

    public: PublicKey
    _service: Service = field(repr=False)

    @classmethod
    def of(cls, service: Service, public: PublicKey) -> ServiceSigner:
        """A signer over one of ``securesystemslib``'s.

        Raises:
            WitnessError: if it cannot sign, or what it signs does not verify under our policy.
        """
        signer = cls(public, service)
        signer.sign(PROBE)
        return signer

    def sign(self, message: bytes) -> bytes:
        """The signature over exactly these bytes.

        Raises:
            WitnessError: if the service fails, or answers with anything else.
        """
        try:
            signature = bytes.fromhex(self._service.sign(message).signature)
        except Exception as error:  # services raise whatever their clients do
            raise WitnessError(
                f"{type(self._service).__name__} could not sign: {type(error).__name__}"
            ) from error
        if not self.public.verifies(signature, message):
            raise WitnessError(
                f"what {type(self._service).__name__} signs is not {_policy(self.public)} by the "
                f"key {self.public.key_id[:16]}…: check the service's key and algorithm"
            )
        return signature


def open_keys(
    folder: Path,
    *,
    passphrase: str | None = None,
    rsa: KeyPlace = IN_FOLDER,
    ed25519: KeyPlace = IN_FOLDER,
) -> KeyPair:
    """A log's two keys, each from where it is; those of ``folder`` are made if they are missing.

    Raises:
        WitnessError: if one of them cannot be had; the message says which.
        MissingExtraError: if a service is asked for without the extra ``kms``.
    """
    if rsa.uri and ed25519.uri:
        return KeyPair(
            open_signer(rsa, RSA_2048, passphrase=passphrase),
            open_signer(ed25519, ED25519, passphrase=passphrase),
        )
    kept = load_or_create_keys(folder, passphrase=passphrase)
    return KeyPair(
        open_signer(rsa, RSA_2048, passphrase=passphrase) if rsa.uri else kept.rsa,
        open_signer(ed25519, ED25519, passphrase=passphrase) if ed25519.uri else kept.ed25519,
    )


def open_signer(
    place: KeyPlace,
    algorithm: str,
    *,
    passphrase: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Signer:
    """The signer that a URI names, for a key of that algorithm.

    Raises:
        WitnessError: if there is no such key, or it is not what our policy allows.
        MissingExtraError: if a service is asked for without the extra ``kms``.
    """
    scheme, _, rest = place.uri.partition(":")
    if scheme == ENVIRONMENT:
        return _from_environment(rest, algorithm, environment)
    if scheme == FILE:
        return _from_file(Path(rest), algorithm, passphrase)
    return ServiceSigner.of(*_service(place, algorithm, passphrase))


def _from_environment(names: str, algorithm: str, environment: Mapping[str, str]) -> FileSigner:
    name, _, passphrase_name = names.partition(":")
    for needed in (name, passphrase_name):
        if needed and not environment.get(needed):
            raise WitnessError(f"the environment variable {needed} is not set")
    if not name:
        raise WitnessError("a key in the environment is named env:NAME or env:NAME:PASSPHRASE_NAME")
    passphrase = environment[passphrase_name] if passphrase_name else None
    pem = environment[name].encode("utf-8", "surrogateescape")
    return load_signer(pem, f"in {name}", algorithm, passphrase)


def _from_file(path: Path, algorithm: str, passphrase: str | None) -> FileSigner:
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise WitnessError(f"cannot read the key {path}: {error.strerror}") from error
    return load_signer(pem, path.name, algorithm, passphrase)


def _service(place: KeyPlace, algorithm: str, passphrase: str | None) -> tuple[Service, PublicKey]:
    scheme = place.uri.partition(":")[0]
    try:
        library = importlib.import_module("securesystemslib.signer")
    except ImportError:
        raise MissingExtraError(f"a key at {scheme}:…", "kms") from None
    if scheme not in library.SIGNER_FOR_URI_SCHEME:
        known = ", ".join(sorted([ENVIRONMENT, FILE, *library.SIGNER_FOR_URI_SCHEME]))
        raise WitnessError(f"there is no kind of key {scheme!r}; known are {known}")
    public = _public(place, algorithm)
    key = load_der_public_key(public.spki)
    described = library.SSlibKey.from_crypto(key, scheme=_SCHEMES[algorithm])

    def secret(name: str) -> str:
        if passphrase is None:
            raise WitnessError(f"{scheme}: needs a {name}: set the keys' passphrase")
        return passphrase

    try:
        return library.Signer.from_priv_key_uri(place.uri, described, secret), public
    except WitnessError:
        raise
    except Exception as error:  # services raise whatever their clients do
        raise WitnessError(f"cannot open the key at {scheme}:…: {error}") from error


def _public(place: KeyPlace, algorithm: str) -> PublicKey:
    if place.public_key is None:
        raise WitnessError(
            f"{place.uri.partition(':')[0]}: needs the public key too, as a file in PEM"
        )
    try:
        public = PublicKey.from_pem(place.public_key.read_bytes())
    except OSError as error:
        raise WitnessError(f"cannot read {place.public_key}: {error.strerror}") from error
    except VerificationError as error:
        raise WitnessError(f"{place.public_key}: {error}") from None
    if public.algorithm != algorithm:
        raise WitnessError(f"{place.public_key} must be a public key of {algorithm}")
    return public


def _policy(public: PublicKey) -> str:
    if public.algorithm == ED25519:
        return "Ed25519"
    return "RSA-PSS (SHA-256, MGF1 with SHA-256, salt of 32 bytes)"
