"""A listening socket that one process opens and another one answers on: sd_listen_fds(3).

systemd does it so, and so does our supervisor.
"""

from __future__ import annotations

import os
import socket
from typing import Final

from crossmodel.errors import ConfigurationError

FIRST: Final = 3
"""The number that the first socket has: SD_LISTEN_FDS_START."""


def hand_over(listening: socket.socket) -> None:
    """Put the socket where its process will look for it. Call it in that process, before ``exec``.

    All descriptors but this one are to be closed then: its own children would keep others.
    """
    os.dup2(listening.fileno(), FIRST)
    os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}


def take() -> socket.socket | None:
    """The socket that was handed over to this process; ``None`` if none was.

    Call it before anything else is started: processes below this one must not have it.

    Raises:
        ConfigurationError: if there are several.
    """
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return None
    if os.environ.pop("LISTEN_FDS", "0") != "1":
        raise ConfigurationError(
            "one listening socket can be handed over, for clients: LISTEN_FDS must be 1",
            path="gateway.listen",
        )
    os.set_inheritable(FIRST, False)
    return socket.socket(fileno=FIRST)
