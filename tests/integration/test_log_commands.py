"""``crossmodel log`` and ``crossmodel verify`` as an operator and as an auditor meet them."""

import base64
import json
import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from echo_settings import ECHO

from crossmodel.witness import merkle

pytestmark = pytest.mark.slow  # every line of it is a process


@pytest.fixture
def cli(tmp_path, crossmodel_command):
    (tmp_path / "crossmodel.toml").write_text(ECHO)

    def document(*arguments, code=0, **options):
        done = crossmodel_command(*arguments, "--json", **options)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    crossmodel_command.document = document
    return crossmodel_command


@pytest.fixture
def asked(cli):
    """Two answers, in two sessions: two checkpoints."""
    return [cli.document("ask", question, "--model", "strong") for question in ("One?", "Two?")]


def test_an_empty_log_has_nothing_to_show(cli):
    for arguments in (("root",), ("prove", "0", "--out", "e.json"), ("export", "--out", "x")):
        done = cli("log", *arguments)
        assert done.returncode != 0
        assert "no records yet" in done.stderr or "it has 0" in done.stderr
    refused = cli.document("verify", code=1)
    assert (refused["verdict"], refused["records"]) == ("invalid", 0)


def test_from_a_request_to_an_outsiders_answer(cli, asked, tmp_path):
    head = cli.document("log", "root", "--out", "pin.txt", "--trust-out", "trust.json")
    assert (tmp_path / "pin.txt").read_text("utf-8") == head["checkpoint"]
    assert head["size"] == len(asked[0]["leaves"]) + len(asked[1]["leaves"])

    written = cli.document("log", "prove", asked[1]["id"], "--out", "proofs", "--disclose", "all")
    assert [row["leaf"] for row in written] == asked[1]["leaves"]
    told = []
    for row in written:
        said = cli.document("verify", row["file"], "--trust", "trust.json", "--against", "pin.txt")
        assert said["verdict"] == "valid"
        evidence = json.loads((tmp_path / row["file"]).read_bytes())
        told += [base64.b64decode(each["value"]) for each in evidence["disclosed"]]
    assert asked[1]["text"].encode() in told
    assert any(b"Two?" in value for value in told)

    # one value of one record, and nothing of the others
    evidence = json.loads((tmp_path / written[-1]["file"]).read_bytes())
    answer = next(e for e in evidence["disclosed"] if base64.b64decode(e["value"]) == b"Two?")
    leaf = str(written[-1]["leaf"])
    cli.document("log", "prove", leaf, "--disclose", answer["digest"], "--out", "one.json")
    assert json.loads((tmp_path / "one.json").read_bytes())["disclosed"] == [answer]
    assert cli("log", "prove", leaf).stdout.startswith('{"payloadType"')


def test_what_cannot_be_proved_is_said(cli, asked):
    for arguments, message in (
        (("prove", "99", "--out", "e.json"), "the log has no record 99: it has 4"),
        (("prove", "req_nobody", "--out", "p"), "no record about 'req_nobody'"),
        (("prove", asked[0]["id"], "--tenant", "other", "--out", "p"), "no record about"),
        (("prove", asked[0]["id"]), "--out is needed"),
        (("prove", "0", "--disclose", "ab" * 32, "--out", "e"), "does not commit to"),
        (("export", "--out", "x", "--disclose", "ab" * 32), "no record keeps a value"),
        (("export", "--out", "crossmodel.toml"), "cannot write"),
        (("consistency", "0"), "sizes must be"),
        (("consistency", "3", "2"), "sizes must be"),
        (("consistency", "1", "99"), "sizes must be"),
    ):
        done = cli("log", *arguments)
        assert done.returncode == (3 if "no record keeps" in message else 2)
        assert message in done.stderr


def test_consistency_is_a_proof_that_others_can_check(cli, asked, tmp_path):
    first = len(asked[0]["leaves"])
    proof = cli.document("log", "consistency", str(first), "--out", "proof.json")
    assert json.loads((tmp_path / "proof.json").read_bytes()) == proof
    assert proof["signed"] == [first, proof["size2"]]
    assert merkle.verify_consistency(
        proof["size1"], proof["size2"], bytes.fromhex(proof["root1"]),
        bytes.fromhex(proof["root2"]), [bytes.fromhex(node) for node in proof["proof"]],
    )  # fmt: skip
    assert "consistent" in cli("log", "consistency", "1", "3").stdout
    with closing(sqlite3.connect(tmp_path / "state.db")) as db, db:
        db.execute("UPDATE checkpoints SET root = zeroblob(32)")
    done = cli("log", "consistency", str(first))
    assert done.returncode == 3
    assert "crossmodel verify says more" in done.stderr


def test_only_what_follows_a_checkpoint_is_read(cli, asked, tmp_path):
    first, total = len(asked[0]["leaves"]), sum(len(each["leaves"]) for each in asked)
    note = {"size": first}
    with closing(sqlite3.connect(tmp_path / "state.db")) as db:
        [(kept,)] = db.execute("SELECT note FROM checkpoints WHERE size = :size", note).fetchall()
    (tmp_path / "pin.txt").write_text(kept, "utf-8")
    since = cli.document("verify", "--since", "pin.txt")
    expected = f"valid since the checkpoint of {first} records, those before were not read again"
    assert (since["verdict"], since["records"]) == (expected, total - first)
    by_size = cli.document("verify", "--since", str(first))
    assert by_size["verdict"] == f"{expected}, completeness not checked"
    assert refusal(cli.document("verify", "--since", "1", code=1)) == (
        10, f"there is no checkpoint of 1 records; the next one has {first}")  # fmt: skip
    assert refusal(cli.document("verify", "--since", str(total), code=1))[0] == 11

    # what was read before is not read again, but its root is that of the pin
    edit = "UPDATE log_leaves SET statement = statement || x'20' WHERE \"index\" = {}"
    with closing(sqlite3.connect(tmp_path / "state.db")) as db, db:
        db.execute(edit.format(0))
    assert cli.document("verify", "--since", "pin.txt")["verdict"] == expected
    assert refusal(cli.document("verify", code=1))[0] == 12
    with closing(sqlite3.connect(tmp_path / "state.db")) as db, db:
        db.execute(edit.format(first - 1))
    assert refusal(cli.document("verify", "--since", "pin.txt", code=1))[0] == 23
    with closing(sqlite3.connect(tmp_path / "state.db")) as db, db:
        db.execute('UPDATE log_leaves SET leaf_hash = zeroblob(32) WHERE "index" = 0')
    assert refusal(cli.document("verify", "--since", "pin.txt", code=1))[0] == 23


def refusal(report):
    last = report["steps"][-1]
    assert not last["passed"]
    return last["number"], last["detail"]


def test_an_auditor_reads_a_copy_and_writes_nothing(cli, asked, tmp_path):
    cli("log", "root", "--out", "pin.txt", "--trust-out", "trust.json")
    audit = tmp_path / "audit"
    audit.mkdir()
    for name in ("state.db", "trust.json", "pin.txt"):
        shutil.copy(tmp_path / name, audit / name)
    before = {path.name: path.read_bytes() for path in audit.iterdir()}
    os.chmod(audit, 0o500)  # noqa: PTH101 - a folder that nobody may write to, where that counts
    try:
        for store in (
            ("--store", "audit/state.db"),
            ("--store", "sqlite:///audit/state.db"),
            ("audit/state.db",),
        ):
            said = cli.document(
                "verify", *store, "--trust", "audit/trust.json", "--against", "pin.txt"
            )
            assert (said["verdict"], said["records"]) == ("valid", 4)
    finally:
        os.chmod(audit, 0o700)  # noqa: PTH101 - likewise
    assert {path.name: path.read_bytes() for path in audit.iterdir()} == before
    assert cli.document("verify", "--store", "--trust", "trust.json")["valid"]
    assert cli.document("verify", "--store")["valid"]
    for flag in ("--quick", "--thorough"):
        assert cli.document("verify", "--store", flag)["details"]["not_understood"] == 0


def test_a_store_that_is_in_use_is_read_with_its_write_ahead_log(cli, asked, tmp_path):
    cli("log", "root", "--trust-out", "trust.json")
    with closing(sqlite3.connect(tmp_path / "state.db")) as db:
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute('DELETE FROM log_leaves WHERE "index" = 1')
        db.commit()
        report = cli.document("verify", "--store", "state.db", "--trust", "trust.json", code=1)
        assert refusal(report)[0] == 12


def test_what_was_not_checked_is_exit_code_2_and_json_too(cli, asked, tmp_path):
    cli("log", "root", "--trust-out", "trust.json")
    cli("log", "export", "--out", "export")
    (tmp_path / "text.db").write_text("no database")
    with closing(sqlite3.connect(tmp_path / "other.db")) as db, db:
        db.execute("CREATE TABLE t (x)")
    for arguments, message in (
        (("missing.json", "--trust", "trust.json"), "cannot read missing.json"),
        (("trust.json",), "--trust is needed"),
        (("trust.json", "--trust", "crossmodel.toml"), "not JSON"),
        (("export", "--trust", "trust.json", "--since", "2"), "a file is read whole"),
        (("export", "--trust", "trust.json", "--quick"), "--quick needs a store"),
        (("export", "--trust", "trust.json", "--thorough"), "--thorough needs a store"),
        ((".", "--trust", "trust.json"), "cannot read log.jsonl"),
        (("export", "--trust", "text.db"), "the trust file: not JSON"),
        (("--since", "missing.txt"), "cannot read missing.txt"),
        (("--store", "missing.db", "--trust", "trust.json"), "no such file"),
        (("--store", "text.db", "--trust", "trust.json"), "not a database"),
        (("--store", "other.db", "--trust", "trust.json"), "no store of crossmodel"),
        (("mysql://x", "--trust", "trust.json"), "sqlite:///FILE"),
    ):
        said = cli.document("verify", *arguments, code=2)
        assert (said["verdict"], said["valid"], said["records"]) == ("not checked", False, 0)
        assert message in said["error"]
    for revision, message in (("0001", "older than"), ("9999", "newer than")):
        with closing(sqlite3.connect(tmp_path / "state.db")) as db, db:
            db.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        said = cli.document("verify", "--store", "state.db", "--trust", "trust.json", code=2)
        assert message in said["error"]


def test_an_export_shows_hidden_values_only_when_asked(cli, asked, tmp_path):
    told = cli.document("log", "export", "--out", "export")
    assert told["records"] == 4
    assert sorted(path.name for path in (tmp_path / "export").iterdir()) == [
        "checkpoint.txt", "log.jsonl", "trust.json"]  # fmt: skip
    plain = (tmp_path / "export" / "log.jsonl").read_bytes()
    assert base64.b64encode(b"Two?") not in plain
    cli.document("log", "export", "--out", "open.jsonl", "--disclose", "all")
    opened = (tmp_path / "open.jsonl").read_bytes()
    assert base64.b64encode(b"Two?") in opened
    digest = next(json.loads(line)["digest"] for line in opened.splitlines() if b'"leaf"' in line)
    cli.document("log", "export", "--out", "some/one.jsonl", "--disclose", digest)
    one = (tmp_path / "some" / "one.jsonl").read_bytes()
    assert one.count(b'"digest"') == 1
    for name in ("export", "export/log.jsonl", "open.jsonl", "some/one.jsonl"):
        trust = ("--trust", "export/trust.json", "--against", "export/checkpoint.txt")
        assert cli.document("verify", name, *trust)["verdict"] == "valid"


def test_a_log_whose_keys_are_gone_gets_no_strangers_keys(cli, asked, tmp_path):
    cli("log", "root", "--trust-out", "trust.json")
    keys = (tmp_path / "crossmodel-keys").rename(tmp_path / "elsewhere")
    for arguments in (("ask", "Three?"), ("log", "root"), ("retention", "--dry-run")):
        done = cli(*arguments)
        assert done.returncode == 3
        assert "there is no key folder crossmodel-keys: restore it" in done.stderr
    assert "restore it" in cli.document("verify", code=2)["error"]
    assert not (tmp_path / "crossmodel-keys").exists()
    assert cli.document("verify", "--store", "--trust", "trust.json")["records"] == 4
    keys.rename(tmp_path / "crossmodel-keys")
    assert cli.document("verify")["records"] == 4
