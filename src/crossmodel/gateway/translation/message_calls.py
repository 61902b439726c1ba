"""Puts tool calls that a Messages stream tells of in turns into one after the other.

Chat has an index for each call, but its official client takes a call for complete as soon as the
next one begins. So one call goes out as it comes, and later ones wait until it has ended.
"""

from __future__ import annotations

from crossmodel.gateway.translation.reading import Json, refuse
from crossmodel.wire.sse import MAX_EVENT_BYTES


class Call:
    """A tool call under way.

    Attributes:
        index: its place among the calls, as chat counts them.
        given: the arguments that its block started with; mostly none, as they come in parts.
        came: whether parts came.
    """

    __slots__ = ("came", "given", "index", "stopped", "waiting")

    def __init__(self, index: int, given: Json) -> None:
        self.index = index
        self.given = given
        self.came = False
        self.stopped = False
        self.waiting: list[bytes] = []


class CallQueue:
    """The calls that have started and not gone out whole; the first of them goes out as it comes.

    Args:
        limit: the most bytes that may wait.
    """

    __slots__ = ("_calls", "_limit", "_waiting", "count")

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._calls: list[Call] = []
        self._limit = limit
        self._waiting = 0
        self.count = 0

    def start(self, given: Json) -> Call:
        """The next call, at the end of the queue."""
        call = Call(self.count, given)
        self.count += 1
        self._calls.append(call)
        return call

    def send(self, call: Call, part: bytes) -> bytes:
        """What can go out now that there is a part of ``call``.

        Raises:
            InvalidInputError: if more than the limit would have to wait.
        """
        if call is self._calls[0]:
            return part
        self._waiting += len(part)
        if self._waiting > self._limit:
            raise refuse("content", f"more than {self._limit} bytes of tool calls would wait")
        call.waiting.append(part)
        return b""

    def stop(self, call: Call) -> bytes:
        """What can go out now that ``call`` has all its parts."""
        call.stopped = True
        made: list[bytes] = []
        while self._calls and self._calls[0].stopped:
            del self._calls[0]
            if self._calls:
                made += self._calls[0].waiting
                self._calls[0].waiting.clear()
        freed = b"".join(made)
        self._waiting -= len(freed)
        return freed
