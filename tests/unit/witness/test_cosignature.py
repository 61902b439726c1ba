"""Cosigners sign only what extends what they saw, and only theirs count."""

import base64
import dataclasses
import json
import random
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crossmodel.domain.selection import Outcome
from crossmodel.errors import VerificationError, WitnessError
from crossmodel.witness import CrossModelVIF, KeyPair, Trust
from crossmodel.witness.checkpoint import Checkpoint, TlogProof
from crossmodel.witness.cosignature import (
    MAX_SECONDS,
    Cosignature,
    cosignature_line,
    cosigner_hash,
    find_cosignature,
)
from crossmodel.witness.cosigner import countersign
from crossmodel.witness.keys.pairs import FileSigner
from crossmodel.witness.keys.trust import Cosigner
from crossmodel.witness.log import MemoryLog, consistency_proof
from crossmodel.witness.note import Note, add_line, key_hash, sign_note, signature_line
from crossmodel.witness.statement import outcome_statement

PAIR = KeyPair.generate()
SIGNERS = [FileSigner.of(Ed25519PrivateKey.generate()) for _ in range(3)]
NAMES = ["alpha.example/w", "beta.example", "gamma"]
COSIGNERS = tuple(Cosigner(n, s.public) for n, s in zip(NAMES, SIGNERS, strict=True))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def grown(vif, records):
    """The log with more records, and its new checkpoint."""
    for _ in range(records):
        vif.append([outcome_statement(Outcome("r", "m", success=True))])
    signed = vif.sign_checkpoint()
    vif.log.add_checkpoint(signed)
    return signed.note


def new_log(records=5, keys=PAIR):
    vif = CrossModelVIF(keys=keys, log=MemoryLog())
    return vif, grown(vif, records)


def cosigned(vif, *who, moment=NOON):
    """Attach cosignatures to the log's latest checkpoint, as a store does."""
    latest = vif.log.latest_checkpoint()
    for number in who:
        name, signer = NAMES[number], SIGNERS[number]
        line = countersign(latest.note, vif.trust, name, signer, previous=None, moment=moment)
        vif.log.attach_signature(latest.size, line)
    return vif.log.latest_checkpoint().note


def asking(vif, needed, cosigners=COSIGNERS):
    return dataclasses.replace(vif.trust, cosigners=cosigners, cosignatures_needed=needed)


def refused_at(report):
    assert report.verdict == "invalid"
    return report.steps[-1].number


# the cosigner's part


def test_a_cosignature_is_what_the_specification_says():
    vif, note = new_log()
    line = countersign(note, vif.trust, "alpha.example/w", SIGNERS[0], previous=None, moment=NOON)
    assert line.startswith("\N{EM DASH} alpha.example/w ")
    assert "\n" not in line
    raw = base64.b64decode(line.split(" ")[2])
    seconds = int(NOON.timestamp())
    assert raw[4:12] == seconds.to_bytes(8, "big")
    text = Note.parse(note).text
    message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
    assert SIGNERS[0].public.verifies(raw[12:], message)
    both = Note.parse(add_line(note, line))
    assert find_cosignature(both, COSIGNERS[0]) == Cosignature("alpha.example/w", seconds)
    assert find_cosignature(both, COSIGNERS[1]) is None
    assert both.text == text


def test_a_growing_log_is_countersigned_step_by_step():
    vif, first = new_log(3)
    for more in (1, 4, 0, 9):
        before = vif.log.log_size()
        second = grown(vif, more)
        proof = consistency_proof(vif.log, before, before + more)
        line = countersign(second, vif.trust, NAMES[0], SIGNERS[0], previous=first, proof=proof)
        assert find_cosignature(Note.parse(add_line(second, line)), COSIGNERS[0])
        first = add_line(second, line)  # what it keeps may bear its own line


def head(vif, size, root):
    text = Checkpoint(vif.origin, size, root).to_text()
    return sign_note(text, vif.origin, [PAIR.rsa, PAIR.ed25519])


def test_nothing_is_countersigned_that_does_not_extend_what_was_seen():
    vif, first = new_log(5)
    second = grown(vif, 4)
    proof = consistency_proof(vif.log, 5, 9)
    fork, fork_note = new_log(9)  # by the same keys
    foreign, foreign_note = new_log(9, KeyPair.generate())
    elsewhere = CrossModelVIF(keys=PAIR, origin="elsewhere.example/log", log=MemoryLog())
    elsewhere_note = grown(elsewhere, 9)
    same_size = head(vif, 5, b"\1" * 32)

    def refuses(note, previous, proof, reason):
        with pytest.raises(VerificationError, match=reason):
            countersign(note, vif.trust, NAMES[0], SIGNERS[0], previous=previous, proof=proof)

    assert countersign(second, vif.trust, NAMES[0], SIGNERS[0], previous=first, proof=proof)
    refuses(first, second, proof, "rolled back")
    refuses(second, first, (), "not shown to extend")
    refuses(second, first, proof[:-1], "not shown to extend")
    refuses(second, first, [*proof, proof[0]], "not shown to extend")
    refuses(second, first, ["no bytes"], "not shown to extend")
    refuses(fork_note, first, consistency_proof(fork.log, 5, 9), "not shown to extend")
    refuses(same_size, first, (), "not shown to extend")
    refuses(foreign_note, None, (), "no valid signature")
    refuses(foreign_note, first, consistency_proof(foreign.log, 5, 9), "no valid signature")
    refuses(second, foreign_note, (), "no valid signature")
    refuses(elsewhere_note, None, (), "it is of the log")
    refuses("", None, (), "a note is a text")
    refuses("\ud800", None, (), "UTF-8")


def test_only_a_cosigners_key_and_name_cosign():
    vif, note = new_log()
    with pytest.raises(WitnessError, match="Ed25519"):
        countersign(note, vif.trust, "w", KeyPair.generate().rsa, previous=None)
    with pytest.raises(WitnessError, match="own key"):
        countersign(note, vif.trust, "w", PAIR.ed25519, previous=None)
    for name in ("", "a b", "a+b", "a\nb", "\ud800"):
        with pytest.raises(WitnessError, match="key name"):
            countersign(note, vif.trust, name, SIGNERS[0], previous=None)
    for seconds in (-1, MAX_SECONDS + 1):
        with pytest.raises(WitnessError, match="time"):
            cosignature_line("text\n", "w", SIGNERS[0], seconds)


# what verifiers make of it


def test_enough_cosignatures_are_as_good_as_a_pin():
    vif, _ = new_log()
    cosigned(vif, 0, 2)
    for needed, verdict in ((0, "valid, completeness not checked"), (1, "valid"), (2, "valid")):
        trust = asking(vif, needed)
        evidence = vif.verify_witness(vif.generate_witness(3), trust)
        assert evidence.verdict == verdict
        assert evidence.steps[-1].number == 18
        assert "alpha.example/w at 2026-03-01T12:00:00+00:00" in evidence.steps[-1].detail
        assert vif.verify_log(trust=trust).verdict == verdict
    # nobody who is asked for: as it always was
    assert vif.verify_log().verdict == "valid, completeness not checked"


def test_too_few_cosignatures_are_a_refusal():
    vif, _ = new_log()
    cosigned(vif, 0, 2)
    trust = asking(vif, 3)
    assert refused_at(vif.verify_witness(vif.generate_witness(3), trust)) == 18
    assert refused_at(vif.verify_log(trust=trust)) == 18
    # a pin does not make up for what the trust file asks for
    pin = vif.log.latest_checkpoint().note
    assert refused_at(vif.verify_witness(vif.generate_witness(3), trust, against=pin)) == 18
    assert refused_at(vif.verify_log(trust=trust, against=pin)) == 18
    # nor do strangers, or one cosigner who signs twice
    strangers = asking(vif, 2, (COSIGNERS[0], COSIGNERS[1]))
    assert refused_at(vif.verify_log(trust=strangers)) == 18
    cosigned(vif, 0, moment=datetime(2027, 1, 1, tzinfo=UTC))
    assert refused_at(vif.verify_log(trust=strangers)) == 18
    assert refused_at(vif.verify_log(trust=trust)) == 18


def forged_lines(vif):
    """Lines in the name of the first cosigner that it never made."""
    text = Note.parse(vif.log.latest_checkpoint().note).text
    hint = cosigner_hash(NAMES[0], SIGNERS[0].public)
    good = base64.b64decode(
        cosignature_line(text, NAMES[0], SIGNERS[0], 7).split(" ")[2], validate=False
    )[4:]
    later = (8).to_bytes(8, "big") + good[8:]
    too_late = (2**63).to_bytes(8, "big")
    too_late += SIGNERS[0].sign(f"cosignature/v1\ntime {2**63}\n{text}".encode())
    bare = SIGNERS[0].sign(text.encode())
    other_text = cosignature_line(text.replace("\n5\n", "\n6\n"), NAMES[0], SIGNERS[0], 7)
    return {
        "another key's": signature_line(
            NAMES[0], hint, (7).to_bytes(8, "big") + SIGNERS[1].sign(text.encode())
        ),
        "another time": signature_line(NAMES[0], hint, later),
        "no calendar reaches it": signature_line(NAMES[0], hint, too_late),
        "an author's signature, with a time": signature_line(NAMES[0], hint, good[:8] + bare),
        "an author's signature": signature_line(NAMES[0], hint, bare),
        "another checkpoint's": other_text,
        "cut": signature_line(NAMES[0], hint, good[:-1]),
        "longer": signature_line(NAMES[0], hint, good + b"\0"),
        "no more than a time": signature_line(NAMES[0], hint, good[:8]),
        "one byte": signature_line(NAMES[0], hint, b"\0"),
    }


@pytest.mark.parametrize("kind", list(forged_lines(new_log()[0])))
@pytest.mark.parametrize("needed", [0, 1])
def test_a_line_that_pretends_to_be_a_cosigners_is_a_refusal(kind, needed):
    vif, note = new_log()
    honest = cosigned(vif, 0) if needed else note
    forged = add_line(honest, forged_lines(vif)[kind])
    evidence = json.loads(vif.generate_witness(3))
    proof = dataclasses.replace(TlogProof.parse(evidence["proof"]), note=forged)
    changed = json.dumps(evidence | {"proof": proof.to_text()}).encode()
    assert refused_at(vif.verify_witness(changed, asking(vif, needed))) == 18
    vif.log.attach_signature(5, forged_lines(vif)[kind])
    assert refused_at(vif.verify_log(trust=asking(vif, needed))) == 18
    # to whom trusts no cosigner, the line means nothing
    assert vif.verify_witness(changed).is_valid


def test_a_cosigners_signature_as_an_author_is_no_cosignature():
    vif, note = new_log()
    # a signed note's own type of line, under the same key and name
    author = signature_line(
        NAMES[0],
        key_hash(NAMES[0], SIGNERS[0].public),
        SIGNERS[0].sign(Note.parse(note).text.encode()),
    )
    vif.log.attach_signature(5, author)
    assert refused_at(vif.verify_log(trust=asking(vif, 1))) == 18


def test_a_cosignature_is_for_one_head_of_one_log():
    vif, _ = new_log()
    cosigned(vif, 0)
    line = vif.log.latest_checkpoint().note.splitlines()[-1]
    other = CrossModelVIF(keys=PAIR, origin="elsewhere.example/log", log=MemoryLog())
    for target in (other, new_log(6)[0]):
        if target is other:
            grown(other, 5)
        target.log.attach_signature(target.log.log_size(), line)
        assert refused_at(target.verify_log(trust=asking(target, 1))) == 18


def test_cosignatures_do_not_replace_the_logs_own_checks():
    vif, _ = new_log()
    old = vif.generate_witness(3)
    cosigned(vif, 0, 1, 2)
    trust = asking(vif, 1)
    fork, fork_note = new_log(5)
    assert refused_at(vif.verify_witness(vif.generate_witness(3), trust, against=fork_note)) == 9
    assert refused_at(vif.verify_log(trust=trust, against=fork_note)) == 17
    newer = grown(vif, 2)
    assert refused_at(vif.verify_witness(old, trust, against=newer)) == 9
    foreign, _ = new_log(5, KeyPair.generate())
    text = foreign.log.latest_checkpoint().note
    line = cosignature_line(Note.parse(text).text, NAMES[0], SIGNERS[0], 1)
    foreign.log.attach_signature(5, line)
    assert refused_at(foreign.verify_log(trust=trust)) == 15
    assert fork.origin == vif.origin


def test_no_flip_of_a_bit_of_a_cosignature_counts():
    vif, note = new_log()
    line = countersign(note, vif.trust, NAMES[0], SIGNERS[0], previous=None, moment=NOON)
    start, encoded = line.rsplit(" ", 1)
    raw = base64.b64decode(encoded)
    for position in range(len(raw)):
        for bit in range(8):
            flipped = bytearray(raw)
            flipped[position] ^= 1 << bit
            changed = f"{start} {base64.b64encode(flipped).decode()}"
            try:
                found = find_cosignature(Note.parse(add_line(note, changed)), COSIGNERS[0])
            except VerificationError:
                continue
            assert found is None  # another key's hint: nobody's line


# the trust file


def rows(trust):
    return json.loads(trust.to_json())


def test_a_trust_file_keeps_its_cosigners_and_stays_as_it_was_without_them():
    vif, _ = new_log()
    assert set(rows(vif.trust)) == {"origin", "keys"}
    assert Trust.from_json(vif.trust_file()) == vif.trust
    trust = asking(vif, 2)
    assert Trust.from_json(trust.to_json()) == trust
    assert set(rows(trust)["cosigners"][0]) == {"name", "spki", "key_id"}
    unasked = asking(vif, 0)
    assert Trust.from_json(unasked.to_json()).cosignatures_needed == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r | {"cosignatures_needed": 4},
        lambda r: r | {"cosignatures_needed": -1},
        lambda r: r | {"cosignatures_needed": True},
        lambda r: r | {"cosignatures_needed": 1.0},
        lambda r: r | {"cosignatures_needed": "1"},
        lambda r: r | {"cosignatures_needed": None},
        lambda r: {k: v for k, v in r.items() if k != "cosigners"},
        lambda r: r | {"cosigners": {}},
        lambda r: r | {"cosigners": None},
        lambda r: r | {"cosigners": ["x"]},
        lambda r: r | {"cosigners": [r["cosigners"][0]] * 2},
        lambda r: r | {"cosigners": [r["cosigners"][0], r["cosigners"][0] | {"name": "again"}]},
        lambda r: r | {"cosigners": [r["cosigners"][0] | {"extra": 1}]},
        lambda r: r | {"cosigners": [r["cosigners"][0] | {"name": "a b"}]},
        lambda r: r | {"cosigners": [r["cosigners"][0] | {"name": ""}]},
        lambda r: r | {"cosigners": [r["cosigners"][0] | {"name": 7}]},
        lambda r: r | {"cosigners": [r["cosigners"][0] | {"spki": 7}]},
        lambda r: r | {"cosigners": [r["cosigners"][0] | {"spki": "AAAA"}]},
        lambda r: r | {"cosigners": [r["cosigners"][0] | {"key_id": r["cosigners"][1]["key_id"]}]},
        lambda r: r | {"cosigners": [r["cosigners"][0] | {"key_id": 7}]},
        lambda r: (
            r
            | {
                "cosigners": [{"name": "rsa"} | {k: r["keys"][0][k] for k in ("spki", "key_id")}],
                "cosignatures_needed": 1,
            }
        ),
        lambda r: (
            r
            | {
                "cosigners": [{"name": "own"} | {k: r["keys"][1][k] for k in ("spki", "key_id")}],
                "cosignatures_needed": 1,
            }
        ),
        lambda r: r | {"timestamp_authorities": {}},
        lambda r: r | {"timestamp_authorities": [{"name": "t", "certificates": []}]},
        lambda r: r | {"timestamp_authorities": [{"name": "t", "certificates": "AA=="}]},
        lambda r: r | {"timestamp_authorities": [{"name": "t", "certificates": [7]}]},
        lambda r: r | {"timestamp_authorities": [{"name": "t t", "certificates": ["AA=="]}]},
        lambda r: r | {"timestamp_authorities": [{"name": "t"}]},
        lambda r: r | {"else": 1},
    ],
)
def test_trust_files_with_anything_else_are_refused(change):
    vif, _ = new_log()
    with pytest.raises(VerificationError):
        Trust.from_json(json.dumps(change(rows(asking(vif, 1)))).encode())


# notes


def test_a_line_is_added_once_and_only_a_line():
    vif, note = new_log()
    line = countersign(note, vif.trust, NAMES[0], SIGNERS[0], previous=None, moment=NOON)
    once = add_line(note, line)
    assert once == f"{note}{line}\n"
    assert add_line(once, line) == once
    assert add_line(note, line + "\n") == once
    for bad in ("", "\n", "x", line + line, line.replace(" ", "  "), "\ud800", line + "\nx"):
        with pytest.raises(VerificationError):
            add_line(note, bad)
    with pytest.raises(VerificationError):
        add_line("no note", line)
    lines = [signature_line("n", bytes(4), bytes([number])) for number in range(98)]
    full = "\n".join([note[:-1], *lines, ""])
    with pytest.raises(VerificationError, match="at most"):
        add_line(full, line)


def test_random_bytes_in_a_cosigners_line_never_crash():
    _, note = new_log()
    hint = cosigner_hash(NAMES[0], SIGNERS[0].public)
    source = random.Random(3)
    for _ in range(300):
        line = signature_line(NAMES[0], hint, source.randbytes(source.randint(1, 90)))
        with pytest.raises(VerificationError):
            find_cosignature(Note.parse(add_line(note, line)), COSIGNERS[0])


async def test_a_store_keeps_cosignatures_with_its_checkpoints(tmp_path):
    from crossmodel.store import open_store

    vif = CrossModelVIF(keys=PAIR)
    url = f"sqlite:///{tmp_path / 'state.db'}"
    store = await open_store(url)
    said = [outcome_statement(Outcome(f"r{number}", "m", success=True)) for number in range(5)]
    await store.transact(lambda tx: vif.append(said, tx))
    signed = await store.read(vif.sign_checkpoint)
    await store.transact(lambda tx: tx.add_checkpoint(signed))
    line = countersign(signed.note, vif.trust, NAMES[0], SIGNERS[0], previous=None)
    await store.transact(lambda tx: tx.attach_signature(5, line))
    await store.transact(lambda tx: tx.attach_signature(5, line))
    await store.close()
    store = await open_store(url)
    trust = asking(vif, 1)
    report = await store.read(lambda tx: vif.verify_log(tx, trust))
    assert report.verdict == "valid"
    evidence = await store.read(lambda tx: vif.generate_witness(2, tx))
    assert vif.verify_witness(evidence, trust).verdict == "valid"
    # a log that is signed from elsewhere goes on from its cosigned checkpoint
    await store.transact(lambda tx: vif.append(said[:1], tx))
    newer = await store.read(vif.sign_checkpoint)
    await store.transact(lambda tx: tx.add_checkpoint(newer))
    report = await store.read(lambda tx: vif.verify_log(tx, trust))
    assert refused_at(report) == 18  # until it is cosigned too
    proof = await store.read(lambda tx: consistency_proof(tx, 5, 6))
    line = countersign(
        newer.note, vif.trust, NAMES[0], SIGNERS[0], previous=signed.note, proof=proof
    )
    await store.transact(lambda tx: tx.attach_signature(6, line))
    assert (await store.read(lambda tx: vif.verify_log(tx, trust))).verdict == "valid"
    await store.close()
