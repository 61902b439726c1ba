"""``crossmodel keys`` as a user and as a script meet it: real processes, files and exit codes."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

SETTINGS = """
[store]
url = "sqlite:///state.db"
[[providers]]
id = "echo"
kind = "fake"
[[models]]
id = "m"
provider = "echo"
"""
FOLDER = "crossmodel-keys"
VARIABLE = "CROSSMODEL_KEY_PASSPHRASE"


@pytest.fixture
def cli(tmp_path, crossmodel_command):
    (tmp_path / "crossmodel.toml").write_text(SETTINGS)
    return crossmodel_command


def document(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pem_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.pem"))


def test_new_keys_are_made_once_and_never_overwritten(cli, tmp_path):
    for command in ("list", "rotate", "trust"):  # looking for keys makes none
        done = cli("keys", command)
        assert done.returncode == 2
        assert "crossmodel keys new makes them" in done.stderr
    assert not (tmp_path / FOLDER).exists()
    made = cli("keys", "new")
    assert made.returncode == 0, made.stderr
    assert "warning: the private keys are not encrypted" in made.stderr
    assert f"{VARIABLE} must hold a passphrase" in made.stderr
    before = {path.name: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()}
    again = cli("keys", "new")
    assert again.returncode == 2
    assert "exists already and is not overwritten" in again.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()} == before
    assert not (tmp_path / "state.db").exists()


def test_a_passphrase_comes_from_the_environment_alone(cli, tmp_path):
    secret = {VARIABLE: "correct horse"}
    made = document(cli("keys", "new", "--json", **secret))
    assert [key["encrypted"] for key in made["keys"]] == [True, True]
    assert [key["mode"] for key in made["keys"]] == ["0600", "0600"]
    assert made["folder"] == str(tmp_path / FOLDER)
    listed = cli("keys", "list", "--json", **secret)
    assert document(listed) == made
    assert "warning" not in listed.stderr
    for environment, message in (
        ({}, "needs a passphrase"),
        ({VARIABLE: "no"}, "wrong passphrase"),
    ):
        done = cli("keys", "list", **environment)
        assert done.returncode == 3
        assert message in done.stderr
        assert "correct" not in done.stderr
    for command in ("new", "rotate", "list", "trust", "accept", "evidence"):
        assert "passphrase" not in cli("keys", command, "--help").stdout.lower()


def test_a_rotation_from_its_record_to_a_verifier_who_accepts_it(cli, tmp_path):
    document(cli("ask", "Hello", "--json"))
    assert cli("keys", "trust", "--out", "old.json").returncode == 0
    printed = cli("keys", "trust")
    assert json.loads(printed.stdout) == json.loads((tmp_path / "old.json").read_text())
    done = document(cli("keys", "rotate", "--evidence", "rotation.json", "--json"))
    leaf = done["rotation"]
    assert [(key["from_size"], key["to_size"]) for key in done["keys"]] == (
        [(0, leaf + 1)] * 2 + [(leaf + 1, None)] * 2
    )
    assert [key["path"] is None for key in done["keys"]] == [True, True, False, False]
    assert pem_files(tmp_path / FOLDER) == ["generation-2/ed25519.pem", "generation-2/rsa.pem"]
    document(cli("ask", "Hello again", "--json"))
    report = document(cli("verify", "--json"))
    assert report["valid"]
    assert report["steps"][-1]["name"] == "each key rotation is by both generations"
    shown = cli("keys", "list")
    assert "destroyed" in shown.stdout
    assert shown.stdout.count(" yes ") == 2  # current
    assert f"{FOLDER}/generation-2/rsa.pem" in shown.stdout

    # the verifier: no settings, no store, no keys of ours
    written = cli("keys", "evidence", leaf, "--out", "again.json", "--json")
    assert document(written) == {"rotation": leaf, "out": "again.json"}
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "rotation.json").read_bytes()
    accept = ("keys", "accept", "rotation.json", "--trust", "old.json", "--out")
    assert document(cli(*accept, "new.json", "--json"))["keys"] == 4
    assert cli("keys", "trust", "--out", "ours.json").returncode == 0
    assert (tmp_path / "new.json").read_bytes() == (tmp_path / "ours.json").read_bytes()
    valid = cli("verify", "rotation.json", "--trust", "new.json")
    assert valid.returncode == 0, valid.stdout
    refused = cli("verify", "rotation.json", "--trust", "old.json")
    assert refused.returncode == 1
    replay = cli("keys", "accept", "again.json", "--trust", "new.json", "--out", "never.json")
    assert replay.returncode == 1
    assert "accepted already" in replay.stderr
    assert not (tmp_path / "never.json").exists()


def test_what_is_no_rotation_is_refused_and_wrong_files_are_named(cli, tmp_path):
    document(cli("ask", "Hello", "--json"))
    assert cli("keys", "trust", "--out", "old.json").returncode == 0
    document(cli("keys", "rotate", "--evidence", "rotation.json", "--json"))
    evidence = json.loads((tmp_path / "rotation.json").read_text())
    for name, change in (
        ("unsigned.json", {"signatures": evidence["signatures"][1:]}),
        ("none.json", {"signatures": []}),
        ("moved.json", {"proof": evidence["proof"].replace("index ", "index 1", 1)}),
    ):
        (tmp_path / name).write_text(json.dumps(evidence | change))
        done = cli("keys", "accept", name, "--trust", "old.json", "--out", "new.json")
        assert done.returncode == 1, done.stderr
        assert "error: " in done.stderr
    for arguments in (
        ("missing.json", "--trust", "old.json", "--out", "new.json"),
        ("rotation.json", "--trust", "rotation.json", "--out", "new.json"),
        ("rotation.json", "--trust", "old.json", "--out", "no/such/folder.json"),
        ("rotation.json", "--trust", "old.json"),
    ):
        assert cli("keys", "accept", *arguments).returncode == 2
    assert not (tmp_path / "new.json").exists()
    no_rotation = cli("keys", "evidence", 0)
    assert no_rotation.returncode == 2
    assert "record 0 is no key rotation" in no_rotation.stderr
    # an evidence file that cannot be written is noticed before the keys are rotated
    before = pem_files(tmp_path / FOLDER)
    assert cli("keys", "rotate", "--evidence", "no/such/folder.json").returncode == 2
    assert pem_files(tmp_path / FOLDER) == before


def test_files_that_others_can_read_are_named(cli, tmp_path):
    assert cli("keys", "new").returncode == 0
    (tmp_path / FOLDER / "rsa.pem").chmod(0o644)
    done = cli("keys", "list")
    assert done.returncode == 0
    assert f"others may read or write {FOLDER}/rsa.pem: chmod 600 it" in done.stderr
    assert "ed25519.pem: chmod" not in done.stderr
    assert [key["mode"] for key in document(cli("keys", "list", "--json"))["keys"]] == (
        ["0644", "0600"]
    )


def test_hostile_names_in_trust_files_and_stores_are_harmless(cli, tmp_path):
    document(cli("ask", "Hello", "--json"))
    leaf = document(cli("keys", "rotate", "--evidence", "rotation.json", "--json"))["rotation"]
    assert cli("keys", "trust", "--out", "trust.json").returncode == 0
    honest = json.loads((tmp_path / "trust.json").read_text())
    before = everything_below(tmp_path.parent)
    absolute = tmp_path.parent / "absolute-name"  # beneath what is looked through afterwards
    for name in ("../../escaped", str(absolute), "nul\0", "\u001b[2Jclear", "a\nb"):
        (tmp_path / "hostile.json").write_text(json.dumps(honest | {"origin": name}))
        done = cli("keys", "accept", "rotation.json", "--trust", "hostile.json", "--out", "x.json")
        assert done.returncode in {1, 2}
        assert "\x1b[2J" not in done.stderr
        assert "\0" not in done.stderr
        keys = [honest["keys"][0] | {"key_id": name}, *honest["keys"][1:]]
        (tmp_path / "hostile.json").write_text(json.dumps(honest | {"keys": keys}))
        done = cli("keys", "accept", "rotation.json", "--trust", "hostile.json", "--out", "x.json")
        assert done.returncode == 2
        with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
            connection.execute(
                "INSERT INTO log_signatures (leaf, key_id, signature) VALUES (?, ?, x'00')",
                (leaf, name),
            )
        assert (
            document(cli("keys", "list", "--json"))["keys"][0]["key_id"]
            == (honest["keys"][0]["key_id"])
        )
        assert document(cli("verify", "--json"))["valid"]
    (tmp_path / "hostile.json").unlink()
    assert everything_below(tmp_path.parent) - before <= {
        tmp_path / f"state.db{end}" for end in ("-wal", "-shm")
    }
    for origin in ("../x y", "a+b", "tab\t"):
        done = cli("keys", "list", CROSSMODEL_WITNESS__ORIGIN=origin)
        assert done.returncode == 3
        assert "origin must have no spaces" in done.stderr


def everything_below(folder):
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


def test_a_process_that_has_the_old_keys_goes_on_with_the_new_ones(cli, tmp_path):
    """One CrossModel stays open while the command, another process, rotates the keys."""
    code = (
        "import asyncio, sys\n"
        "from crossmodel import CrossModel\n"
        "async def main():\n"
        "    async with CrossModel.open('crossmodel.toml') as cm:\n"
        "        await cm.complete('one')\n"
        "        await cm.verify()\n"
        "        print('ready', flush=True)\n"
        "        sys.stdin.readline()\n"
        "        await cm.complete('two')\n"
        "        report = await cm.verify()\n"
        "        print(report.verdict, report.details['unsigned'], flush=True)\n"
        "asyncio.run(main())"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, text=True, env=os.environ | {"COLUMNS": "200"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    leaf = document(cli("keys", "rotate", "--json"))["rotation"]
    printed, _ = child.communicate("go\n", timeout=120)
    assert child.returncode == 0
    assert printed == "valid, completeness not checked 0\n"
    report = document(cli("verify", "--json"))
    assert report["valid"]
    assert report["details"]["signed_size"] > leaf + 1


def test_two_command_lines_that_rotate_at_once_leave_one_line_of_keys(cli, tmp_path):
    document(cli("ask", "Hello", "--json"))
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "crossmodel", "keys", "rotate", "--json"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    ended = [(child.communicate(timeout=120), child.returncode) for child in children]
    codes = [code for _, code in ended]
    assert 0 in codes
    for (_, error), code in ended:
        assert code == 0 or (code == 3 and "another process is changing the keys" in error), error
    listed = document(cli("keys", "list", "--json"))["keys"]
    assert len(listed) == 2 * (1 + codes.count(0))
    assert document(cli("verify", "--json"))["valid"]
    assert len(pem_files(tmp_path / FOLDER)) == 2


def test_keys_that_are_elsewhere_are_listed_and_trusted_and_rotated_there(cli, tmp_path):
    assert cli("keys", "new").returncode == 0
    places = {
        f"CROSSMODEL_WITNESS__{algorithm.upper()}_SIGNER": f"file:elsewhere/{algorithm}.pem"
        for algorithm in ("rsa", "ed25519")
    }
    kept = document(cli("keys", "list", "--json"))["keys"]
    (tmp_path / FOLDER).rename(tmp_path / "elsewhere")
    listed = document(cli("keys", "list", "--json", **places))["keys"]
    assert [key["key_id"] for key in listed] == [key["key_id"] for key in kept]
    assert [key["path"] for key in listed] == [None, None]
    assert cli("keys", "list", **places).stdout.count("elsewhere") == 2
    assert len(json.loads(cli("keys", "trust", **places).stdout)["keys"]) == 2
    new, rotate = (cli("keys", command, **places) for command in ("new", "rotate"))
    assert (new.returncode, rotate.returncode) == (2, 3)
    assert "signers elsewhere" in new.stderr
    assert "rotate them where they are" in rotate.stderr
    assert not (tmp_path / FOLDER).exists()
