"""What front ends and exchanges expect of each other, so that neither needs to know the other."""

from __future__ import annotations

from typing import Protocol

from crossmodel.gateway.headers import RequestHead


class Exchange(Protocol):
    """What becomes of one request, as the connection sees it."""

    def receive(self, body: bytes) -> None:
        """The request's body, whole."""
        ...

    def client_gone(self) -> None:
        """Nobody waits for the response any more."""
        ...

    def pause(self) -> None:
        """The client cannot take more for now."""
        ...

    def resume(self) -> None:
        """It can again."""
        ...


class Client(Protocol):
    """The side of an exchange that waits for the answer: a connection, or an ASGI server."""

    def reply(self, status: int, lines: bytes, body: bytes) -> None:
        """A whole response. ``lines`` are its headers, but for those about the connection."""
        ...

    def respond(self, status: int, lines: bytes, length: int | None) -> None:
        """Begin a response; without a ``length``, in bytes, it ends with :meth:`finish`."""
        ...

    def send(self, data: bytes) -> None:
        """A part of the body; not empty."""
        ...

    def finish(self) -> None:
        """The response is whole."""
        ...

    def abort(self) -> None:
        """The response cannot be completed, and the client must not take it for whole."""
        ...


class Core(Protocol):
    """What answers requests."""

    def begin(self, head: RequestHead, client: Client) -> Exchange | None:
        """Look at a request's head; ``None`` if it has been answered already."""
        ...
