"""Who reaches an address, and under which name a request says that it has come."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(authority: str) -> str:
    """The host of ``host``, ``host:port``, ``[v6]`` or ``[v6]:port``; empty if it is none."""
    if authority.startswith("["):
        host, bracket, port = authority[1:].partition("]")
        well_formed = bracket and (not port or (port[0] == ":" and _is_port(port[1:])))
        return host if well_formed else ""
    host, colon, port = authority.partition(":")
    return host if not colon or _is_port(port) else ""


def authority(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_address(host: str) -> bool:
    """Whether it is an IP address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit()
