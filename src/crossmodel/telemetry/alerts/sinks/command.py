"""A command is told: it gets a notification as JSON on its standard input."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from crossmodel.domain.alerts import Notification, Severity
from crossmodel.errors import ConfigurationError
from crossmodel.telemetry.alerts.sink import SinkError

PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""Variables that it gets, beside ``CROSSMODEL_ALERT_ID``: the others hold the keys of providers."""


class CommandSink:
    """Runs a program for each notification. No shell reads its arguments.

    Args:
        name: of the sink.
        command: the program, by its path or by a name to be found, and its arguments.
        least_severity: what matters less is not told.
        time_limit_seconds: how long it may take; then it is killed, with all that it has started.

    Raises:
        ConfigurationError: if there is no command, or it holds a NUL.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        least_severity: Severity = Severity.INFO,
        time_limit_seconds: float = 10.0,
    ) -> None:
        if isinstance(command, str) or not command or not command[0]:
            raise ConfigurationError(f"sink {name!r}: command must be a list: program, arguments")
        if any("\0" in part for part in command):
            raise ConfigurationError(f"sink {name!r}: command must hold no NUL")
        self.name = name
        self.least_severity = least_severity
        self._seconds = time_limit_seconds
        self.time_limit_seconds = time_limit_seconds + 1.0  # to kill it takes a moment
        self._command = list(command)

    def deliver(self, notification: Notification) -> None:
        """Run it; taken once it exits with 0.

        Raises:
            SinkError: if it cannot be started, takes too long, or exits with another code.
        """
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment | {"CROSSMODEL_ALERT_ID": notification.id},
                start_new_session=True,  # a process group of its own, to be killed whole
            )
        except (OSError, ValueError) as error:
            raise SinkError(f"it cannot be started: {type(error).__name__}") from None
        try:
            process.communicate(notification.body, timeout=self._seconds)
        except subprocess.TimeoutExpired:
            raise SinkError(f"it took more than {self._seconds:g} s") from None
        finally:
            _kill_group(process)
        if process.returncode != 0:
            raise SinkError(f"it ended with exit code {process.returncode}")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill it with all that it has started, and what it has left behind."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
