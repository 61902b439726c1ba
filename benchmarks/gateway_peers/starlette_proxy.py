"""The gateway that many write first: Starlette in front, aiohttp behind, bytes passed through.

``python starlette_proxy.py PORT UPSTREAM_PORT``. It authenticates nobody, selects, counts and
records nothing: what it costs is what the libraries cost.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


def application(upstream: str) -> Starlette:
    """An application that sends every POST on to ``upstream``."""
    sessions: list[aiohttp.ClientSession] = []

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            sessions.append(session)
            yield

    async def relay(request: Request) -> Response:
        answer = await sessions[0].post(
            upstream + request.url.path,
            data=await request.body(),
            headers={
                name: request.headers[name]
                for name in ("authorization", "content-type")
                if name in request.headers
            },
        )
        kind = answer.headers.get("content-type", "")
        if not kind.startswith("text/event-stream"):
            return Response(await answer.read(), answer.status, media_type=kind)

        async def chunks() -> AsyncIterator[bytes]:
            async with answer:
                async for chunk in answer.content.iter_any():
                    yield chunk

        return StreamingResponse(chunks(), answer.status, media_type=kind)

    return Starlette(
        routes=[Route("/{path:path}", relay, methods=["POST"])],
        lifespan=lifespan,
    )


if __name__ == "__main__":
    uvicorn.run(
        application(f"http://127.0.0.1:{sys.argv[2]}"),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
