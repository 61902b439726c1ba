"""A raw HTTP/1.1 client: it sends any bytes, and says exactly what came back and how it ended."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Response:
    """One answer, as it was read.

    Attributes:
        raw: every byte of it, interim answers included.
        interim: the statuses of the 1xx answers before it.
        chunks: the chunks of a chunked body; ``extensions`` what stood behind each size.
        ended: ``complete``, or why it is not: ``fin``, ``reset``, ``timeout``, ``malformed``. A body
            without a length is complete when the connection closes. Over TLS ``fin`` is an end that
            was announced (RFC 8446, 6.1), ``reset`` any other.
    """

    raw: bytes = b""
    interim: list[int] = field(default_factory=list)
    version: str = ""
    status: int = 0
    reason: str = ""
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    extensions: list[str] = field(default_factory=list)
    trailers: Headers = field(default_factory=list)
    ended: str = "complete"

    @property
    def complete(self) -> bool:
        return self.ended == "complete"

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of its name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def content(self) -> bytes:
        """The body with its coding undone."""
        return (
            gzip.decompress(self.body) if self.header("content-encoding") == "gzip" else self.body
        )

    def json(self) -> Any:
        return json.loads(self.content)

    def events(self) -> list[tuple[str | None, str]]:
        """Name and data of each whole server-sent event, by WHATWG HTML 9.2.6."""
        text = self.content.decode().replace("\r\n", "\n").replace("\r", "\n")
        events = []
        for block in text.split("\n\n")[:-1]:
            name, data = None, []
            for line in block.split("\n"):
                key, _, value = line.partition(":")
                if key == "event":
                    name = value.removeprefix(" ")
                elif key == "data":
                    data.append(value.removeprefix(" "))
            if data:
                events.append((name, "\n".join(data)))
        return events


class _EndedError(Exception):
    """The connection gave no more; ``how`` is what ``Response.ended`` says."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class RawClient:
    """One connection. Nothing is sent or closed that was not asked for.

    Args:
        host: where to connect.
        port: where to connect.
        timeout: seconds that a read waits unless it says otherwise, for all it reads together.
        tls: speaks TLS by this context, to ``server_name``.
        server_name: the name that the certificate is checked against.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float = 5.0,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        self.timeout = timeout
        self._received = bytearray()
        self._deadline = 0.0
        connected = socket.create_connection((host, port), timeout)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket: socket.socket = (
            connected
            if tls is None
            else tls.wrap_socket(
                connected, server_hostname=server_name or host, suppress_ragged_eofs=False
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.socket.settimeout(self.timeout)
        self.socket.sendall(data)

    def send_slowly(self, data: bytes, pause: float, size: int = 1) -> int:
        """Sends ``size`` bytes each ``pause`` seconds; returns how many went before it was closed."""
        for start in range(0, len(data), size):
            try:
                self.send(data[start : start + size])
            except OSError:
                return start
            time.sleep(pause)
        return len(data)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Iterable[tuple[str, str]] = (),
        *,
        timeout: float | None = None,
    ) -> Response:
        """Sends one well-formed request and reads its answer."""
        self.send(request(method, path, body, headers))
        return self.read_response(method, timeout=timeout)

    def half_close(self) -> None:
        """Says that nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> float:
        """Ends the connection by RST; returns when, by ``time.monotonic``."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return self.close()

    def close(self) -> float:
        """Ends the connection; returns when, by ``time.monotonic``."""
        moment = time.monotonic()
        self.socket.close()
        return moment

    def peer_state(self, within: float = 0.0) -> str:
        """``open``, ``data``, ``fin`` or ``reset``: the first sign from the peer in that time."""
        if self._received:
            return "data"
        self._deadline = time.monotonic() + within
        try:
            self._more()
        except _EndedError as ended:
            return "open" if ended.how == "timeout" else ended.how
        return "data"

    def read_until_close(self, timeout: float | None = None) -> bytes:
        """All that comes until the peer closes.

        Raises:
            TimeoutError: if it does not in time.
        """
        self._begin(timeout)
        try:
            while True:
                self._more()
        except _EndedError as ended:
            if ended.how == "timeout":
                raise TimeoutError(f"open after {len(self._received)} bytes") from None
        return self._take(len(self._received))

    def read_until(self, marker: bytes, timeout: float | None = None) -> bytes:
        """What comes up to a marker, it included.

        Raises:
            TimeoutError: if it does not come in time.
            ConnectionError: if the connection ends before.
        """
        self._begin(timeout)
        try:
            return self._through(marker)
        except _EndedError as ended:
            raise _raised(ended, self._received) from None

    def read_bytes(self, count: int, timeout: float | None = None) -> bytes:
        """Exactly ``count`` bytes.

        Raises:
            TimeoutError: if they do not come in time.
            ConnectionError: if the connection ends before.
        """
        self._begin(timeout)
        try:
            self._need(count)
        except _EndedError as ended:
            raise _raised(ended, self._received) from None
        return self._take(count)

    def read_response(self, method: str = "POST", *, timeout: float | None = None) -> Response:
        """One answer, however it ends; ``method`` is that of its request, as HEAD has no body."""
        self._begin(timeout)
        response = Response()
        try:
            self._read_head(response)
            self._read_body(response, method)
        except _EndedError as ended:
            response.ended = ended.how
        except ValueError:
            response.ended = "malformed"
        if not response.complete:
            response.raw += self._take(len(self._received))
        return response

    def _read_head(self, response: Response) -> None:
        while True:
            head = self._through(b"\r\n\r\n")
            response.raw += head
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            version, status, *reason = first.split(" ", 2)
            if not version.startswith("HTTP/1."):
                raise ValueError(first)
            response.version, response.status = version, int(status)
            response.reason = reason[0] if reason else ""
            response.headers = [_header(line) for line in lines]
            if not 100 <= response.status < 200 or response.status == 101:
                return
            response.interim.append(response.status)

    def _read_body(self, response: Response, method: str) -> None:
        if method == "HEAD" or response.status in {204, 304}:
            return
        if (response.header("transfer-encoding") or "").lower() == "chunked":
            self._read_chunks(response)
            return
        lengths = set(response.all("content-length"))
        if len(lengths) > 1:
            raise ValueError(lengths)
        wanted = int(lengths.pop()) if lengths else None
        while wanted is None or len(response.body) < wanted:
            if not self._received:
                try:
                    self._more()
                except _EndedError as ended:
                    if wanted is None and ended.how == "fin":
                        return
                    raise
            rest = len(self._received)
            got = self._take(rest if wanted is None else min(rest, wanted - len(response.body)))
            response.raw += got
            response.body += got

    def _read_chunks(self, response: Response) -> None:
        pieces = response.chunks
        raw = [response.raw]
        try:
            while True:
                line = self._through(b"\r\n")
                raw.append(line)
                figure, _, extension = line[:-2].decode("latin-1").partition(";")
                response.extensions.append(extension)
                size = int(figure.strip(), 16)
                if size == 0:
                    break
                self._need(size + 2)
                chunk = self._take(size + 2)
                raw.append(chunk)
                if not chunk.endswith(b"\r\n"):
                    raise ValueError("a chunk is longer than its size says")
                pieces.append(chunk[:-2])
            while (line := self._through(b"\r\n")) != b"\r\n":
                raw.append(line)
                response.trailers.append(_header(line[:-2].decode("latin-1")))
            raw.append(line)
        finally:
            response.raw = b"".join(raw)
            response.body = b"".join(pieces)

    def _begin(self, timeout: float | None) -> None:
        self._deadline = time.monotonic() + (self.timeout if timeout is None else timeout)

    def _through(self, marker: bytes) -> bytes:
        searched = 0
        while (at := self._received.find(marker, max(0, searched - len(marker)))) < 0:
            searched = len(self._received)
            self._more()
        return self._take(at + len(marker))

    def _need(self, count: int) -> None:
        while len(self._received) < count:
            self._more()

    def _take(self, count: int) -> bytes:
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _more(self) -> None:
        """Waits for more bytes.

        Raises:
            _EndedError: if there are none before the deadline, or none will come.
        """
        self.socket.settimeout(max(0.001, self._deadline - time.monotonic()))
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise _EndedError("timeout") from None
        except OSError:
            raise _EndedError("reset") from None
        if not data:
            raise _EndedError("fin")
        self._received += data


def request(
    method: str,
    path: str,
    body: Any = None,
    headers: Iterable[tuple[str, str]] = (),
    *,
    chunks: Iterable[bytes] | None = None,
) -> bytes:
    """The bytes of a request; ``body``: bytes as they are, anything else but None as JSON.

    With ``chunks`` the body goes in those chunks. Host and length are added unless ``headers`` has
    them: what is written there is sent as it is, right or wrong.
    """
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = list(headers)
    names = {name.lower() for name, _ in given}
    if "host" not in names:
        given.insert(0, ("Host", "upstream.test"))
    if chunks is not None:
        data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        if "transfer-encoding" not in names:
            given.append(("Transfer-Encoding", "chunked"))
    elif "content-length" not in names and "transfer-encoding" not in names and body is not None:
        given.append(("Content-Length", str(len(data))))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError(line)
    return name, value.strip(" \t")


def _raised(ended: _EndedError, received: bytes | bytearray) -> Exception:
    message = f"{ended.how} after {bytes(received[-200:])!r}"
    return TimeoutError(message) if ended.how == "timeout" else ConnectionError(message)
