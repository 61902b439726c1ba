"""``crossmodel dashboard`` as a process of its own, over a store that the loop has filled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

START_SECONDS = 60


class DashboardProcess:
    """Runs it; use it in ``with``. ``url`` says where."""

    def __init__(self, config: Path, **environment: str) -> None:
        self.config = config
        self.environment = environment
        self.log = config.with_suffix(".log")
        self.process: subprocess.Popen[bytes]
        self.url = ""

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "crossmodel", "dashboard", "--config", str(self.config),
                 "--listen", "127.0.0.1:0", "--json"],
                stdout=subprocess.PIPE, stderr=log, cwd=self.config.parent,
                env=os.environ | self.environment,
            )  # fmt: skip
        assert self.process.stdout is not None
        impatient = threading.Timer(START_SECONDS, self.process.kill)
        impatient.start()
        try:
            said = b""
            while not said.endswith(b"}\n"):
                line = self.process.stdout.readline()
                assert line, f"it has ended:\n{self.log.read_text()}"
                said += line
        finally:
            impatient.cancel()
        self.url = json.loads(said)["url"]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()
