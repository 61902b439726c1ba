"""What only the running gateway knows: asked of its control plane."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from crossmodel.errors import CrossModelError
from crossmodel.settings import Settings

SECONDS: Final = 1.0
"""How long a page waits for it."""


class GatewayNotReachedError(CrossModelError):
    """The gateway does not answer, or not with what was asked for; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address that serves a model, as it is now; see the control plane's documentation."""

    model: str
    id: str
    circuit: str
    is_healthy: bool
    in_flight: int
    latency_ms: float | None
    requests: int
    failures: int


class Gateway:
    """The control plane of the gateway that the settings name.

    Args:
        settings: they say where it is, and which variable holds its key.
        environment: holds the key.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        self.url = settings.dashboard.gateway or f"http://{settings.gateway.control}"
        name = settings.gateway.admin_key_env
        key = environment.get(name, "") if name else ""
        self._headers = {"authorization": f"Bearer {key}"} if key else {}

    async def endpoints(self) -> list[Endpoint]:
        """The endpoints of all models.

        Raises:
            GatewayNotReachedError: if they cannot be had.
        """
        found: list[Endpoint] = []
        offset: int | None = 0
        while offset is not None:
            page = await self._get("/admin/v1/models", limit=100, offset=offset)
            found += [
                Endpoint(
                    model=model["id"],
                    id=each["id"],
                    circuit=each["circuit"],
                    is_healthy=each["healthy"],
                    in_flight=each["in_flight"],
                    latency_ms=each["latency_ms"],
                    requests=each["requests"],
                    failures=each["failures"],
                )
                for model in page["items"]
                for each in model["endpoints"]
            ]
            offset = page["next_offset"]
        return found

    async def _get(self, path: str, **asked: int) -> Any:
        try:
            async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
                answer = await client.get(self.url + path, params=asked, headers=self._headers)
                answer.raise_for_status()
                return answer.json()
        except httpx.HTTPStatusError as error:
            raise GatewayNotReachedError(
                f"the gateway at {self.url} answers with {error.response.status_code}: set the "
                "variable that gateway.admin_key_env names to its admin key"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise GatewayNotReachedError(
                f"the gateway is not reachable at {self.url}: start it with crossmodel serve, or "
                "say in dashboard.gateway where its control plane is"
            ) from error
