"""A client's connection to the control plane: uvicorn's, with limits on the heads of requests."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS: Final = 10.0
"""How long the line and headers of a request may take, the first of them from the connection on."""

MOST_HEAD_BYTES: Final = 64 * 1024


class ControlConnection(HttpToolsProtocol):
    """Ends connections whose next request does not come, drips in, or has no end of headers.

    uvicorn bounds neither the time nor the size of them: whoever reaches the port could hold all
    connections (slow loris) or fill the memory.
    """

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless that is still the head of a request and too much."""
        super().data_received(data)
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._end()

    def on_message_begin(self) -> None:
        """The next request on the same connection has as long as the first."""
        super().on_message_begin()
        if self._deadline is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The head is there; time and size of the body are limited where it is read."""
        self._stop_waiting()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._end)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        self._stop_waiting()
        self.transport.close()
