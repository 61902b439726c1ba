"""What the integration tests share: helpers beside them are importable, the command is run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


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
