"""One port, a listening socket for each instance, and who of them gets new connections.

With ``SO_REUSEPORT`` the system deals connections out among the sockets of a port, evenly and
without one process waking the others. Closing such a socket would lose the connections that wait in
it. So the supervisor holds them all: an instance that ends leaves its queue to the next one of its
place. A place that is given up gets no new connections first, by a filter on the port
(``SO_ATTACH_REUSEPORT_CBPF``, socket(7)), then its instance empties the queue, and then it closes.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from typing import Final

BACKLOG: Final = 2048

_ATTACH_FILTER: Final = 51  # SO_ATTACH_REUSEPORT_CBPF, which the socket module does not name
_RANDOM: Final = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM of linux/filter.h
_LOAD, _MODULO, _IF_EQUAL, _RETURN = 0x20, 0x94, 0x15, 0x06


class SharedPort:
    """Listening sockets on one address, by the place of their instance, 0 and up.

    Args:
        host: the address; its port may be 0 for a free one.
        port: the port.
        is_ours: whether nobody else listens there: then new connections can be steered.

    Raises:
        OSError: if the address cannot be had.
    """

    def __init__(self, host: str, port: int, *, is_ours: bool = True) -> None:
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._can_steer = is_ours
        self._sockets: list[socket.socket] = []
        self.address = (host, port)
        self.address = self.get(0).getsockname()[:2]

    def get(self, place: int) -> socket.socket:
        """The socket of a place, and those of all before it."""
        while len(self._sockets) <= place:
            listening = socket.socket(self._family, socket.SOCK_STREAM)
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                listening.bind(self.address)
                listening.listen(BACKLOG)
            except OSError:
                listening.close()
                raise
            listening.setblocking(False)
            self._sockets.append(listening)
        return self._sockets[place]

    def steer(self, places: Sequence[int]) -> bool:
        """Let only these places get new connections; False if the system cannot."""
        if not self._can_steer or not places:
            return False
        steps = [(_LOAD, 0, 0, _RANDOM), (_MODULO, 0, 0, len(places))]
        for number, place in enumerate(places):
            steps += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, place)]
        steps.append((_RETURN, 0, 0, places[0]))
        program = b"".join(struct.pack("HBBI", *step) for step in steps)
        code = ctypes.create_string_buffer(program, len(program))
        whole = struct.pack("HP", len(steps), ctypes.addressof(code))
        try:
            self._sockets[0].setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, whole)
        except OSError:  # another system, or an old one
            self._can_steer = False
        return self._can_steer

    def give_up(self, places: int) -> None:
        """Close the sockets of all places from that number on.

        The last ones only: the system numbers sockets in their order, and one that is missing in
        the middle would be taken by the last.
        """
        while len(self._sockets) > max(places, 1):
            self._sockets.pop().close()

    def close(self) -> None:
        """Listen no more."""
        for each in self._sockets:
            each.close()
        self._sockets.clear()
