"""``crossmodel health`` and ``crossmodel alerts`` as they are typed."""

import json
import sys

import pytest

ROOMY = "[health]\nmax_disk = 1.0\nmax_memory = 1.0\nmax_file_descriptors = 1.0\n"

FAKE = """
[[providers]]
id = "p"
kind = "fake"
[[models]]
id = "m"
provider = "p"
"""

DEAD = """
[[providers]]
id = "p"
kind = "openai"
base_url = "http://127.0.0.1:9/v1"
[[models]]
id = "m"
provider = "p"
"""


@pytest.fixture
def settings(tmp_path):
    def write(text):
        (tmp_path / "crossmodel.toml").write_text(ROOMY + text)

    return write


@pytest.fixture
def run(crossmodel_command):
    return crossmodel_command


def test_all_is_well(run, settings, tmp_path):
    settings(FAKE)
    done = run("health")
    assert (done.returncode, done.stderr) == (0, "")
    assert "model_availability" in done.stdout
    assert "crossmodel.db is not there yet" in done.stdout
    assert not (tmp_path / "crossmodel.db").exists()  # looking makes nothing


def test_a_model_that_is_down(run, settings):
    settings(DEAD)
    done = run("health", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["is_healthy"]) == (1, False)
    (models,) = [c for c in found["check_results"] if c["check_name"] == "model_availability"]
    assert models["error"] == "model m is down: p: ConnectError"
    assert "model m is down" in run("health").stdout


def test_a_store_that_is_none(run, settings, tmp_path):
    settings(FAKE)
    (tmp_path / "crossmodel.db").write_bytes(b"junk" * 1000)
    done = run("health", "--json")
    (store,) = [c for c in json.loads(done.stdout)["check_results"] if c["check_name"] == "store"]
    assert done.returncode == 1
    assert "file is not a database" in store["error"]


@pytest.mark.parametrize("text", ["[health]\nmax_cpu = 2.0", "[health]\nintervall = 3", "x = ="])
def test_settings_that_cannot_be_read(run, tmp_path, text):
    (tmp_path / "crossmodel.toml").write_text(text)
    assert run("health").returncode == 2
    assert run("health", "--config", "missing.toml").returncode == 2


def test_silences_come_and_go(run, settings):
    settings(FAKE)
    made = json.loads(
        run("alerts", "silence", "moving house", "--for", "2h", "--check", "disk*", "--json").stdout
    )
    assert (made["check"], made["subject"], made["reason"]) == ("disk*", "*", "moving house")
    listed = json.loads(run("alerts", "list", "--json").stdout)
    assert listed == {"alerts": [], "silences": [made], "sinks": []}
    assert "moving house" in run("alerts", "list").stdout
    assert run("alerts", "unsilence", made["id"]).returncode == 0
    assert run("alerts", "unsilence", made["id"]).returncode == 2
    assert json.loads(run("alerts", "list", "--json").stdout)["silences"] == []


@pytest.mark.parametrize("arguments", [
    ("why", "--for", "0m"), ("why", "--for", "2w"), ("why", "--for", "999999d"), ("why", "--for", "-1h"),
    ("why\x1b[31m",), (" ",), ("why", "--by", " "), ("why", "--severity", "grave"),
])  # fmt: skip
def test_silences_that_cannot_be(run, settings, arguments):
    settings(FAKE)
    assert run("alerts", "silence", *arguments).returncode == 2


def test_sinks_are_tried_out(run, settings, tmp_path):
    command = json.dumps(
        [sys.executable, "-c", "import sys; open('got', 'w').write(sys.stdin.read())"]
    )
    settings(FAKE + f'[[alerts.sinks]]\nname = "ok"\nkind = "command"\ncommand = {command}\n')
    done = run("alerts", "test", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"ok": {"taken": True, "error": ""}})
    assert json.loads((tmp_path / "got").read_text())["data"]["status"] == "test"


def test_a_sink_that_takes_nothing(run, settings):
    settings(
        FAKE
        + '[[alerts.sinks]]\nname = "hook"\nkind = "webhook"\nurl = "http://127.0.0.1:9/token"\n'
    )
    done = run("alerts", "test")
    assert done.returncode == 1
    assert "127.0.0.1: ConnectError" in done.stdout
    assert "token" not in done.stdout + done.stderr


def test_an_alert_list_of_a_state_that_is_none(run, settings):
    settings(FAKE)
    assert run("alerts", "list", "--state", "burning").returncode == 2
