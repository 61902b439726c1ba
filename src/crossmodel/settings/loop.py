"""What the loop runs on: store, providers, keys of clients, learning, witness."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from crossmodel.domain import checks
from crossmodel.domain.client_key import check_scopes
from crossmodel.domain.records import DEFAULT_TENANT
from crossmodel.errors import InvalidInputError

WRITERS: Final = ("auto", "inline", "process")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where state lives.

    Attributes:
        url: ``sqlite:///file.db`` (relative to the working folder), or ``postgresql://…`` as libpq
            has it. Its password may come from ``PGPASSWORD`` or a password file instead.
    """

    url: str = "sqlite:///crossmodel.db"

    def __post_init__(self) -> None:
        if not self.url.startswith(("sqlite:///", "postgresql://")):
            raise InvalidInputError("url must start with sqlite:/// or postgresql://")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One place that runs models.

    Attributes:
        id: what models refer to.
        kind: a row of the provider registry, such as openai, anthropic, local or fake.
        base_url: the kind's own default if empty.
        base_urls: several addresses that serve the same models, among which the gateway balances;
            in place of ``base_url``.
        api_key_env: name of the variable that holds the key; the kind's own default if empty.
        timeout_seconds: most seconds that one call may take, retries included.
        model_path: for ``local``: a GGUF file, or ``smollm2`` for the installed weights.
        threads: for ``local``: processor threads.
    """

    id: str
    kind: str
    base_url: str = ""
    base_urls: tuple[str, ...] = ()
    api_key_env: str = ""
    timeout_seconds: float = 120.0
    model_path: str = "smollm2"
    threads: int = 1

    def __post_init__(self) -> None:
        checks.text("id", self.id)
        checks.text("kind", self.kind)
        if self.base_url and self.base_urls:
            raise InvalidInputError("base_urls stand in place of base_url: give one of them")
        if len(set(self.base_urls)) < len(self.base_urls):
            raise InvalidInputError("base_urls holds an address twice")
        checks.limit("timeout_seconds", self.timeout_seconds)
        checks.at_least("threads", self.threads, 1)


@dataclass(frozen=True, slots=True)
class KeySettings:
    """One client key: ``key_env`` names the variable that holds it. Only its hash is kept.

    ``tenant`` is that of ``[loop]`` if empty. All other limits are as in
    :class:`~crossmodel.domain.client_key.ClientKey`.
    """

    name: str
    key_env: str
    tenant: str = ""
    models: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    burst: int | None = None
    concurrent: int | None = None
    daily_budget: float | None = None
    monthly_budget: float | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        checks.text("key_env", self.key_env)
        check_scopes(self)


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How the loop runs.

    Attributes:
        tenant: whose insights are read and written.
        teacher_quality: answers of models of at least this quality, 0..1, become insights.
        max_output_tokens: most tokens of an answer when the caller sets no limit.
    """

    tenant: str = DEFAULT_TENANT
    teacher_quality: float = 0.8
    max_output_tokens: int = 1024

    def __post_init__(self) -> None:
        checks.text("tenant", self.tenant)
        checks.unit_interval("teacher_quality", self.teacher_quality)
        checks.at_least("max_output_tokens", self.max_output_tokens, 1)


@dataclass(frozen=True, slots=True)
class WitnessSettings:
    """The log's name and keys.

    Attributes:
        origin: names the log in every checkpoint.
        key_dir: where keys are kept that have no signer below; made there if they are missing.
        passphrase_env: the variable that holds the passphrase of the keys in files, and the PIN of
            a hardware module; unset, keys are kept unencrypted.
        rsa_signer: where the RSA key is instead, as a URI: ``env:NAME`` (PKCS#8 in PEM, in a
            variable), ``env:NAME:PASSPHRASE_NAME``, ``file:PATH``, or a key service or hardware
            module such as ``gcpkms:…``, ``awskms:…``, ``azurekms:…``, ``hv:…`` or ``hsm:…``
            (extra ``kms``). Empty: in ``key_dir``.
        rsa_public_key: a file with its public key in PEM, which services need: they are held to it.
        ed25519_signer: likewise for the Ed25519 key; one may be a URI and the other a file.
        ed25519_public_key: likewise.
        writer: with ``process``, turns from which nothing is learned are handed to a process that
            writes many at once, and answers do not wait for it; with ``inline``, this process
            writes them, and an answer of the library is on the record when it is given. ``auto``:
            the gateway hands over where it can, the library writes inline.
        spool_dir: the folder in which this machine keeps what waits for that process: on a disk of
            its own, never shared with another machine. Empty: beside the store where that is a
            file; where it is a server, none, and ``auto`` writes in the gateway's own process.
    """

    origin: str = "crossmodel.local/log"
    key_dir: str = "crossmodel-keys"
    passphrase_env: str = "CROSSMODEL_KEY_PASSPHRASE"  # noqa: S105 - a variable's name
    rsa_signer: str = ""
    rsa_public_key: str = ""
    ed25519_signer: str = ""
    ed25519_public_key: str = ""
    writer: str = "auto"
    spool_dir: str = ""

    def __post_init__(self) -> None:
        checks.text("origin", self.origin)
        checks.text("key_dir", self.key_dir)
        for name in ("rsa_signer", "ed25519_signer"):
            uri = getattr(self, name)
            if uri and ":" not in uri:  # the value is not shown: it may be the key itself
                raise InvalidInputError(f"{name} must be a URI, such as env:NAME")
        checks.one_of("writer", self.writer, WRITERS)

    @property
    def needs_folder(self) -> bool:
        """Whether one of the keys is kept in ``key_dir``."""
        return not (self.rsa_signer and self.ed25519_signer)
