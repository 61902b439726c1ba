"""Who may use the admin API."""

from __future__ import annotations

from starlette.requests import Request

from crossmodel.gateway.control.problems import RefusedError
from crossmodel.gateway.keys import bearer, is_admin


class AdminAccess:
    """Asks for the admin key as a bearer token (RFC 6750).

    Args:
        digest: of the admin key, see :func:`~crossmodel.gateway.keys.admin_digest`; empty if none
            is set. Then the API is open to this machine, and closed where others reach it.
        is_loopback: whether only this machine reaches the control plane.
    """

    def __init__(self, digest: str, *, is_loopback: bool) -> None:
        self._digest = digest
        self._is_loopback = is_loopback

    def check(self, request: Request) -> None:
        """Pass, or raise.

        Raises:
            RefusedError: 401 without the key, 403 where no key is set.
        """
        if not self._digest:
            if self._is_loopback:
                return
            raise RefusedError(
                403,
                "the admin API listens beyond this machine and has no key: name a variable that "
                "holds one in the setting gateway.admin_key_env",
            )
        given = [v for n, v in request.headers.raw if n == b"authorization"]
        if len(given) != 1 or not is_admin(bearer(given[0]), self._digest):
            raise RefusedError(
                401,
                "the admin key is needed as a bearer token",
                headers={"www-authenticate": 'Bearer realm="crossmodel"'},
            )
