"""What the integration tests share: helpers beside them are importable, the command is run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossmodel.providers import FakeProvider

sys.path.insert(0, str(Path(__file__).parent))

from ticket_codes import HANDBOOK
from upstreams import Upstream


@pytest.fixture
def crossmodel_command(tmp_path):
    """Runs ``crossmodel`` in a process of its own, in the test's folder; a warning is an error."""

    def run(*arguments, stdin=None, **environment):
        return subprocess.run(
            [sys.executable, "-m", "crossmodel", *map(str, arguments)],
            cwd=tmp_path, input=stdin, capture_output=True, text=True, check=False, timeout=120,
            env=os.environ | {"COLUMNS": "200", "PYTHONWARNINGS": "error"} | environment,
        )  # fmt: skip

    return run


@pytest.fixture
def script():
    """What the scripted provider answers; tests put functions of the request into it."""
    return {"strong": lambda _request: HANDBOOK, "cheap": lambda _request: "BIL-7"}


@pytest.fixture
def settings(tmp_path, monkeypatch, script):
    """A loop of two scripted models, whose store and keys are in the test's folder."""
    provider = FakeProvider(lambda request: script[request.model](request))
    monkeypatch.setattr("crossmodel.assembly.building.create_provider", lambda *_, **__: provider)
    return {
        "store": {"url": f"sqlite:///{tmp_path}/state.db"},
        "witness": {"key_dir": str(tmp_path / "keys")},
        "providers": [{"id": "p", "kind": "fake"}],
        "insight_transfer": {"uplift": {"enable": False}},
        "models": [
            {"id": "strong", "provider": "p", "quality": 0.9, "input_price": 3, "output_price": 15},
            {"id": "cheap", "provider": "p", "quality": 0.4, "input_price": 0.1, "output_price": 1},
        ],
    }


@pytest.fixture(scope="session")
def upstream_process():
    """One upstream process for all tests of a session."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(upstream_process):
    """An upstream that has seen nothing yet."""
    upstream_process.reset()
    return upstream_process
