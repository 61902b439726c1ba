"""A store of schema 0004 with records in it: what its values are found by after the migration."""

import hashlib
import json

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from crossmodel.domain.config import (
    CrossModelVIFConfig,
    ProvenanceTrackingConfig,
    WitnessGenerationConfig,
)
from crossmodel.store import open_store
from crossmodel.store.migration import SCRIPTS
from crossmodel.witness import CrossModelVIF, KeyPair, merkle
from crossmodel.witness.checkpoint import Checkpoint
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.log import leaf_hash
from crossmodel.witness.note import sign_note
from crossmodel.witness.schemas import predicate_type
from crossmodel.witness.statement import PAYLOAD_TYPE, STATEMENT_TYPE
from crossmodel.witness.statement import subject_digests as digests_of

PAIR = KeyPair.generate()
ORIGIN = "crossmodel.local/log"
CONFIG = CrossModelVIFConfig(
    ProvenanceTrackingConfig(), WitnessGenerationConfig(cryptographic_algorithm="Ed25519")
)


def migrated(path, work, *revisions):
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        for way, revision in revisions:
            way(config, revision)
        work(connection)
    engine.dispose()


class OldLog:
    """Writes records and values as the version with schema 0004 did."""

    def __init__(self, connection):
        self.run = connection.execute
        self.hashes = []
        self.hidden = {}

    def commit(self, value, tenant):
        salt = hashlib.sha256(f"{len(self.hidden)}".encode()).digest()
        digest = hashlib.sha256(salt + value.encode()).hexdigest()
        self.hidden[digest] = (value, tenant)
        self.run(
            sa.text(
                "INSERT INTO commitments (digest, salt, value, tenant) VALUES (:d, :s, :v, :t)"
            ),
            {"d": digest, "s": salt, "v": value.encode(), "t": tenant},
        )
        return digest

    def append(self, kind, predicate, **subjects):
        document = {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": n, "digest": {"sha256": d}} for n, d in subjects.items()],
            "predicateType": predicate_type(kind),
            "predicate": {"time": "2024-01-01T00:00:00Z"} | predicate,
        }
        text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        self.append_bytes(PAYLOAD_TYPE, text.encode())

    def append_bytes(self, payload_type, body):
        digest = leaf_hash(payload_type, body)
        self.run(
            sa.text("INSERT INTO log_leaves VALUES (:i, :p, :s, :h)"),
            {"i": len(self.hashes), "p": payload_type, "s": body, "h": digest},
        )
        self.hashes.append(digest)
        index, level = len(self.hashes) - 1, 0
        while index % 2:  # every complete subtree was kept then
            node = merkle.root(self.hashes[(index - 1) << level : (index + 1) << level])
            index, level = index // 2, level + 1
            self.run(
                sa.text("INSERT INTO log_nodes VALUES (:l, :i, :h)"),
                {"l": level, "i": index, "h": node},
            )

    def sign(self):
        size, root = len(self.hashes), merkle.root(self.hashes)
        note = sign_note(Checkpoint(ORIGIN, size, root).to_text(), ORIGIN, PAIR.signers("Ed25519"))
        self.run(
            sa.text("INSERT INTO checkpoints VALUES (:s, :r, :n)"),
            {"s": size, "r": root, "n": note},
        )

    def turn(self, name, tenant, *, known=True):
        """What one whole turn wrote: the request is committed to by three records."""
        of = tenant if known else ""
        request = self.commit(f"what is asked in {name}", of)
        context, answer = self.commit(f"context of {name}", of), self.commit(f"said in {name}", of)
        self.append("selection", {"request_id": name}, request=request)
        self.append("transfer", {"request_id": name}, request=request, context=context)
        self.append("outcome", {"request_id": name}, request=request, answer=answer)
        self.run(
            sa.text(
                "INSERT INTO selections (tenant, request_id, model_id, suitability_score, "
                "alternatives, requirement, selected_at, latency_ms) "
                "VALUES (:t, :r, 'm', 0.5, '[]', '{}', 0, 1.0)"
            ),
            {"t": tenant, "r": name},
        )

    def insights(self, source, tenant, *ids):
        shared = self.commit(f"hash of {source}", tenant)
        for each in ids:
            content = self.commit(f"content of {each}", tenant)
            self.append("insight", {"insight_id": each}, insight=content, source=shared)


async def test_every_value_is_found_from_each_record_that_commits_to_it(tmp_path):
    path = tmp_path / "s.db"
    old, lacking = None, None

    def fill(connection):
        nonlocal old, lacking
        old = OldLog(connection)
        for number in range(250):  # turns stand across the parts in which it is read
            old.turn(f"req_{number}", f"t{number % 2}")
        old.insights("a", "t0", *(f"ins_{n}" for n in range(30)))
        old.insights("b", "t1", "ins_0")  # two tenants have learned the same
        old.append_bytes("text/plain", b"\xff no statement of ours")
        old.append_bytes(PAYLOAD_TYPE, b"[" * 5000)
        old.append("outcome", {"request_id": "req_7"}, request=old.commit("req_7", "t1"))
        old.turn("req_unknown", "t1", known=False)
        gone = old.commit("erased since", "t0")
        lacking = len(old.hashes)
        old.append("selection", {"request_id": "req_4"}, request=gone)
        old.run(sa.text("DELETE FROM commitments WHERE digest = :d"), {"d": gone})
        del old.hidden[gone]
        old.sign()

    migrated(path, fill, (command.upgrade, "0004"))
    store = await open_store(f"sqlite:///{path}")

    def check(tx):
        found = {}
        for leaf in tx.leaves(0, tx.log_size()):
            if leaf.payload_type != PAYLOAD_TYPE or leaf.statement.startswith(b"["):
                assert (leaf.tenant, leaf.about) == ("", "")
                continue
            document = parse_statement(leaf.statement)
            digests = [d for d in digests_of(document) if d in old.hidden]
            kept = tx.get_commitments(leaf.index, digests)
            assert set(kept) == set(digests), leaf.index
            found |= kept
            about = document["predicate"].get("request_id") or document["predicate"]["insight_id"]
            assert leaf.about == about
            assert leaf in tx.leaves_about(leaf.tenant, about)
        assert {d: each.value.decode() for d, each in found.items()} == {
            digest: value for digest, (value, _) in old.hidden.items()
        }
        for digest, (value, tenant) in old.hidden.items():
            assert found[digest].tenant == (tenant or "t1"), value
        assert {leaf.tenant for leaf in tx.leaves_about("t0", "req_4")} == {"t0"}
        assert len(tx.leaves_about("t0", "req_4")) == 4  # of an erased value the row knows whose
        assert len(tx.leaves_about("t1", "req_unknown")) == 3
        rows = tx._connection.exec_driver_sql("SELECT count(*) FROM commitments").scalar()
        assert rows == len(old.hidden) + 29  # each insight of one source has the source itself

    await store.read(check)
    vif = CrossModelVIF(CONFIG, keys=PAIR)
    [*passed, last] = (await store.read(vif.verify_log)).steps
    assert all(step.passed for step in passed)
    # the only thing that is wrong: a value was taken away, and no record says so
    assert (last.number, last.detail.split(",")[0]) == (22, f"a value of record {lacking} is gone")
    await store.close()


async def test_back_and_forth_loses_no_value(tmp_path):
    path = tmp_path / "s.db"
    old = None

    def fill(connection):
        nonlocal old
        old = OldLog(connection)
        old.turn("req_1", "t")
        old.insights("a", "t", "ins_1", "ins_2")

    migrated(path, fill, (command.upgrade, "0004"))
    await (await open_store(f"sqlite:///{path}")).close()

    def check(connection):
        rows = connection.execute(sa.text("SELECT digest, value, tenant FROM commitments"))
        assert {d: (v.decode(), t) for d, v, t in rows} == old.hidden

    migrated(path, check, (command.downgrade, "0004"))
