"""Where the gateway listens, and what clients may ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError

MOST_OFTEN: Final = 0.1
LEAST_OFTEN: Final = 10.0
"""Seconds between two turns of sharing."""


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """What a client may do to the gateway. Sizes are in bytes, times in seconds.

    Attributes:
        head_bytes: most bytes of a request's line and headers together.
        headers: most headers of one request.
        body_bytes: most bytes of a request's body.
        head_seconds: how long the head of a request may take.
        body_seconds: how long the body may take after it.
        idle_seconds: how long a connection is kept between requests.
        write_seconds: how long a client may take none of what is sent to it.
        connections: most connections at a time; more are turned away with 503.

    Raises:
        InvalidInputError: naming the field that is out of range.
    """

    head_bytes: int = 32 * 1024
    headers: int = 100
    body_bytes: int = 32 * 1024 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 75.0
    write_seconds: float = 60.0
    connections: int = 10_000

    def __post_init__(self) -> None:
        for name in ("head_bytes", "headers", "body_bytes", "connections"):
            checks.at_least(name, getattr(self, name), 1)
        for name in ("head_seconds", "body_seconds", "idle_seconds", "write_seconds"):
            checks.limit(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Answers that may be given again: of the same tenant, to the very same request.

    Only requests that ask for the likeliest answer (``temperature`` 0) and embeddings have some.

    Attributes:
        enabled: whether any are kept.
        megabytes: what they may take, in memory, more than 0.
        seconds: how long each may be given again, more than 0.
    """

    enabled: bool = False
    megabytes: float = 64.0
    seconds: float = 3600.0

    def __post_init__(self) -> None:
        for name in ("megabytes", "seconds"):
            checks.limit(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class SharingSettings:
    """Budgets, rates and keys that several gateways on one store keep to together.

    Attributes:
        enabled: whether there may be others. All gateways on one store must say the same: one that
            does not share knows nothing of what the others spend.
        seconds: how often each gives back what it does not need of a limit; 0.1 to 10.
    """

    enabled: bool = False
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if not MOST_OFTEN <= checks.number("seconds", self.seconds) <= LEAST_OFTEN:
            raise InvalidInputError(
                f"seconds must be within {MOST_OFTEN} and {LEAST_OFTEN}, not {self.seconds}"
            )


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where the gateway listens, and what it does besides passing requests on.

    Attributes:
        listen: host and port for clients.
        control: host and port for health, metrics and admin.
        admin_key_env: names the variable that holds the key of the admin API. Empty, whoever
            reaches ``control`` may use that API if it is on the loopback interface, and nobody
            otherwise.
        control_names: host names under which ``control`` is reached, besides ``localhost``,
            addresses and its own: requests under other names are refused (DNS rebinding).
        tls_certificate: a file with the certificate chain in PEM; with it clients speak TLS.
        tls_key: a file with its private key in PEM.
        insights: whether insights of better models are put into requests to cheaper ones.
        learn: whether answers of teachers become insights.
        drain_seconds: how long requests may go on when the gateway is told to end.
        limits: what a client may do.
        cache: whether and how answers are given again.
        sharing: whether other gateways on the same store keep to the same limits.
    """

    listen: str = "127.0.0.1:8080"
    control: str = "127.0.0.1:8081"
    admin_key_env: str = ""
    control_names: tuple[str, ...] = ()
    tls_certificate: str = ""
    tls_key: str = ""
    insights: bool = True
    learn: bool = True
    drain_seconds: float = 30.0
    limits: GatewayLimits = GatewayLimits()
    cache: CacheSettings = CacheSettings()
    sharing: SharingSettings = SharingSettings()

    def __post_init__(self) -> None:
        for name in ("listen", "control"):
            split_address(getattr(self, name), name)
        checks.limit("drain_seconds", self.drain_seconds)
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise InvalidInputError("tls_certificate needs tls_key, and the other way round")


def split_address(address: str, name: str) -> tuple[str, int]:
    """Host and port of ``host:port``; an IPv6 host may stand in brackets.

    Raises:
        InvalidInputError: if it is none; the message names ``name``.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise InvalidInputError(f"{name} must be host:port, not {address!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)
