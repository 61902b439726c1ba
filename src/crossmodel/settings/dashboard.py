"""Where the dashboard listens, and who may look at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError
from crossmodel.settings.gateway import split_address

ROLES: Final = ("viewer", "admin")


@dataclass(frozen=True, slots=True)
class DashboardUser:
    """Somebody who may sign in to the dashboard.

    Attributes:
        name: what they sign in as.
        hash_env: names the variable that holds the hash of their password, which
            ``crossmodel dashboard --hash`` prints.
        role: ``viewer`` looks at everything and changes nothing; ``admin`` may release, quarantine
            and erase insights too.
        tenant: whose data they see; that of ``[loop]`` if empty.
    """

    name: str
    hash_env: str
    role: str = "viewer"
    tenant: str = ""

    def __post_init__(self) -> None:
        checks.text("name", self.name)
        checks.text("hash_env", self.hash_env)
        checks.one_of("role", self.role, ROLES)


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    """Where the dashboard listens, and who may look at it.

    Attributes:
        listen: host and port.
        users: who may sign in. Without any, whoever reaches it from this machine is an admin, and
            it listens nowhere else.
        names: host names under which it is reached, besides ``localhost``, addresses and its own:
            requests under other names are refused (DNS rebinding).
        secret_env: names the variable that holds what sessions are signed with, at least 32
            characters; empty, a secret is made at every start, and starting signs everybody out.
        session_hours: how long somebody stays signed in, in hours, more than 0.
        tls_certificate: a file with the certificate chain in PEM; with it browsers speak TLS.
        tls_key: a file with its private key in PEM.
        behind_tls: whether a proxy in front of it speaks TLS: then browsers send the session over
            nothing else.
        gateway: address of the gateway's control plane, such as ``http://127.0.0.1:8081``, for what
            only the running gateway knows; that of ``[gateway] control`` if empty.
    """

    listen: str = "127.0.0.1:8082"
    users: tuple[DashboardUser, ...] = ()
    names: tuple[str, ...] = ()
    secret_env: str = ""
    session_hours: float = 12.0
    tls_certificate: str = ""
    tls_key: str = ""
    behind_tls: bool = False
    gateway: str = ""

    def __post_init__(self) -> None:
        split_address(self.listen, "listen")
        checks.limit("session_hours", self.session_hours)
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise InvalidInputError("tls_certificate needs tls_key, and the other way round")
        if self.gateway and not self.gateway.startswith(("http://", "https://")):
            raise InvalidInputError("gateway must start with http:// or https://")

    @property
    def is_over_tls(self) -> bool:
        """Whether browsers reach it by TLS."""
        return self.behind_tls or bool(self.tls_certificate)
