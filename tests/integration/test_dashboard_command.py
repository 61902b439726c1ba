"""``crossmodel dashboard`` as a command; what it shows is looked at in tests/browser."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossmodel.dashboard.passwords import is_password_of

ROOT = Path(__file__).resolve().parents[2]


def test_a_hash_is_of_the_line_that_is_read(crossmodel_command):
    done = crossmodel_command("dashboard", "--hash", "--json", stdin="a password of mine\n")
    assert done.returncode == 0, done.stderr
    assert is_password_of("a password of mine", json.loads(done.stdout)["hash"])
    assert "a password of mine" not in done.stdout + done.stderr


def test_a_short_password_is_refused(crossmodel_command):
    done = crossmodel_command("dashboard", "--hash", stdin="short\n")
    assert done.returncode == 2
    assert "12 to 1024 characters" in done.stderr
    assert "short" not in done.stderr.replace("shorter", "")


@pytest.mark.parametrize(
    ("listen", "said"), [("nowhere", "host:port"), ("192.0.2.1:9", "nobody has to sign in")]
)
def test_an_address_that_will_not_do_is_refused(crossmodel_command, listen, said):
    done = crossmodel_command("dashboard", "--listen", listen)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_port_that_is_taken_is_said_to_be(crossmodel_command, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = crossmodel_command("dashboard", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 2
    assert "nothing can listen on 127.0.0.1" in done.stderr


@pytest.mark.parametrize("required", ["0", "1"])
def test_without_a_browser_its_tests_skip_unless_they_must_not(tmp_path, required):
    environment = os.environ | {
        "PATH": str(tmp_path),
        "CROSSMODEL_BROWSER": "",
        "CROSSMODEL_REQUIRE_BROWSER": required,
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-q", "-p", "no:cacheprovider",
         "tests/browser/test_figures.py::test_the_arms_stand_side_by_side"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "there is no browser here" in done.stdout
    assert ("1 skipped" in done.stdout) == (required == "0")
    assert done.returncode == int(required)
