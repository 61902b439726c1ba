"""The stored log agrees with the tree that the leaves define, at each size and in few reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.selection import Outcome
from crossmodel.domain.witness import Statement
from crossmodel.errors import InvalidInputError, VerificationError, WitnessError
from crossmodel.witness import KeyPair, merkle
from crossmodel.witness.checkpoint import Checkpoint, TlogProof
from crossmodel.witness.log import (
    MemoryLog,
    append,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_at,
)
from crossmodel.witness.note import Note, is_key_name, sign_note
from crossmodel.witness.statement import outcome_statement, pae
from crossmodel.witness.strict import load_base64, load_json

PAIR = KeyPair.generate()


class CountingLog(MemoryLog):
    """Counts the nodes that are read."""

    nodes_read = 0

    def read_nodes(self, positions):
        self.nodes_read += len(positions)
        return super().read_nodes(positions)


def statements(count):
    return [Statement("text/plain", str(number).encode()) for number in range(count)]


@given(st.lists(st.integers(0, 40), max_size=8), st.data())
def test_appending_in_any_batches_gives_the_same_tree(batches, data):
    log, total = CountingLog(), sum(batches)
    records = statements(total)
    at = 0
    for batch in batches:
        assert append(log, records[at : at + batch]) == list(range(at, at + batch))
        at += batch
    leaves = [leaf_hash(record.payload_type, record.body) for record in records]
    for size in range(total + 1):
        assert root_at(log, size) == merkle.root(leaves[:size])
    if total:
        size = data.draw(st.integers(1, total))
        index = data.draw(st.integers(0, size - 1))
        earlier = data.draw(st.integers(0, size))
        assert inclusion_proof(log, index, size) == merkle.inclusion_proof(leaves[:size], index)
        assert consistency_proof(log, earlier, size) == merkle.consistency_proof(
            leaves[:size], earlier
        )


def test_proofs_and_appends_of_a_long_log_read_few_nodes():
    log, size = CountingLog(), 5000
    append(log, statements(size))
    for work in (
        lambda: append(log, statements(1)),
        lambda: inclusion_proof(log, 1234, size),
        lambda: consistency_proof(log, 4097, size),
        lambda: root_at(log, size),
    ):
        log.nodes_read = 0
        work()
        assert 0 < log.nodes_read <= 8 * size.bit_length()  # most are up to eight hashes away


def test_a_log_without_a_node_says_so_and_takes_no_gap():
    log = MemoryLog()
    append(log, statements(16))
    leaf = next(log.leaves(0, 1))
    with pytest.raises(InvalidInputError, match="next leaf is 16, not 0"):
        log.append_leaves([leaf])
    del log._nodes[4, 0]
    with pytest.raises(WitnessError, match=r"lacks its node \(4, 0\)"):
        append(log, statements(1))
    assert log.log_size() == 16


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**300), 10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(json_values, st.booleans())
def test_what_the_standard_library_writes_is_read_back(value, ascii_only):
    import json

    assert load_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=100), st.text(max_size=20))
def test_each_value_has_one_base64(raw, text):
    import base64

    assert load_base64(base64.b64encode(raw).decode()) == raw
    try:
        decoded = load_base64(text)
    except VerificationError:
        return
    assert base64.b64encode(decoded).decode() == text


@given(st.text(max_size=20), st.binary(max_size=40), st.text(max_size=20), st.binary(max_size=40))
def test_no_two_records_have_one_encoding(kind1, body1, kind2, body2):
    same = (kind1, body1) == (kind2, body2)
    assert (pae(kind1, body1) == pae(kind2, body2)) is same


names = st.text(min_size=1, max_size=20).filter(is_key_name)
hashes = st.binary(min_size=32, max_size=32)


@given(names, st.integers(0, 2**63 - 1), hashes)
def test_checkpoints_come_back_signed_by_both_keys_and_no_other(origin, size, root):
    checkpoint = Checkpoint(origin, size, root)
    note = Note.parse(sign_note(checkpoint.to_text(), origin, [PAIR.rsa, PAIR.ed25519]))
    assert Checkpoint.parse(note.text) == checkpoint
    assert note.is_signed_by(origin, PAIR.rsa.public)
    assert note.is_signed_by(origin, PAIR.ed25519.public)
    assert not note.is_signed_by(origin + "x", PAIR.ed25519.public)
    assert not note.is_signed_by(origin, OTHER.ed25519.public)


OTHER = KeyPair.generate()


@given(st.integers(0, 2**63 - 1), st.lists(hashes, max_size=63))
def test_proofs_come_back(index, path):
    checkpoint = sign_note(Checkpoint("log", 1, bytes(32)).to_text(), "log", [PAIR.ed25519])
    proof = TlogProof(index, tuple(path), checkpoint)
    assert TlogProof.parse(proof.to_text()) == proof


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.floats(0, 1), st.integers(0, 2**60))
def test_statements_say_exactly_what_happened(request_id, score, latency):
    outcome = Outcome(request_id, "m", success=True, score=score, latency_ms=latency)
    predicate = load_json(outcome_statement(outcome).seal(outcome.recorded_at).body)["predicate"]
    assert (predicate["request_id"], predicate["score"], predicate["latency_ms"]) == (
        request_id,
        score,
        latency,
    )
