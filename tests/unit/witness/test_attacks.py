"""Each attack on evidence or on the log, performed on real bytes, and the step that stops it."""

import base64
import dataclasses
import itertools
import json
import subprocess
import sys
import sysconfig
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from crossmodel import witness
from crossmodel.domain.config import CrossModelVIFConfig, WitnessGenerationConfig
from crossmodel.domain.erasure import Erased
from crossmodel.domain.period import utc_now
from crossmodel.domain.selection import Outcome
from crossmodel.domain.witness import LogLeaf, SignedCheckpoint, Statement
from crossmodel.errors import NotFoundError, VerificationError, WitnessError
from crossmodel.witness import CrossModelVIF, KeyPair, Trust, load_or_create_keys, merkle
from crossmodel.witness.checkpoint import Checkpoint, TlogProof
from crossmodel.witness.keys.pairs import PublicKey
from crossmodel.witness.keys.trust import TrustedKey
from crossmodel.witness.log import MemoryLog, leaf_hash
from crossmodel.witness.note import Note, key_hash, sign_note
from crossmodel.witness.schemas import SCHEMAS
from crossmodel.witness.signed_records import SignedRecords
from crossmodel.witness.statement import (
    PAYLOAD_TYPE,
    build,
    commit,
    erasure_statement,
    outcome_statement,
)
from crossmodel.witness.strict import load_base64, load_json

PAIR = KeyPair.generate()
OTHER = KeyPair.generate()
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ED25519 = CrossModelVIFConfig(
    witness_generation=WitnessGenerationConfig(cryptographic_algorithm="Ed25519")
)


def filled(records=10, config=None, keys=PAIR, origin="crossmodel.local/log"):
    log = MemoryLog()
    vif = CrossModelVIF(config, keys=keys, log=log, origin=origin)
    for number in range(records):
        outcome = Outcome(f"r{number}", "m", success=True)
        vif.append([outcome_statement(outcome, answer=commit(f"answer {number}"))])
    if records:
        log.add_checkpoint(vif.sign_checkpoint())
    return vif, log


def refused_at(report):
    assert report.verdict == "invalid"
    assert not report.steps[-1].passed
    return report.steps[-1].number


def edited(evidence, **changes):
    return json.dumps(json.loads(evidence) | changes).encode()


# evidence files


def test_honest_evidence_is_valid_and_says_what_was_not_checked():
    vif, log = filled()
    evidence = vif.generate_witness(3)
    report = vif.verify_witness(evidence)
    assert report.verdict == "valid, completeness not checked"
    assert [step.number for step in report.steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    pin = log.latest_checkpoint().note
    assert vif.verify_witness(evidence, against=pin).verdict == "valid"


def test_an_edited_statement_is_refused():
    vif, _ = filled()
    evidence = vif.generate_witness(3)
    body = base64.b64decode(json.loads(evidence)["statement"])
    forged = base64.b64encode(body.replace(b'"success":true', b'"success":false')).decode()
    assert refused_at(vif.verify_witness(edited(evidence, statement=forged))) == 7


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (lambda p: dataclasses.replace(p, index=p.index + 1), 7),
        (lambda p: dataclasses.replace(p, path=p.path[:-1]), 7),
        (lambda p: dataclasses.replace(p, path=(*p.path, p.path[0])), 7),
        (lambda p: dataclasses.replace(p, path=p.path[::-1]), 7),
        (lambda p: dataclasses.replace(p, path=(b"\0" * 32, *p.path[1:])), 7),
        (lambda p: dataclasses.replace(p, index=2**63), 4),
        (lambda p: dataclasses.replace(p, note=p.note.replace("\n10\n", "\n11\n")), 6),
        (lambda p: dataclasses.replace(p, note=p.note.rpartition("— ")[0]), 6),
        (lambda p: dataclasses.replace(p, note=p.note + "\n"), 4),
    ],
)
def test_an_edited_proof_is_refused(change, step):
    vif, _ = filled()
    evidence = vif.generate_witness(3)
    proof = change(TlogProof.parse(json.loads(evidence)["proof"]))
    assert refused_at(vif.verify_witness(edited(evidence, proof=proof.to_text()))) == step


def test_an_envelope_under_another_payload_type_is_refused():
    vif, _ = filled()
    assert (
        refused_at(vif.verify_witness(edited(vif.generate_witness(3), payloadType="text/plain")))
        == 2
    )
    # even where the type is an accepted one, the leaf covers the type that was logged
    statement = dataclasses.replace(
        outcome_statement(Outcome("r", "m", success=True)).seal(NOW),
        payload_type="application/x-other",
    )
    log = MemoryLog()
    vif = CrossModelVIF(keys=PAIR, log=log)
    vif.append([statement])
    log.add_checkpoint(vif.sign_checkpoint())
    replayed = edited(vif.generate_witness(0), payloadType=PAYLOAD_TYPE)
    assert refused_at(vif.verify_witness(replayed)) == 7


def test_an_erasure_under_another_payload_type_explains_nothing():
    vif, log = filled()
    erased = erasure_statement(Erased((), records=((0, 9),)), commit("why"), NOW).seal(utc_now())
    log._commitments.clear()
    vif.append([dataclasses.replace(erased, payload_type="text/plain", commitments=())])
    log.add_checkpoint(vif.sign_checkpoint())
    assert refused_at(vif.verify_log()) == 22
    vif.append([dataclasses.replace(erased, commitments=())])
    log.add_checkpoint(vif.sign_checkpoint())
    assert refused_at(vif.verify_log()) == 22  # its own two values are gone, and only those
    assert "record 11 " in vif.verify_log().steps[-1].detail


def test_a_value_that_is_disclosed_twice_is_refused():
    vif, _ = filled()
    evidence = vif.generate_witness(3, disclose=["all"])
    rows = json.loads(evidence)["disclosed"]
    assert refused_at(vif.verify_witness(edited(evidence, disclosed=[*rows, rows[0]]))) == 8
    digest = rows[0]["digest"]
    twice = json.loads(vif.generate_witness(3, disclose=[digest, digest]))
    assert len(twice["disclosed"]) == 1


@pytest.mark.parametrize("size", [-1, 0, 2**63, 10**400])
def test_to_start_from_no_size_that_a_log_can_have_is_refused(size):
    vif, _ = filled()
    assert refused_at(vif.verify_log(since=size)) == 10


def test_evidence_of_another_log_is_refused():
    theirs, _ = filled(origin="elsewhere.example/log")
    ours, _ = filled()
    assert refused_at(ours.verify_witness(theirs.generate_witness(3))) == 5


@pytest.mark.parametrize(
    "keys", [OTHER, KeyPair(PAIR.rsa, OTHER.ed25519), KeyPair(OTHER.rsa, PAIR.ed25519)]
)
def test_a_substituted_key_is_refused_even_if_only_one_of_both(keys):
    forged, _ = filled(keys=keys)
    ours, _ = filled()
    assert refused_at(ours.verify_witness(forged.generate_witness(3))) == 6


def test_a_key_outside_its_range_of_sizes_is_not_believed():
    vif, _ = filled()
    evidence = vif.generate_witness(3)
    for first, last in ((11, None), (0, 9)):
        keys = tuple(TrustedKey(t.key, first, last) for t in vif.trust.keys)
        assert refused_at(vif.verify_witness(evidence, Trust(vif.origin, keys))) == 6


def test_pkcs1_in_place_of_pss_is_refused():
    vif, _ = filled()
    evidence = vif.generate_witness(3)
    proof = TlogProof.parse(json.loads(evidence)["proof"])

    class Pkcs1:
        public = PAIR.rsa.public

        def sign(self, message):
            return PAIR.rsa._key.sign(message, padding.PKCS1v15(), hashes.SHA256())  # type: ignore[attr-defined]

    class ShortSalt(Pkcs1):
        def sign(self, message):
            pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=20)
            return PAIR.rsa._key.sign(message, pss, hashes.SHA256())  # type: ignore[attr-defined]

    class Sha1Mask(Pkcs1):
        def sign(self, message):
            pss = padding.PSS(mgf=padding.MGF1(hashes.SHA1()), salt_length=32)
            return PAIR.rsa._key.sign(message, pss, hashes.SHA256())  # type: ignore[attr-defined]

    class Ed25519Bytes(Pkcs1):
        def sign(self, message):
            return PAIR.ed25519.sign(message)

    text = Note.parse(proof.note).text
    for signer in (Pkcs1(), ShortSalt(), Sha1Mask(), Ed25519Bytes()):
        note = sign_note(text, vif.origin, [signer, PAIR.ed25519])
        forged = dataclasses.replace(proof, note=note).to_text()
        assert refused_at(vif.verify_witness(edited(evidence, proof=forged))) == 6


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (lambda e: b"\xef\xbb\xbf" + e, 1),
        (lambda e: e + b"x", 1),
        (lambda e: e.replace(b"{", b'{"payloadType": "x",', 1), 1),
        (lambda e: b"[" * 1100 + b"]" * 1100, 1),
        (lambda e: e.replace(b'"disclosed":[]', b'"disclosed": NaN'), 1),
        (lambda e: e.replace(b'"disclosed":[]', b'"disclosed": 1e400'), 1),
        (lambda e: e.replace(b'"disclosed":[]', b'"disclosed": ["\\ud800"]'), 1),
        (lambda e: e.replace(b'"statement":"ey', b'"statement":"e!y'), 1),
        (lambda e: b"", 1),
        (lambda e: b"null", 1),
        (lambda e: b" " * (4 * 1024 * 1024 + 1), 1),
        (lambda e: edited(e, extra=1), 1),
        (lambda e: edited(e, statement=base64.b64encode(b"{}").decode()), 3),
        (lambda e: edited(e, proof="c2sp.org/tlog-proof@v1\nindex 03\n\nx"), 4),
    ],
)
def test_malformed_files_are_refused(change, step):
    vif, _ = filled()
    assert refused_at(vif.verify_witness(change(vif.generate_witness(3)))) == step


def test_disclosed_values_must_be_those_committed_to():
    vif, _log = filled()
    statement = json.loads(base64.b64decode(json.loads(vif.generate_witness(3))["statement"]))
    digest = next(s["digest"]["sha256"] for s in statement["subject"] if s["name"] == "answer")
    honest = vif.generate_witness(3, disclose=[digest])
    assert vif.verify_witness(honest).is_valid
    row = json.loads(honest)["disclosed"][0]
    assert base64.b64decode(row["value"]) == b"answer 3"
    assert b"answer 3" not in base64.b64decode(json.loads(honest)["statement"])
    lie = row | {"value": base64.b64encode(b"answer 4").decode()}
    assert refused_at(vif.verify_witness(edited(honest, disclosed=[lie]))) == 8
    foreign = commit("x")
    row = {
        "digest": foreign.digest,
        "salt": base64.b64encode(foreign.salt).decode(),
        "value": "eA==",
    }
    assert refused_at(vif.verify_witness(edited(honest, disclosed=[row]))) == 8
    with pytest.raises(NotFoundError, match="does not commit"):
        vif.generate_witness(3, disclose=[foreign.digest])


def test_bytes_of_a_disclosed_value_cannot_pass_into_its_salt():
    vif, log = filled()
    digest = answer_digest(vif, 3)
    salt, value = log._commitments[digest].salt, log._commitments[digest].value
    for cut in (-1, 1):  # the concatenation, and so its hash, is the same
        joined = salt + value
        row = {
            "digest": digest,
            "salt": base64.b64encode(joined[: 32 + cut]).decode(),
            "value": base64.b64encode(joined[32 + cut :]).decode(),
        }
        forged = edited(vif.generate_witness(3), disclosed=[row])
        assert refused_at(vif.verify_witness(forged)) == 8


def answer_digest(vif, index):
    statement = json.loads(base64.b64decode(json.loads(vif.generate_witness(index))["statement"]))
    return next(s["digest"]["sha256"] for s in statement["subject"] if s["name"] == "answer")


def test_an_erased_value_cannot_be_disclosed_and_its_proof_stays_valid():
    vif, log = filled()
    digest = answer_digest(vif, 3)
    del log._commitments[digest]
    with pytest.raises(WitnessError, match="erased"):
        vif.generate_witness(3, disclose=[digest])
    assert vif.verify_witness(vif.generate_witness(3)).is_valid


def test_evidence_that_no_verifier_would_read_is_not_made():
    log = MemoryLog()
    vif = CrossModelVIF(keys=PAIR, log=log)
    large = commit(b"x" * 4 * 1024 * 1024)
    vif.append([outcome_statement(Outcome("r", "m", success=True), answer=large)])
    log.add_checkpoint(vif.sign_checkpoint())
    assert vif.verify_witness(vif.generate_witness(0)).is_valid
    with pytest.raises(WitnessError, match="disclose less"):
        vif.generate_witness(0, disclose=[large.digest])


def logged(body):
    """Evidence of a log whose owner signed any bytes as a statement."""
    log = MemoryLog()
    vif = CrossModelVIF(keys=PAIR, log=log)
    vif.append([Statement(PAYLOAD_TYPE, body)])
    evidence = {
        "payloadType": PAYLOAD_TYPE,
        "statement": base64.b64encode(body).decode(),
        "proof": TlogProof(0, (), vif.sign_checkpoint().note).to_text(),
        "disclosed": [],
    }
    return vif, json.dumps(evidence).encode()


def test_an_unknown_predicate_verifies_as_bytes_and_is_said_to_be_unknown():
    made = outcome_statement(Outcome("r", "m", success=True)).seal(NOW).body
    vif, evidence = logged(made.replace(b"/outcome/v1", b"/outcome/v2"))
    report = vif.verify_witness(evidence)
    assert report.is_valid
    assert report.details["understood"] is False
    assert "not understood" in report.steps[2].detail


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"subject": []},
        {"subject": {}},
        {"subject": [{"name": "x"}]},
        {"subject": [{"name": "x", "digest": {"sha256": 7}}]},
        {"subject": [{"name": "x", "digest": {"sha256": "AB" * 32}}]},
        {"subject": [{"name": "x", "digest": {"sha256": "../" + "a" * 61}}]},
        {"predicateType": None},
        {"predicate": []},
        {"extra": 1},
    ],
)
def test_statements_of_another_form_are_refused_even_if_logged(change):
    made = json.loads(outcome_statement(Outcome("r", "m", success=True)).seal(NOW).body)
    vif, evidence = logged(json.dumps(made | change).encode())
    assert refused_at(vif.verify_witness(evidence)) == 3


def test_a_line_under_a_trusted_keys_hint_must_be_that_keys():
    vif, _ = filled()
    evidence = vif.generate_witness(3)
    proof = TlogProof.parse(json.loads(evidence)["proof"])
    text = Note.parse(proof.note).text
    # four bytes are no identity: a line may carry the hint of a key that never signed it
    hint = key_hash(vif.origin, PAIR.ed25519.public)
    collision = base64.b64encode(hint + OTHER.ed25519.sign(text.encode())).decode()
    line = f"\N{EM DASH} {vif.origin} {collision}\n"
    rsa_only = sign_note(text, vif.origin, [PAIR.rsa])
    for note in (rsa_only + line, proof.note + line):
        forged = dataclasses.replace(proof, note=note).to_text()
        assert refused_at(vif.verify_witness(edited(evidence, proof=forged))) == 6
    # lines of keys that nobody trusts, under a hint or a name of their own, mean nothing
    stranger = sign_note(text, "stranger", [PAIR.ed25519]).rpartition("\n\n")[2]
    cosigned = dataclasses.replace(proof, note=proof.note + stranger).to_text()
    assert vif.verify_witness(edited(evidence, proof=cosigned)).is_valid


def test_evidence_older_than_the_pin_and_forked_heads_are_refused():
    vif, log = filled()
    old = vif.generate_witness(3)
    vif.append([outcome_statement(Outcome("late", "m", success=True))])
    log.add_checkpoint(vif.sign_checkpoint())
    newer = log.latest_checkpoint().note
    assert refused_at(vif.verify_witness(old, against=newer)) == 9
    fork, fork_log = filled(records=10)  # the same keys, other records
    assert refused_at(vif.verify_witness(old, against=fork_log.latest_checkpoint().note)) == 9
    _foreign, foreign_log = filled(keys=OTHER)
    assert refused_at(vif.verify_witness(old, against=foreign_log.latest_checkpoint().note)) == 9
    report = vif.verify_witness(vif.generate_witness(3), against=Checkpoint_note(vif, 10, log))
    assert report.verdict == "valid, completeness not checked"
    assert fork.origin == vif.origin


def Checkpoint_note(vif, size, log):  # noqa: N802 - reads as what it gives
    root = merkle.root([leaf.leaf_hash for leaf in log.leaves(0, size)])
    text = Checkpoint(vif.origin, size, root).to_text()
    return sign_note(text, vif.origin, [PAIR.rsa, PAIR.ed25519])


def test_no_flip_of_any_bit_of_a_small_file_verifies():
    vif, _ = filled(records=3, config=ED25519)
    evidence = vif.generate_witness(1)
    for position in range(len(evidence)):
        for bit in (0, 3, 6):
            flipped = bytearray(evidence)
            flipped[position] ^= 1 << bit
            assert not vif.verify_witness(bytes(flipped)).is_valid
    # somebody else may write the same fields with other white space
    assert vif.verify_witness(json.dumps(json.loads(evidence), indent=2).encode()).is_valid


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_without_a_crash(data):
    trust = Trust.of("crossmodel.local/log", [PAIR.ed25519.public])
    vif = CrossModelVIF(ED25519, keys=PAIR)
    assert refused_at(vif.verify_witness(data, trust)) == 1
    for parse in (Trust.from_json, load_json):
        try:
            parse(data)
        except VerificationError as refusal:
            assert refusal.reason


@given(st.text(max_size=200))
def test_any_text_is_no_note_or_one_that_nobody_signed(text):
    try:
        note = Note.parse(text)
    except VerificationError:
        return
    assert not note.is_signed_by("crossmodel.local/log", PAIR.ed25519.public)


@pytest.mark.parametrize(
    "hostile",
    [b'"' + b'\\"' * 2_000_000, b'"' * 4_000_000, b"[" * 4_000_000, b"[],[" * 1_000_000,
     b"{" + b'"a":' * 900_000, b"1" * 4_000_000, b'"' + b"\\u0061" * 600_000],
)  # fmt: skip
def test_large_hostile_documents_are_refused_in_linear_time(hostile):
    started = time.process_time()
    with pytest.raises(VerificationError):
        load_json(hostile)
    assert time.process_time() - started < 20  # quadratic time would be minutes


def test_nesting_is_bounded_but_brackets_in_strings_are_not_nesting():
    assert load_json(b"[" * 64 + b"]" * 64)
    assert load_json(b'["' + b"[" * 1000 + b'"]') == ["[" * 1000]
    assert load_json(b'["\\"' + b"[" * 1000 + b'"]')
    with pytest.raises(VerificationError, match="nested deeper"):
        load_json(b"[" * 65 + b"]" * 65)


@pytest.mark.parametrize(
    "text", ["aGVs!bG8=", "aGVsbG8", "aGVsbG9=", " aGVsbG8=", "aGVsbG8=\n", "aGVsbG8=="]
)
def test_lenient_base64_is_refused(text):
    with pytest.raises(VerificationError):
        load_base64(text)
    assert load_base64("aGVsbG8=") == b"hello"


def test_two_unicode_forms_of_one_text_are_different_bytes():
    composed, decomposed = "\u00e9", "e\u0301"
    assert leaf_hash(PAYLOAD_TYPE, composed.encode()) != leaf_hash(
        PAYLOAD_TYPE, decomposed.encode()
    )


# the log


def test_an_honest_log_is_valid_and_progress_is_told():
    vif, log = filled(records=600)
    told = []
    report = vif.verify_log(progress=lambda done, total: told.append((done, total)))
    assert (report.verdict, report.records) == ("valid, completeness not checked", 600)
    assert told == [(500, 600), (600, 600)]
    assert vif.verify_log(against=log.latest_checkpoint().note).verdict == "valid"
    vif.append([outcome_statement(Outcome("late", "m", success=True))])
    assert vif.verify_log().details["unsigned"] == 1


def change_leaf(log, index, **changes):
    log._leaves[index] = dataclasses.replace(log._leaves[index], **changes)


def rehash(log, index, statement):
    change_leaf(log, index, statement=statement, leaf_hash=leaf_hash(PAYLOAD_TYPE, statement))


def forge_note(log, note):
    signed = log.latest_checkpoint()
    log._checkpoints[signed.size] = dataclasses.replace(signed, note=note)


def resize(log, size):
    signed = log.latest_checkpoint()
    log._checkpoints.clear()
    log._checkpoints[signed.size] = dataclasses.replace(signed, size=size)


ATTACKS = {
    "edited body": (lambda log: change_leaf(log, 4, statement=b"{}"), 12),
    "edited type": (lambda log: change_leaf(log, 4, payload_type="text/plain"), 12),
    "text in place of bytes": (lambda log: change_leaf(log, 4, statement="{}"), 12),
    "number in place of a type": (lambda log: change_leaf(log, 4, payload_type=7), 12),
    "note of another type": (lambda log: forge_note(log, b"note"), 14),
    "note of nonsense": (lambda log: forge_note(log, "nonsense"), 14),
    "edited hash": (lambda log: change_leaf(log, 4, leaf_hash=b"\0" * 32), 12),
    "edited body and hash": (lambda log: rehash(log, 4, b"{}"), 13),
    "edited node": (lambda log: log._nodes.update({(4, 0): b"\0" * 32}), 13),
    "lost node": (lambda log: log._nodes.pop((4, 0)), 13),
    "dropped record": (lambda log: log._leaves.pop(4), 11),
    "reordered records": (lambda log: log._leaves.insert(4, log._leaves.pop(5)), 12),
    "duplicated record": (lambda log: log._leaves.insert(4, log._leaves[4]), 12),
    "cut tail": (lambda log: log._leaves.pop(), 11),
    "oldest removed": (lambda log: log._leaves.__delitem__(slice(0, 3)), 11),
    "no records": (lambda log: log._leaves.clear(), 11),
    "no checkpoint": (lambda log: log._checkpoints.clear(), 11),
    "a head of nothing": (lambda log: resize(log, 0), 11),
    "a head of no number": (lambda log: resize(log, "10"), 11),
    "a head moved forward": (lambda log: resize(log, 9), 16),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_on_the_log(attack):
    perform, step = ATTACKS[attack]
    vif, log = filled(records=20)
    perform(log)
    assert refused_at(vif.verify_log()) == step


def rebuilt(records):
    """The same records with all hashes and nodes made anew, as a careful forger would."""
    log = MemoryLog()
    vif = CrossModelVIF(keys=PAIR, log=log)
    vif.append(records)
    return vif, log


def test_a_log_rebuilt_without_a_record_no_longer_meets_its_checkpoint():
    _vif, log = filled()
    signed = log.latest_checkpoint()
    statements = [
        dataclasses.replace(
            outcome_statement(Outcome("x", "m", success=True)).seal(NOW), body=leaf.statement
        )
        for leaf in log.leaves(0, 10)
    ]
    inserted = outcome_statement(Outcome("inserted", "m", success=True))
    forged, forged_log = rebuilt([*statements[:4], inserted, *statements[5:]])
    forged_log.add_checkpoint(signed)
    assert refused_at(forged.verify_log()) == 16
    forged.append([inserted])
    with pytest.raises(WitnessError, match="does not extend"):
        forged.sign_checkpoint()


def test_a_rolled_back_log_is_found_by_its_pin():
    _vif, log = filled()
    pin = log.latest_checkpoint().note
    rolled_back, _rolled_log = filled(records=5)
    assert rolled_back.verify_log().is_valid
    assert refused_at(rolled_back.verify_log(against=pin)) == 17
    fork, _ = filled(records=12)
    assert refused_at(fork.verify_log(against=pin)) == 17
    foreign, foreign_log = filled(keys=OTHER)
    assert refused_at(fork.verify_log(against=foreign_log.latest_checkpoint().note)) == 10
    assert refused_at(fork.verify_log(against="nonsense")) == 10
    assert foreign.verify_log().is_valid


def test_a_log_keeps_one_head_of_each_size():
    _vif, log = filled()
    _fork, fork_log = filled()
    log.add_checkpoint(log.latest_checkpoint())
    with pytest.raises(WitnessError, match="another checkpoint of size 10"):
        log.add_checkpoint(fork_log.latest_checkpoint())


def test_a_head_that_somebody_else_wrote_is_not_extended():
    """Records, nodes and the kept head are all replaced: only the signature can tell."""
    vif, log = filled()
    for records, note in forged_heads():
        forged_vif, forged_log = rebuilt(records)
        head = Checkpoint(vif.origin, len(records), log_root(forged_log))
        forged_log.add_checkpoint(SignedCheckpoint(head.size, head.root, note(head)))
        with pytest.raises(WitnessError, match="does not extend"):
            forged_vif.sign_checkpoint()
    assert log.log_size() == 10


def log_root(log):
    return merkle.root([leaf.leaf_hash for leaf in log.leaves(0, log.log_size())])


def forged_heads():
    """Records of a forger, with a head over them that is signed by nobody, or by another key."""
    records = [outcome_statement(Outcome("forged", "m", success=True))]
    name = "crossmodel.local/log"
    yield records, lambda head: sign_note(head.to_text(), name, [OTHER.rsa, OTHER.ed25519])
    yield records, lambda head: head.to_text() + "\n\N{EM DASH} nobody AAAAAAAA\n"
    yield records, lambda head: "nonsense"
    # a true signature, but of another log of the same keys
    yield (
        records,
        lambda head: sign_note(
            dataclasses.replace(head, origin="elsewhere").to_text(), name, [PAIR.ed25519]
        ),
    )


def test_a_changed_algorithm_goes_on_from_the_same_log():
    _vif, log = filled()
    signed = CrossModelVIF(ED25519, keys=PAIR, log=log).sign_checkpoint()
    assert signed.size == 10
    log._checkpoints[10] = signed
    assert CrossModelVIF(keys=PAIR, log=log).sign_checkpoint().root == signed.root


def test_a_checkpoint_by_foreign_keys_is_refused():
    vif, _log = filled(keys=OTHER)
    trust = Trust.of(vif.origin, [PAIR.rsa.public, PAIR.ed25519.public])
    assert refused_at(vif.verify_log(trust=trust)) == 15
    elsewhere = Trust.of("elsewhere", [OTHER.rsa.public])
    assert refused_at(vif.verify_log(trust=elsewhere)) == 14


# statements and keys


@pytest.mark.parametrize(
    "change",
    [{"extra": 1}, {"time": None}, {"time": "2026-01-01T00:00:00+02:00"}, {"success": 1},
     {"success": "yes"}, {"score": float("nan")}, {"score": float("inf")}, {"score": True},
     {"score": 2**63}, {"model": "lone \ud800"}, {"model": 7}, {"model": "m" * 1024 * 1024}],
)  # fmt: skip
def test_statements_outside_of_their_schema_are_not_made(change):
    predicate = {"time": "2026-01-01T00:00:00Z", "request_id": "r", "model": "m", "success": True,
                 "score": 0.5, "latency_ms": None, "cost_usd": None, "source": "engine",
                 "served_model": None, "trace_id": None}  # fmt: skip
    subjects = {"request": commit("q")}
    assert build("outcome", subjects, predicate)
    with pytest.raises(WitnessError, match="outcome statement"):
        build("outcome", subjects, predicate | change).seal(NOW)
    with pytest.raises(WitnessError, match="known are"):
        build("gossip", subjects, predicate)
    with pytest.raises(WitnessError, match="subject"):
        build("outcome", {}, predicate)
    kinds = {"selection", "transfer", "outcome", "insight", "erasure", "key-rotation"}
    assert set(SCHEMAS) == kinds


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 1, 12),  # noqa: DTZ001 - a naive time is what it is about
        datetime(2026, 1, 1, 12, tzinfo=UTC),
        datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_times_are_written_in_utc(moment):
    body = outcome_statement(Outcome("r", "m", success=True, recorded_at=moment)).seal(NOW).body
    assert json.loads(body)["predicate"]["time"] == "2026-01-01T12:00:00Z"


def test_large_integers_stay_exact():
    outcome = Outcome("r", "m", success=True, latency_ms=2**53 + 1)
    assert str(2**53 + 1).encode() in outcome_statement(outcome).seal(NOW).body


def test_keys_are_private_files_and_come_back(tmp_path):
    folder = tmp_path / "keys"
    made = load_or_create_keys(folder, passphrase="correct horse")
    assert {oct(f.stat().st_mode & 0o777) for f in folder.iterdir()} == {"0o600"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(b"ENCRYPTED" in f.read_bytes() for f in folder.iterdir())
    again = load_or_create_keys(folder, passphrase="correct horse")
    assert again.rsa.public == made.rsa.public
    assert "PRIVATE" not in repr(made)
    for passphrase, message in ((None, "needs a passphrase"), ("wrong", "wrong passphrase")):
        with pytest.raises(WitnessError, match=message):
            load_or_create_keys(folder, passphrase=passphrase)
    (folder / "ed25519.pem").write_bytes((folder / "rsa.pem").read_bytes())
    with pytest.raises(WitnessError, match="must be Ed25519"):
        load_or_create_keys(folder, passphrase="correct horse")
    (folder / "rsa.pem").unlink()
    with pytest.raises(WitnessError, match="cannot keep keys"):
        load_or_create_keys(folder)


def test_processes_that_start_at_once_end_with_one_key(tmp_path):
    code = (
        "import sys, pathlib; from crossmodel.witness import load_or_create_keys;"
        "print(load_or_create_keys(pathlib.Path(sys.argv[1])).ed25519.public.key_id)"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "k")], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    printed = {child.communicate(timeout=60)[0] for child in children}
    assert [child.returncode for child in children] == [0] * 4
    assert len(printed) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


@pytest.mark.parametrize(
    ("bits", "exponent"), [(512, 65537), (1024, 65537), (2047, 65537), (4097, 65537), (2048, 3)]
)
def test_keys_outside_of_the_policy_are_refused(bits, exponent):
    weak = rsa.RSAPublicNumbers(exponent, (1 << bits) - 1).public_key()
    with pytest.raises(VerificationError, match="RSA keys must"):
        PublicKey.load(weak.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def test_the_trust_file_comes_back_and_takes_no_lies():
    vif, _ = filled()
    data = vif.trust_file()
    assert Trust.from_json(data) == vif.trust
    honest = json.loads(data)
    for change in (
        {"origin": 3},
        {"keys": []},
        {"extra": 1},
        {"keys": [honest["keys"][0] | {"key_id": "0" * 64}]},
        {"keys": [honest["keys"][0] | {"algorithm": "Ed25519"}]},
        {"keys": [honest["keys"][0] | {"from_size": -1}]},
        {"keys": [honest["keys"][0] | {"from_size": True}]},
        {"keys": [honest["keys"][0] | {"from_size": 5, "to_size": 4}]},
        {"keys": [honest["keys"][0] | {"spki": "AAAA"}]},
    ):
        with pytest.raises(VerificationError):
            Trust.from_json(json.dumps(honest | change).encode())


def test_a_name_that_cannot_stand_in_a_note_is_refused():
    for origin in (
        "",
        "has space",
        "has+plus",
        "new\nline",
        "nul\0",
        "lone \ud800",
        "no\u00a0break",
    ):
        with pytest.raises(WitnessError, match="origin"):
            CrossModelVIF(keys=PAIR, origin=origin)


def test_an_uncovered_record_has_no_evidence_yet():
    vif, _log = filled()
    vif.append([outcome_statement(Outcome("late", "m", success=True))])
    with pytest.raises(WitnessError, match="10 are covered"):
        vif.generate_witness(10)
    for index in (11, 99, -1):
        with pytest.raises(NotFoundError, match="it has 11, from 0"):
            vif.generate_witness(index)


def test_checkpoints_are_due_by_count_and_by_time():
    config = WitnessGenerationConfig(checkpoint_leaves=3, checkpoint_interval_ms=3_600_000)
    log = MemoryLog()
    vif = CrossModelVIF(CrossModelVIFConfig(witness_generation=config), keys=PAIR, log=log)
    due = []
    for number in range(4):
        due.append(vif.checkpoint_due())
        vif.append([outcome_statement(Outcome(f"r{number}", "m", success=True))])
    assert due == [False, False, False, True]
    log.add_checkpoint(vif.sign_checkpoint())
    assert not vif.checkpoint_due()
    config.checkpoint_interval_ms = 0
    assert not vif.checkpoint_due()
    vif.append([outcome_statement(Outcome("r", "m", success=True))])
    assert vif.checkpoint_due()


def test_it_works_alone():
    vif = CrossModelVIF()
    vif.append([outcome_statement(Outcome("r", "m", success=True), answer=commit("an answer"))])
    vif.log.add_checkpoint(vif.sign_checkpoint())
    assert vif.verify_witness(vif.generate_witness(0)).is_valid
    assert vif.verify_log().is_valid


def test_every_listed_name_is_there():
    for name in witness.__all__:
        assert getattr(witness, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = witness.nothing


def test_the_verifier_needs_cryptography_alone(tmp_path):
    vif, log = filled()
    (tmp_path / "evidence.json").write_bytes(vif.generate_witness(3))
    (tmp_path / "trust.json").write_bytes(vif.trust_file())
    (tmp_path / "pin.txt").write_text(log.latest_checkpoint().note, "utf-8")
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    with (tmp_path / "log.jsonl").open("wb") as lines:
        vif.export(lines.write)
    # an environment in which nothing is installed but cryptography and what that needs
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "crossmodel").symlink_to(Path(merkle.__file__).parents[1])
    for installed in Path(sysconfig.get_path("platlib")).iterdir():
        if installed.name.startswith(("cryptography", "cffi", "_cffi_backend", "pycparser")):
            (packages / installed.name).symlink_to(installed)

    def run(*arguments):
        # -S: no site-packages; -W error: running the module must not import it twice
        module = ["-S", "-W", "error", "-m", "crossmodel.witness.verify"]
        return subprocess.run(
            [sys.executable, *module, *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(packages)},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("evidence.json", "--trust", "trust.json", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "valid, completeness not checked"
    pinned = run("evidence.json", "--trust", "trust.json", "--against", "pin.txt")
    assert pinned.stdout.splitlines()[-1] == "valid"
    exported = run("log.jsonl", "--trust", "trust.json", "--against", "pin.txt", "--json")
    assert json.loads(exported.stdout)["verdict"] == "valid"
    missing = run("missing.json", "--trust", "trust.json", "--json")
    assert json.loads(missing.stdout)["verdict"] == "not checked"
    for arguments in (
        ("evidence.json",),
        ("missing.json", "--trust", "trust.json"),
        ("evidence.json", "--trust", "missing.json"),
        ("evidence.json", "--trust", "evidence.json"),
        ("evidence.json", "--trust", "trust.json", "--against", "latin.txt"),
    ):
        assert run(*arguments).returncode == 2
    for bytes_ in (b"{}", b" " * (4 * 1024 * 1024 + 1)):
        (tmp_path / "evidence.json").write_bytes(bytes_)
        refused = run("evidence.json", "--trust", "trust.json")
        assert (refused.returncode, refused.stdout.splitlines()[-1]) == (1, "invalid")
        assert refused.stdout.startswith("  1 REFUSED")
    assert run("/dev/zero", "--trust", "trust.json").returncode == 1


def test_a_leaf_is_its_records_hash():
    _vif, log = filled(records=1)
    leaf = next(iter(log.leaves(0, 1)))
    assert isinstance(leaf, LogLeaf)
    assert (
        merkle.root([leaf.leaf_hash])
        == Checkpoint.parse(Note.parse(log.latest_checkpoint().note).text).root
    )


@pytest.mark.parametrize("signature", [b"x", b"x" * 513])
def test_signatures_over_a_record_without_an_end_do_not_fill_the_memory(signature):
    vif, _ = filled()
    endless = SignedRecords(itertools.repeat([(0, "k", signature)]), vif.trust_of())
    with pytest.raises(VerificationError, match="too many or long"):
        endless.take(0, 0)
