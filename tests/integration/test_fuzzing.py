"""The fuzzer runs for a moment on each check; a crash or a hang ends it with an error."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="atheris has no wheel for this platform")
FUZZER = Path(__file__).parents[1] / "fuzz" / "parser.py"


@pytest.mark.slow
def test_fuzzing_finds_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, FUZZER, "-runs=8000", "-max_len=2000", "-len_control=0", "-timeout=10"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 8000 runs" in done.stderr
