"""Who may use the admin API."""

from __future__ import annotations

import hashlib
import hmac

from starlette.requests import Request

from crossmodel.gateway.control.problems import RefusedError

BEARER = "bearer"


class AdminAccess:
    """Asks for the admin key as a bearer token (RFC 6750).

    Args:
        digest: SHA-256 of the admin key in hex; ``None`` if none is set. Then the API is open to
            this machine, and closed where others reach it.
        is_loopback: whether only this machine reaches the control plane.
    """

    def __init__(self, digest: str | None, *, is_loopback: bool) -> None:
        self._digest = digest
        self._is_loopback = is_loopback

    def check(self, request: Request) -> None:
        """Pass, or raise.

        Raises:
            RefusedError: 401 without the key, 403 where no key is set.
        """
        if self._digest is None:
            if self._is_loopback:
                return
            raise RefusedError(
                403,
                "the admin API listens beyond this machine and has no key: name a variable that "
                "holds one in the setting gateway.admin_key_env",
            )
        given = request.headers.getlist("authorization")
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != BEARER or not self._is_key(token.strip()):
            raise RefusedError(
                401,
                "the admin key is needed as a bearer token",
                headers={"www-authenticate": 'Bearer realm="crossmodel"'},
            )

    def _is_key(self, token: str) -> bool:
        presented = hashlib.sha256(token.encode("latin-1")).hexdigest()
        return hmac.compare_digest(presented, self._digest or "")
