"""Starts a gateway as a page says, in front of an upstream of ours, and ends it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

from upstreams import Upstream

STOP_SECONDS = 30
CLIENTS, CONTROL = "127.0.0.1:8080", "127.0.0.1:8081"
"""Where the pages have it listen; here it takes any free ports."""

SPEAKS = re.compile(rf"crossmodel serve|{CLIENTS}|{CONTROL}|(head|id)\.txt")
"""What only blocks hold that have to do with the gateway, or with what it answered."""


class Serving:
    """The gateway of one page: its settings are the page's first, but for whom it asks.

    Args:
        folder: where it and the page's commands run.
        command: how the page starts it.
        settings: the settings that it names, as the page has them; empty if it names none.
        upstream: who answers for the providers.
    """

    def __init__(self, folder: Path, command: str, settings: str, upstream: Upstream) -> None:
        self.folder = folder
        self._log = folder / "gateway.log"
        self._environment = {
            "CROSSMODEL_GATEWAY__LISTEN": "127.0.0.1:0",
            "CROSSMODEL_GATEWAY__CONTROL": "127.0.0.1:0",
            **asked_of(upstream, settings),
        }
        if settings:
            (folder / "crossmodel.toml").write_text(settings, "utf-8")
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", f"exec {command} --json"],
                cwd=folder, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            line = self._process.stdout.readline()
            assert line, f"it did not start: {self._log.read_text()}"
            said += line
        self._addresses = json.loads(said)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for it, and for commands beside it."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return os.environ | {"PATH": path, "COLUMNS": "120"} | self._environment

    def readdressed(self, body: str) -> str:
        """A block with the addresses at which this gateway is reached."""
        for told, name in ((CLIENTS, "url"), (CONTROL, "control_url")):
            body = body.replace(told, self._addresses[name].removeprefix("http://"))
        return body

    def stop(self) -> None:
        """Ask it to end: it must do so by itself, and well."""
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
        assert code == 0, self._log.read_text()


class Deploying:
    """The gateways that a page deploys, on a free port, from its first settings.

    Args:
        folder: where the page's commands run.
        settings: the settings, as the page has them.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as found:
            self._address = f"127.0.0.1:{found.getsockname()[1]}"
        (folder / "crossmodel.toml").write_text(self.readdressed(settings), "utf-8")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path, "COLUMNS": "120"}

    def readdressed(self, body: str) -> str:
        """A block with the address at which these gateways are reached."""
        return body.replace(CLIENTS, self._address)

    def stop(self) -> None:
        """They must have ended by now, as the page says; else they are ended."""
        command = [sys.executable, "-m", "crossmodel", "undeploy", "--json"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, check=True, capture_output=True
        )
        assert json.loads(done.stdout)["deployment_id"] is None, "the page leaves gateways behind"


def asked_of(upstream: Upstream, settings: str) -> dict[str, str]:
    """Variables that put the upstream in the place of the settings' providers, and their keys."""
    read = tomllib.loads(settings)
    if not read:
        return {}
    addresses = {"openai": upstream.v1, "anthropic": upstream.url}
    providers = [row | {"base_url": addresses[row["kind"]]} for row in read["providers"]]
    models = [row | {"name": f"text@{row['id']}"} for row in read["models"]]
    keys = {row.get("api_key_env", "ANTHROPIC_API_KEY"): "sk-of-the-docs" for row in providers}
    return keys | {
        "CROSSMODEL_PROVIDERS": json.dumps(providers),
        "CROSSMODEL_MODELS": json.dumps(models),
    }
