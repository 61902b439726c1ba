"""A process that extracts for another: what hangs in it can be killed, what it costs is its own.

It serves one connection and ends with it, so that no worker outlives its parent.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import Any, Final

import cloudpickle

from crossmodel.errors import ExtractionError, ExtractionTimeoutError

_PROGRAM: Final = "from crossmodel.extraction.worker import serve; serve()"
_STARTUP_SECONDS: Final = 60.0
_MAX_ERROR: Final = 300


class Worker:
    """One such process. It starts with its first call, and anew after it had to be killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._finalizer: Callable[[], object] = lambda: None
        self._lock = threading.Lock()

    def call(self, function: Any, *arguments: Any, seconds: float) -> Any:
        """What ``function(*arguments)`` returns there.

        Functions and arguments travel by value where the worker could not import them.

        Raises:
            ExtractionTimeoutError: if it takes longer than ``seconds``; the worker is gone then.
            ExtractionError: if it raises something, or cannot be sent.
        """
        try:
            request = _pickled((function, arguments))
        except Exception as error:
            raise ExtractionError(f"cannot be sent to a process: {error}") from error
        with self._lock:
            connection = self._started()
            try:
                connection.send_bytes(request)
                answer = connection.recv_bytes() if connection.poll(seconds) else None
            except (EOFError, OSError) as error:
                self._stop()
                raise ExtractionError("the process that ran it died") from error
            if answer is None:
                self._stop()
                raise ExtractionTimeoutError(f"timed out after {seconds:g} s")
        succeeded, value = pickle.loads(answer)  # noqa: S301 - from our own child
        if not succeeded:
            raise ExtractionError(value)
        return value

    def close(self) -> None:
        """End the process; safe to call twice."""
        with self._lock:
            self._stop()

    def kill(self) -> None:
        """End the process at once, and with it a call that another thread waits for."""
        process = self._process
        if process is not None:
            process.kill()

    def _started(self) -> Connection[Any, Any]:
        if self._connection is not None:
            return self._connection
        ours, theirs = Pipe()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        theirs.close()
        self._connection = ours
        self._finalizer = weakref.finalize(self, _end, self._process, ours)
        if not ours.poll(_STARTUP_SECONDS):
            self._stop()
            raise ExtractionError(f"the process did not start within {_STARTUP_SECONDS:g} s")
        try:
            ours.recv_bytes()
        except (EOFError, OSError) as error:
            self._stop()
            raise ExtractionError("the process died as it started") from error
        return ours

    def _stop(self) -> None:
        self._finalizer()
        self._process = self._connection = None


def _end(process: subprocess.Popen[bytes], connection: Connection[Any, Any]) -> None:
    connection.close()
    process.kill()
    process.wait()


def _pickled(value: Any) -> bytes:
    """By reference what the worker can import, by value what it cannot."""
    function = value[0]
    for each in (function, *value[1]):
        name = getattr(each, "__module__", None) or type(each).__module__
        module = sys.modules.get(name)
        if module is not None and name != "__main__" and not _is_importable(name):
            cloudpickle.register_pickle_by_value(module)
    return bytes(cloudpickle.dumps(value))


def _is_importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def serve() -> None:
    """Answer calls over the connection whose number is the first argument, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
    connection.send_bytes(b"ready")
    while True:
        try:
            request = connection.recv_bytes()
        except EOFError:
            return
        try:
            function, arguments = pickle.loads(request)  # noqa: S301 - from our own parent
            answer = pickle.dumps((True, function(*arguments)))
        except Exception as error:  # noqa: BLE001 - whatever foreign code raises is its answer
            answer = pickle.dumps((False, f"{type(error).__name__}: {error}"[:_MAX_ERROR]))
        connection.send_bytes(answer)
