"""Each thing that verification must refuse, done to real files, and the numbered step that stops it.

The files are those of a loop that ran: its SQLite store, and what the command line wrote of it. A
step's number is explained in :mod:`crossmodel.witness.verify`.
"""

import asyncio
import base64
import dataclasses
import hashlib
import itertools
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import unicodedata
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crossmodel import CrossModel
from crossmodel.auditing import Depth, verify_copy, verify_path
from crossmodel.domain.erasure import Erased
from crossmodel.domain.selection import Outcome
from crossmodel.domain.witness import Statement
from crossmodel.errors import StoreError
from crossmodel.store import open_store
from crossmodel.witness import CrossModelVIF, KeyPair, Trust, load_or_create_keys, verify_witness
from crossmodel.witness.checkpoint import Checkpoint, TlogProof
from crossmodel.witness.log import leaf_hash
from crossmodel.witness.note import Note, key_hash, sign_note
from crossmodel.witness.statement import PAYLOAD_TYPE, commit, erasure_statement, outcome_statement

SETTINGS = {
    "store": {"url": "sqlite:///state.db"},
    "witness": {"key_dir": "keys"},
    "providers": [{"id": "echo", "kind": "fake"}],
    "models": [{"id": "strong", "provider": "echo", "quality": 0.9}],
}
TOML = """
[store]
url = "sqlite:///state.db"
[witness]
key_dir = "keys"
[[providers]]
id = "echo"
kind = "fake"
[[models]]
id = "strong"
provider = "echo"
quality = 0.9
"""
QUESTION = "Wo ist das Caf\u00e9?"
ANSWER = """\
A release tag is always the product, a tilde and the year.

- Example: anvil in 2024 -> `anvil~2024`
- Example: rocket in 2025 -> `rocket~2025`
"""
LOG = "crossmodel.local/log"


async def live(folder, questions, *, learn=False):
    """A session of the loop; its end signs a checkpoint."""
    settings = SETTINGS | {"store": {"url": f"sqlite:///{folder}/state.db"}}
    settings["witness"] = {"key_dir": str(folder / "keys")}
    async with CrossModel.open(settings) as cm:
        if learn:
            await cm.extract(ANSWER, source_model="strong")
        for question in questions:
            await cm.complete(question)


def command(folder, *arguments, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "crossmodel", *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"PYTHONWARNINGS": "error", "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The files as they honestly are."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "crossmodel.toml").write_text(TOML)
    asyncio.run(live(folder, [QUESTION, "Second?"], learn=True))
    shutil.copy(folder / "state.db", folder / "earlier.db")
    asyncio.run(live(folder, [f"Question {number}?" for number in range(12)]))
    command(folder, "log", "root", "--out", "pin.txt", "--trust-out", "trust.json")
    first = leaf_of(folder, QUESTION)
    command(folder, "log", "prove", first, "--disclose", "all", "--out", "evidence.json")
    command(folder, "log", "export", "--out", "export")
    return folder


def leaf_of(folder, question):
    with closing(sqlite3.connect(folder / "state.db")) as db:
        rows = db.execute("SELECT leaf, value FROM commitments ORDER BY leaf").fetchall()
    return next(leaf for leaf, value in rows if json.dumps(question)[1:-1].encode() in value)


@pytest.fixture
def files(made, tmp_path):
    """A copy of the files, to be attacked."""
    return Path(shutil.copytree(made, tmp_path / "files"))


def keys(folder):
    return load_or_create_keys(folder / "keys")


def edit(folder, *statements):
    with closing(sqlite3.connect(folder / "state.db")) as db, db:
        for statement in statements:
            db.execute(*([statement] if isinstance(statement, str) else statement))


def rows(folder, query):
    with closing(sqlite3.connect(folder / "state.db")) as db:
        return db.execute(query).fetchall()


def check_store(folder, *, pinned=False, **options):
    """A store, by an auditor's trust file alone."""
    against = (folder / "pin.txt").read_text("utf-8") if pinned else None
    trust = (folder / "trust.json").read_bytes()
    return verify_copy(f"sqlite:///{folder}/state.db", trust=trust, against=against, **options)


def check_file(folder, name="evidence.json", *, pinned=False):
    against = (folder / "pin.txt").read_text("utf-8") if pinned else None
    return verify_path(folder / name, trust=(folder / "trust.json").read_bytes(), against=against)


def refused_at(report):
    assert report.verdict == "invalid", report
    assert not report.steps[-1].passed
    assert report.steps[-1].detail
    return report.steps[-1].number


# a store


def test_what_is_honest_is_valid(files):
    before = (files / "state.db").read_bytes()
    assert check_store(files, pinned=True).verdict == "valid"
    assert check_store(files).verdict == "valid, completeness not checked"
    assert check_file(files).is_valid
    assert check_file(files, pinned=True).verdict == "valid"
    assert check_file(files, "export", pinned=True).verdict == "valid"
    assert (files / "state.db").read_bytes() == before
    assert not list(files.glob("state.db-*"))


SHIFT = 'UPDATE log_leaves SET "index" = "index" {0} 1000000 WHERE "index" > {1}'


def shifted(after, by):
    """Renumber the records after one."""
    return [
        SHIFT.format("+", after),
        f'UPDATE log_leaves SET "index" = "index" - 1000000 + {by} WHERE "index" > 1000000',
    ]


def swapped(one, other):
    change = 'UPDATE log_leaves SET "index" = {1} WHERE "index" = {0}'
    return [change.format(a, b) for a, b in ((one, -1), (other, one), (-1, other))]


def inserted(after, source):
    columns = "payload_type, statement, leaf_hash, tenant, about"
    copied = f'SELECT {after} + 1, {columns} FROM log_leaves WHERE "index" = {source}'
    return [*shifted(after, 1), f'INSERT INTO log_leaves ("index", {columns}) {copied}']


def two_heads(folder):
    """Another head of a size that has one, truly signed: only the owner of the keys can."""
    size, _, note = rows(folder, "SELECT * FROM checkpoints ORDER BY size LIMIT 1")[0]
    root = b"\7" * 32
    pair = keys(folder)
    text = Checkpoint(LOG, size, root).to_text()
    forged = sign_note(text, LOG, [pair.rsa, pair.ed25519])
    edit(
        folder,
        "CREATE TABLE loose AS SELECT * FROM checkpoints",
        "DROP TABLE checkpoints",
        "ALTER TABLE loose RENAME TO checkpoints",
        ("INSERT INTO checkpoints VALUES (?, ?, ?)", (size, root, forged)),
    )
    assert note != forged


def edit_body(folder, also_hash):
    body = rows(folder, 'SELECT statement FROM log_leaves WHERE "index" = 3')[0][0]
    forged = body.replace(b"strong", b"stronk")
    assert forged != body
    edit(folder, ('UPDATE log_leaves SET statement = ? WHERE "index" = 3', (forged,)))
    if also_hash:
        digest = leaf_hash(PAYLOAD_TYPE, forged)
        edit(folder, ('UPDATE log_leaves SET leaf_hash = ? WHERE "index" = 3', (digest,)))


def edit_note(folder, size, change):
    note = rows(folder, f"SELECT note FROM checkpoints WHERE size = {size}")[0][0]
    edit(folder, (f"UPDATE checkpoints SET note = ? WHERE size = {size}", (change(note),)))


FIRST_HEAD = "(SELECT min(size) FROM checkpoints)"
LAST_HEAD = "(SELECT max(size) FROM checkpoints)"


def flipped_signature(note):
    return note[:-12] + ("A" if note[-12] != "A" else "B") + note[-11:]


def resigned(folder, origin=LOG, pair=None, size=None):
    """The note of the latest head, signed anew."""
    pair = pair or keys(folder)

    def change(note):
        head = dataclasses.replace(Checkpoint.parse(Note.parse(note).text), origin=origin)
        head = dataclasses.replace(head, size=size or head.size)
        return sign_note(head.to_text(), LOG, [pair.rsa, pair.ed25519])

    edit_note(folder, LAST_HEAD, change)


def rolled_back(folder):
    shutil.copy(folder / "earlier.db", folder / "state.db")


def forked(folder):
    """The same keys and the same beginning, and then other records."""
    rolled_back(folder)
    asyncio.run(live(folder, [f"Other {number}?" for number in range(15)]))


def fit_heads(folder):
    """Leave no head of more records than there are."""
    edit(folder, 'DELETE FROM checkpoints WHERE size > (SELECT max("index") + 1 FROM log_leaves)')


def forge_erasure(folder):
    """Values go, and a record that nobody signed says that this was an erasure."""
    edit(folder, "DELETE FROM commitments WHERE leaf < 5")

    async def work():
        store = await open_store(f"sqlite:///{folder}/state.db")
        vif = CrossModelVIF(keys=KeyPair.generate())
        moment = datetime.now(UTC)
        said = erasure_statement(Erased(records=((0, 5),)), commit("law"), moment)
        await store.transact(lambda tx: vif.append([said], tx))
        await store.close()

    asyncio.run(work())


def sql(*statements):
    return lambda folder: edit(folder, *statements)


VALUE = "WHERE rowid = (SELECT max(rowid) FROM commitments)"

STORE = {
    # what was done: (how, the step that stops it, whether a pin is needed)
    "a byte of a body": (lambda f: edit_body(f, also_hash=False), 12),
    "a body and its hash": (lambda f: edit_body(f, also_hash=True), 16),
    "a leaf hash": (sql('UPDATE log_leaves SET leaf_hash = zeroblob(32) WHERE "index" = 3'), 12),
    "a payload type": (sql("UPDATE log_leaves SET payload_type = 'text/plain'"), 12),
    "a body of another type": (sql("UPDATE log_leaves SET statement = 'text'"), 12),
    "a number for a body": (sql("UPDATE log_leaves SET statement = 7, payload_type = 8"), 12),
    "a text for an index": (sql("UPDATE log_leaves SET \"index\" = 'x' WHERE \"index\" = 3"), 11),
    "a node": (sql("UPDATE log_nodes SET hash = zeroblob(32)"), 13),
    "a node of another type": (sql("UPDATE log_nodes SET hash = 'text'"), 13),
    "no nodes": (sql("DELETE FROM log_nodes"), 13),
    "the latest signature": (lambda f: edit_note(f, LAST_HEAD, flipped_signature), 15),
    "an older signature": (lambda f: edit_note(f, FIRST_HEAD, flipped_signature), 15),
    "an older head's root": (sql(f"UPDATE checkpoints SET root = zeroblob(32) WHERE size = {FIRST_HEAD}"), 16),
    "an older head moved": (sql(f"UPDATE checkpoints SET size = size - 1 WHERE size = {FIRST_HEAD}"), 16),
    "a head of nonsense": (sql(f"UPDATE checkpoints SET note = 'x' WHERE size = {FIRST_HEAD}"), 14),
    "a head without a note": (sql(f"UPDATE checkpoints SET note = x'00' WHERE size = {FIRST_HEAD}"), 14),
    "no heads": (sql("DELETE FROM checkpoints"), 11),
    "two heads of one size": (two_heads, 16),
    "a dropped record": (sql('DELETE FROM log_leaves WHERE "index" = 4'), 12),
    "a dropped record, renumbered": (sql('DELETE FROM log_leaves WHERE "index" = 4', *shifted(4, -1)), 11),
    "a dropped record, renumbered, heads fitted": (
        lambda f: (edit(f, 'DELETE FROM log_leaves WHERE "index" = 4', *shifted(4, -1)), fit_heads(f)), 16),
    "reordered records": (sql(*swapped(3, 4)), 16),
    "a duplicated record": (sql(*inserted(4, 4)), 16),
    "a duplicated record at the end": (
        sql('INSERT INTO log_leaves SELECT (SELECT max("index") + 1 FROM log_leaves), payload_type, statement, '
            'leaf_hash, tenant, about FROM log_leaves WHERE "index" = 4'), 20),
    "an inserted record": (sql(*inserted(4, 9)), 16),
    "no records": (sql("DELETE FROM log_leaves"), 11),
    "the oldest records removed": (sql('DELETE FROM log_leaves WHERE "index" < 5'), 12),
    "the oldest values removed": (sql("DELETE FROM commitments WHERE leaf < 5"), 22),
    "all values removed": (sql("DELETE FROM commitments"), 22),
    "one value removed": (sql(f"DELETE FROM commitments {VALUE}"), 22),
    "values removed, with an unsigned erasure": (forge_erasure, 22),
    "an edited value": (sql(f"UPDATE commitments SET value = x'00' {VALUE}"), 21),
    "a value of another type": (sql(f"UPDATE commitments SET value = 'text' {VALUE}"), 21),
    "a byte moved from the value to the salt": (
        sql(f"UPDATE commitments SET salt = CAST(salt || substr(value, 1, 1) AS BLOB), value = substr(value, 2) {VALUE}"), 21),
    "a value under another digest": (sql(f"UPDATE commitments SET digest = upper(digest) {VALUE}"), 21),
    "a value moved to another record": (sql(f"UPDATE commitments SET leaf = 2, position = 9 {VALUE}"), 21),
    "a value of no record": (sql(f"UPDATE commitments SET leaf = 9999 {VALUE}"), 21),
    "a value of a text for a record": (sql(f"UPDATE commitments SET leaf = 'x' {VALUE}"), 21),
    "a cut tail": (sql('DELETE FROM log_leaves WHERE "index" > 9'), 11),
    "another log's head": (lambda f: resigned(f, origin="elsewhere.example/log"), 14),
    "a substituted key": (lambda f: resigned(f, pair=KeyPair.generate()), 15),
    "one substituted key of both": (
        lambda f: resigned(f, pair=KeyPair(keys(f).rsa, KeyPair.generate().ed25519)), 15),
    "a head of another size": (lambda f: resigned(f, size=7), 16),
}  # fmt: skip

PINNED = {
    "a rolled-back database file": (rolled_back, 17),
    "a cut tail, heads fitted": (
        lambda f: (
            edit(
                f,
                f'DELETE FROM log_leaves WHERE "index" >= {FIRST_HEAD}',
                f"DELETE FROM commitments WHERE leaf >= {FIRST_HEAD}",
            ),
            fit_heads(f),
        ),
        17,
    ),
    "a fork": (forked, 17),
}


@pytest.mark.parametrize("attack", STORE)
def test_attacks_on_a_store(files, attack):
    perform, step = STORE[attack]
    perform(files)
    assert refused_at(check_store(files)) == step


def view(table, query):
    return [f"ALTER TABLE {table} RENAME TO kept", f"CREATE VIEW {table.upper()} AS {query}"]


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c) SELECT x {} FROM c"
MADE_UP = {
    "records without an end": view("log_leaves", ENDLESS.format('AS "index"')),
    "a schema that is never found": view(
        "alembic_version", ENDLESS.format("AS version_num") + " WHERE x < 0"
    ),
    "values that change": view("commitments", "SELECT * FROM kept WHERE random() > 0"),
    "a column that is computed": [
        "ALTER TABLE log_leaves ADD COLUMN more BLOB AS (zeroblob(900000000))"
    ],
    "another kind of table": [
        "DROP TABLE log_signatures",
        "CREATE VIRTUAL TABLE log_signatures USING fts5(leaf, key_id, signature)",
    ],
}


@pytest.mark.parametrize("attack", MADE_UP)
def test_what_a_database_makes_up_as_it_is_read_is_not_read(files, attack):
    edit(files, *MADE_UP[attack])
    with pytest.raises(StoreError, match="no plain table"):
        check_store(files)


def test_what_fills_the_memory_is_not_read(files):
    edit(files, "UPDATE commitments SET value = zeroblob(70000000) WHERE leaf = 0")
    with pytest.raises(StoreError, match="too big"):
        check_store(files)


@pytest.mark.parametrize("size", [-1, 2**63, 10**399])
def test_an_export_of_no_size_that_a_log_can_have_is_refused(files, size):
    lines(lambda r: [re.sub(rb'"size":\d+', b'"size":%d' % size, r[0], count=1), *r[1:]])(files)
    assert refused_at(check_file(files, "export")) == 24


def test_what_cannot_be_read_is_not_checked_and_not_refused(files):
    for arguments in (
        ("/proc/self/mem",),  # a file that does not let itself be read
        ("n" * 300,),
        ("state.db", "--since", "9" * 5000),
        ("state.db", "--since", "9" * 19),
        ("state.db", "--since", "\u0663"),  # a digit, but none of ours
    ):
        said = command(files, "verify", *arguments, "--trust", "trust.json", "--json", code=2)
        assert not json.loads(said)["valid"]
    command(files, "verify", "evidence.json", "--trust", "/dev/zero", code=2)
    command(files, "log", "prove", "9" * 5000, "--out", "folder", code=2)


def test_what_evidence_says_neither_drives_nor_stops_the_terminal(files, monkeypatch):
    evidence = json.loads((files / "evidence.json").read_bytes())
    said = json.loads(base64.b64decode(evidence["statement"]))
    said["predicateType"] = "x\nvalid\n\x1b[8m\U0001f600"
    evidence["statement"] = base64.b64encode(json.dumps(said).encode()).decode()
    (files / "evidence.json").write_text(json.dumps(evidence))
    for encoding in ("utf-8", "ascii"):
        monkeypatch.setenv("PYTHONIOENCODING", encoding)
        for module in ("crossmodel.witness.verify", "crossmodel"):
            done = subprocess.run(
                [sys.executable, "-m", module, *(["verify"] if module == "crossmodel" else []),
                 "evidence.json", "--trust", "trust.json"],
                cwd=files, capture_output=True, check=False, timeout=120,
            )  # fmt: skip
            assert done.returncode == 1
            assert b"Traceback" not in done.stderr
            assert b"\x1b" not in done.stdout
            assert b"valid" not in done.stdout.split(b"\n")
            assert b"invalid" in done.stdout


@pytest.mark.parametrize("attack", PINNED)
def test_attacks_that_only_a_pin_shows(files, attack):
    perform, step = PINNED[attack]
    perform(files)
    unpinned = check_store(files)
    assert unpinned.verdict == "valid, completeness not checked"  # never plain valid
    assert refused_at(check_store(files, pinned=True)) == step


def test_without_hashing_values_it_is_still_seen_which_are_there(files):
    quick = Depth(values=False)
    edit(files, f"UPDATE commitments SET value = x'00' {VALUE}")
    assert check_store(files, depth=quick).is_valid
    edit(files, f"DELETE FROM commitments {VALUE}")
    assert refused_at(check_store(files, depth=quick)) == 22


def test_an_honest_erasure_is_valid_and_counted(files):
    [(insight,)] = rows(files, "SELECT id FROM insights LIMIT 1")
    command(files, "insights", "delete", insight, "--reason", "They asked for it", "--yes")
    report = check_store(files, pinned=True)
    assert report.verdict == "valid"
    assert report.details["erased"] >= 1
    edit(files, "DELETE FROM commitments WHERE leaf > 20")
    assert refused_at(check_store(files)) == 22


def test_a_pin_of_other_keys_is_none(files):
    pair = KeyPair.generate()
    note = (files / "pin.txt").read_text("utf-8")
    (files / "pin.txt").write_text(
        sign_note(Note.parse(note).text, LOG, [pair.rsa, pair.ed25519]), "utf-8"
    )
    assert refused_at(check_store(files, pinned=True)) == 10
    assert refused_at(check_file(files, pinned=True)) == 9


def signed_log(folder, bodies):
    """A store whose owner logged and signed any bytes."""
    (folder / "state.db").unlink()
    pair = keys(folder)

    async def work():
        store = await open_store(f"sqlite:///{folder}/state.db")
        vif = CrossModelVIF(keys=pair)
        await store.transact(
            lambda tx: vif.append([Statement(PAYLOAD_TYPE, *body) for body in bodies], tx)
        )
        head = await store.read(vif.sign_checkpoint)
        await store.transact(lambda tx: tx.add_checkpoint(head))
        await store.close()

    asyncio.run(work())


def said(at, change=lambda body: body):
    made = outcome_statement(Outcome("r", "m", success=True)).seal(at)
    return change(made.body), made.commitments


NOW = datetime.now(UTC)
TIMES = {
    "a time that falls": ([said(NOW), said(NOW - timedelta(seconds=1))], 20),
    "a time to come": ([said(NOW + timedelta(hours=1))], 20),
    "a time that is missing": (
        [said(NOW), said(NOW, lambda b: b.replace(b'"logged_at":', b'"logged_on":'))], 20),
    "a time that falls, in another form": (
        [said(NOW), said(NOW - timedelta(seconds=1), lambda b: json.dumps(json.loads(b)).encode())], 20),
}  # fmt: skip


@pytest.mark.parametrize("attack", TIMES)
def test_false_times_are_refused_even_if_signed(files, attack):
    bodies, step = TIMES[attack]
    signed_log(files, bodies)
    assert refused_at(check_store(files)) == step


def test_what_is_not_understood_verifies_as_bytes_and_is_counted(files):
    signed_log(
        files,
        [
            said(NOW),
            said(NOW, lambda body: body.replace(b"/outcome/v1", b"/outcome/v2")),
            said(
                NOW, lambda body: json.dumps(json.loads(body)).encode()
            ),  # understood all the same
            said(NOW, lambda body: body.replace(b'"success":true', b'"success":"yes"')),
            (b"no JSON", ()),
        ],
    )
    report = check_store(files)
    assert report.is_valid
    assert report.details["not_understood"] == 2
    assert check_store(files, depth=Depth(schemas=True)).details["not_understood"] == 3


# an evidence file


def pss_variant(sign):
    """The evidence's head with an RSA line that was made another way."""

    def change(folder, evidence):
        pair = keys(folder)

        class Odd:
            public = pair.rsa.public

            def sign(self, message):
                return sign(pair, message)

        return with_note(
            evidence, lambda note: sign_note(Note.parse(note).text, LOG, [Odd(), pair.ed25519])
        )

    return change


def pss(mask, salt):
    return lambda pair, message: pair.rsa._key.sign(
        message, padding.PSS(mgf=padding.MGF1(mask()), salt_length=salt), hashes.SHA256()
    )


def with_note(evidence, change):
    return with_proof(evidence, lambda proof: dataclasses.replace(proof, note=change(proof.note)))


def with_proof(evidence, change):
    fields = json.loads(evidence)
    return changed(evidence, proof=change(TlogProof.parse(fields["proof"])).to_text())


def changed(evidence, **fields):
    whole = json.loads(evidence) | fields
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()


def with_body(evidence, change):
    body = change(base64.b64decode(json.loads(evidence)["statement"]))
    return changed(evidence, statement=base64.b64encode(body).decode())


def with_value(evidence, change):
    row = json.loads(evidence)["disclosed"][0]
    value = base64.b64encode(change(base64.b64decode(row["value"]))).decode()
    return changed(evidence, disclosed=[row | {"value": value}])


def replaced(**fields):
    return lambda _, e: with_proof(e, lambda proof: dataclasses.replace(proof, **fields))


def path(change):
    return lambda _, e: with_proof(
        e, lambda proof: dataclasses.replace(proof, path=tuple(change(list(proof.path))))
    )


def note(change):
    return lambda _, e: with_note(e, change)


def raw(change):
    return lambda _, e: change(e)


def body(change):
    return lambda _, e: with_body(e, change)


def colliding(folder, evidence):
    """A line under the hint of a trusted key that never signed it."""
    pair, other = keys(folder), KeyPair.generate()

    def change(note):
        text = Note.parse(note).text
        forged = key_hash(LOG, pair.ed25519.public) + other.ed25519.sign(text.encode())
        line = f"\N{EM DASH} {LOG} {base64.b64encode(forged).decode()}\n"
        return sign_note(text, LOG, [pair.rsa]) + line

    return with_note(evidence, change)


def other_origin(folder, evidence):
    pair = keys(folder)

    def change(note):
        head = Checkpoint.parse(Note.parse(note).text)
        text = dataclasses.replace(head, origin="elsewhere.example/log").to_text()
        return sign_note(text, "elsewhere.example/log", [pair.rsa, pair.ed25519])

    return with_note(evidence, change)


def resigned_evidence(pair):
    return lambda _, e: with_note(
        e, lambda note: sign_note(Note.parse(note).text, LOG, [pair.rsa, pair.ed25519])
    )


def decomposed(value):
    text = json.loads(value)
    text["messages"][0]["content"] = unicodedata.normalize("NFD", text["messages"][0]["content"])
    return json.dumps(text).encode()


EVIDENCE = {
    "a byte of the body": (body(lambda b: b.replace(b"strong", b"stronk")), 7),
    "a wrong index": (lambda _, e: with_proof(e, lambda p: dataclasses.replace(p, index=p.index + 1)), 7),
    "an index beyond all": (replaced(index=2**63), 4),
    "a wrong size": (note(lambda n: n.replace("\n", "\n1", 1)), 6),
    "a missing node": (path(lambda p: p[:-1]), 7),
    "an extra node": (path(lambda p: [*p, p[0]]), 7),
    "an edited node": (path(lambda p: [b"\0" * 32, *p[1:]]), 7),
    "reordered nodes": (path(lambda p: p[::-1]), 7),
    "an edited signature": (note(flipped_signature), 6),
    "a missing signature": (note(lambda n: n.rpartition("\N{EM DASH} ")[0]), 6),
    "another payload type": (raw(lambda e: changed(e, payloadType="text/plain")), 2),
    "another origin": (other_origin, 5),
    "an unknown key": (resigned_evidence(KeyPair.generate()), 6),
    "a key with the same hint": (colliding, 6),
    "PKCS#1 v1.5 for PSS": (
        pss_variant(lambda pair, m: pair.rsa._key.sign(m, padding.PKCS1v15(), hashes.SHA256())), 6),
    "a salt of 20 bytes": (pss_variant(pss(hashes.SHA256, 20)), 6),
    "SHA-1 in MGF1": (pss_variant(pss(hashes.SHA1, 32)), 6),
    "Ed25519 bytes under RSA": (pss_variant(lambda pair, m: pair.ed25519.sign(m)), 6),
    "duplicate keys": (raw(lambda e: e.replace(b"{", b'{"payloadType":"x",', 1)), 1),
    "duplicate keys in the statement": (body(lambda b: b.replace(b"{", b'{"_type":"x",', 1)), 3),
    "NaN": (raw(lambda e: e.replace(b'"disclosed":[', b'"disclosed":[NaN,')), 1),
    "NaN in the statement": (body(lambda b: b.replace(b'"score":', b'"score":NaN,"x":')), 3),
    "1e400": (raw(lambda e: e.replace(b'"disclosed":[', b'"disclosed":[1e400,')), 1),
    "a lone surrogate": (raw(lambda e: e.replace(b'"disclosed":[', b'"disclosed":["\\ud800",')), 1),
    "a byte order mark": (raw(lambda e: b"\xef\xbb\xbf" + e), 1),
    "trailing bytes": (raw(lambda e: e + b"x"), 1),
    "lenient base64": (raw(lambda e: e.replace(b'"statement":"ey', b'"statement":"e!y')), 1),
    "nesting of 1,100": (raw(lambda _: b"[" * 1100 + b"]" * 1100), 1),
    "a file over the limit": (raw(lambda e: e + b" " * (4 * 1024 * 1024)), 1),
    "a field too many": (raw(lambda e: changed(e, extra=1)), 1),
    "another value": (lambda _, e: with_value(e, lambda v: v + b" "), 8),
    "the value's other Unicode form": (lambda _, e: with_value(e, decomposed), 8),
    "NUL in the origin": (note(lambda n: n.replace(LOG, "nul\0", 1)), 4),
    "a path for an origin": (note(lambda n: n.replace(LOG, "../../etc/passwd", 1)), 5),
    "an absolute path for an origin": (note(lambda n: n.replace(LOG, "/etc/passwd", 1)), 5),
    "a path for a digest": (
        raw(lambda e: changed(e, disclosed=[json.loads(e)["disclosed"][0] | {"digest": "../../x"}])), 8),
}  # fmt: skip


@pytest.mark.parametrize("attack", EVIDENCE)
def test_attacks_on_an_evidence_file(files, attack):
    change, step = EVIDENCE[attack]
    file = files / "evidence.json"
    forged = change(files, file.read_bytes())
    assert forged != file.read_bytes()
    file.write_bytes(forged)
    assert refused_at(check_file(files)) == step


def test_an_older_head_than_the_pin_is_refused(files):
    """Evidence of a rolled-back log: its own head is true, but there was a later one."""
    rolled_back(files)
    command(files, "log", "prove", 0, "--out", "evidence.json")
    assert check_file(files).verdict == "valid, completeness not checked"
    assert refused_at(check_file(files, pinned=True)) == 9


def test_evidence_of_a_fork_is_refused(files):
    forked(files)
    size = rows(files, f"SELECT {LAST_HEAD}")[0][0]
    pair = keys(files)
    text = Checkpoint(LOG, size, b"\7" * 32).to_text()
    (files / "pin.txt").write_text(sign_note(text, LOG, [pair.rsa, pair.ed25519]), "utf-8")
    command(files, "log", "prove", 0, "--out", "evidence.json")
    assert refused_at(check_file(files, pinned=True)) == 9


# the trust file


def weak_key(bits, exponent):
    key = rsa.RSAPublicNumbers(exponent, (1 << bits) - 1).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki(key):
    return {"spki": base64.b64encode(key).decode(), "key_id": hashlib.sha256(key).hexdigest()}


TRUST = {
    "e of 3": spki(weak_key(2048, 3)),
    "1024 bits": spki(weak_key(1024, 65537)),
    "more than 4096 bits": spki(weak_key(4104, 65537)),
    "a path for a key id": {"key_id": "../../etc/passwd"},
    "an absolute path for a key id": {"key_id": "/etc/passwd"},
    "NUL in a key id": {"key_id": "\0"},
    "another key's id": {"key_id": "0" * 64},
    "another algorithm": {"algorithm": "Ed25519"},
}


@pytest.mark.parametrize("attack", TRUST)
def test_a_trust_file_outside_of_the_policy_checks_nothing(files, attack):
    trust = json.loads((files / "trust.json").read_bytes())
    trust["keys"][0] |= TRUST[attack]
    (files / "trust.json").write_text(json.dumps(trust))
    said = json.loads(
        command(files, "verify", "evidence.json", "--trust", "trust.json", "--json", code=2)
    )
    assert (said["verdict"], said["valid"]) == ("not checked", False)
    assert said["error"]


@pytest.mark.parametrize(("first", "last"), [(1000, None), (0, 1)])
def test_a_key_that_is_not_valid_for_that_size_is_not_believed(files, first, last):
    trust = json.loads((files / "trust.json").read_bytes())
    for key in trust["keys"]:
        key |= {"from_size": first, "to_size": last}
    (files / "trust.json").write_text(json.dumps(trust))
    assert refused_at(check_file(files)) == 6
    assert refused_at(check_store(files)) == 15


# an export


def lines(change):
    def perform(folder):
        file = folder / "export" / "log.jsonl"
        file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))

    return perform


def drop(*starts):
    return lines(lambda rows: [row for row in rows if not row.startswith(starts)])


def cut(rows):
    """All after the first checkpoint gone, and the head made to fit."""
    kept = list(itertools.takewhile(lambda row: not row.startswith(b'{"checkpoint"'), rows))
    last = rows[len(kept)]
    head = json.loads(rows[0]) | {"size": len(kept) - 1, **json.loads(last)}
    return [json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode() + b"\n",
            *kept[1:], last]  # fmt: skip


EXPORT = {
    "a dropped record": (drop(b'{"index":4,'), 12),
    "reordered records": (lines(lambda r: [*r[:4], r[5], r[4], *r[6:]]), 12),
    "a duplicated record": (lines(lambda r: [*r[:4], r[4], *r[4:]]), 12),
    "an edited record": (lines(lambda r: [*r[:4], r[4].replace(b"A", b"B", 1), *r[5:]]), 16),
    "all heads dropped but the first line's": (drop(b'{"checkpoint"'), 16),
    "a cut tail": (lines(lambda r: r[:6]), 12),
    "another first line": (lines(lambda r: [b'{"log":"other/v1"}\n', *r[1:]]), 24),
    "no line": (lines(lambda _: []), 24),
    "a foreign line": (lines(lambda r: [*r, b"{}\n"]), 12),
    "a line without an end": (lines(lambda r: [*r[:-1], r[-1].rstrip(b"\n")]), 12),
    "duplicate keys": (lines(lambda r: [*r[:4], r[4].replace(b"}", b',"index":4}'), *r[5:]]), 12),
    "a foreign value": (
        lines(lambda r: [*r[:2], b'{"leaf":0,"digest":"%b","salt":"","value":""}\n' % (b"0" * 64), *r[2:]]), 21),
}  # fmt: skip


@pytest.mark.parametrize("attack", EXPORT)
def test_attacks_on_an_export(files, attack):
    perform, step = EXPORT[attack]
    perform(files)
    assert refused_at(check_file(files, "export")) == step


def test_a_cut_export_is_shown_by_a_pin(files):
    lines(cut)(files)
    assert check_file(files, "export").verdict == "valid, completeness not checked"
    assert refused_at(check_file(files, "export", pinned=True)) == 17


# no byte of an evidence file is without a meaning


def test_no_flip_of_any_bit_of_a_small_evidence_file_verifies(files):
    trust = json.loads((files / "trust.json").read_bytes())
    trust["keys"] = [key for key in trust["keys"] if key["algorithm"] == "Ed25519"]
    (files / "trust.json").write_text(json.dumps(trust))
    pair = keys(files)
    evidence = with_note(
        (files / "evidence.json").read_bytes(),
        lambda note: sign_note(Note.parse(note).text, LOG, [pair.ed25519]),
    )
    file = files / "evidence.json"
    file.write_bytes(evidence)
    assert check_file(files).is_valid
    believed = trust_of(files)
    for position, byte in enumerate(evidence):
        others = {byte ^ 1 << bit for bit in range(8)} | set(b' \t\r\n"\\/eE') - {byte}
        for other in others:
            flipped = evidence[:position] + bytes([other]) + evidence[position + 1 :]
            assert not verify_witness(flipped, believed).is_valid, (position, other)
    for position in range(0, len(evidence), 97):  # and some of them as files, by the command's path
        file.write_bytes(evidence[:position] + b"\0" + evidence[position + 1 :])
        assert not check_file(files).is_valid


def trust_of(files):
    return Trust.from_json((files / "trust.json").read_bytes())
