"""Rotated keys: who is believed for which heads, what verifiers accept, what a crash leaves."""

import base64
import dataclasses
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crossmodel.domain.config import CrossModelVIFConfig, WitnessGenerationConfig
from crossmodel.domain.period import utc_now
from crossmodel.domain.selection import Outcome
from crossmodel.domain.witness import SignedCheckpoint, Statement
from crossmodel.errors import NotFoundError, VerificationError, WitnessError
from crossmodel.store import open_store
from crossmodel.witness import (
    CrossModelVIF,
    FolderKeyring,
    KeyPair,
    Ledger,
    Trust,
    accept_rotation,
    rotate_keys,
    settle_keys,
)
from crossmodel.witness.checkpoint import Checkpoint, TlogProof
from crossmodel.witness.export import ExportedLog, verify_export
from crossmodel.witness.keys import keyring
from crossmodel.witness.keys.keyring import NEXT
from crossmodel.witness.keys.pairs import RSA_2048, FileSigner, PublicKey
from crossmodel.witness.keys.trust import Cosigner, TrustedKey
from crossmodel.witness.log import MemoryLog, root_at
from crossmodel.witness.note import Note, sign_note
from crossmodel.witness.rotation import Rotation
from crossmodel.witness.statement import log_time, outcome_statement, pae, rotation_statement

PAIRS = [KeyPair.generate() for _ in range(3)]
STRANGER = KeyPair.generate()
ORIGIN = "crossmodel.local/log"
ROTATION_STEP = 26
SIGNATURE_STEP = 25
HEAD_STEP = 15
ED25519 = CrossModelVIFConfig(
    witness_generation=WitnessGenerationConfig(cryptographic_algorithm="Ed25519")
)


class Held:
    """Keys in memory that somebody else rotates."""

    def __init__(self, *pairs):
        self.pairs = list(pairs)

    def current(self):
        return self.pairs[0]

    def upcoming(self):
        return self.pairs[1] if len(self.pairs) > 1 else None


def outcome(name="r"):
    return outcome_statement(Outcome(name, "m", success=True))


def publics(pair):
    return [signer.public for signer in pair.signers(RSA_2048)]


def sign(vif):
    vif.log.add_checkpoint(vif.sign_checkpoint())


def hand_over(vif, pair):
    """What ``rotate_keys`` does, for a log in memory."""
    vif.keyring.pairs.append(pair)
    leaf = vif.append_rotation(pair)
    vif.log.add_checkpoint(vif.sign_handover(leaf))
    del vif.keyring.pairs[0]
    return leaf


def rotated(*, rotations=1, config=None, each=3):
    """A log of ``each`` records, a rotation, ``each`` records, and so on."""
    vif = CrossModelVIF(config, keys=Held(PAIRS[0]), log=MemoryLog())
    leaves = []
    for pair in PAIRS[1 : rotations + 1]:
        vif.append([outcome(f"r{n}") for n in range(each)])
        sign(vif)
        leaves.append(hand_over(vif, pair))
    vif.append([outcome(f"r{n}") for n in range(each)])
    sign(vif)
    return vif, leaves


def sign_anyway(vif, pair):
    """What only whoever has the keys, and means no good, does."""
    size, root = vif.log.log_size(), root_at(vif.log, vif.log.log_size())
    note = sign_note(Checkpoint(ORIGIN, size, root).to_text(), ORIGIN, pair.signers(RSA_2048))
    vif.log.add_checkpoint(SignedCheckpoint(size, root, note))


def refused_at(report):
    assert report.verdict == "invalid"
    return report.steps[-1].number


def old_trust():
    return Trust.of(ORIGIN, publics(PAIRS[0]))


# whose heads and records are believed


@pytest.mark.parametrize("config", [None, ED25519])
def test_all_generations_are_trusted_for_their_sizes_and_verify(config):
    vif, [first, second] = rotated(rotations=2, config=config)
    algorithm = vif.config.witness_generation.cryptographic_algorithm
    ranges = [(0, first + 1), (first + 1, second + 1), (second + 1, None)]
    assert vif.trust_of() == Trust(
        ORIGIN,
        tuple(
            TrustedKey(signer.public, *sizes)
            for pair, sizes in zip(PAIRS, ranges, strict=True)
            for signer in pair.signers(algorithm)
        ),
    )
    report = vif.verify_log()
    assert report.is_valid
    assert [step.number for step in report.steps][-1] == ROTATION_STEP
    for index in range(vif.log.log_size()):  # the rotations' own signatures too
        evidence = vif.generate_witness(index)
        assert vif.verify_witness(evidence).is_valid
        assert ("signatures" in json.loads(evidence)) == (index in {first, second})
    assert Trust.from_json(vif.trust_file()) == vif.trust


def test_the_handover_head_is_signed_by_both_and_the_others_by_one_generation():
    vif, [leaf] = rotated()
    for head in vif.log.checkpoints():
        note = Note.parse(head.note)
        signed = [[note.is_signed_by(ORIGIN, key) for key in publics(pair)] for pair in PAIRS[:2]]
        assert signed == [[head.size <= leaf + 1] * 2, [head.size > leaf] * 2]


def test_old_keys_are_not_believed_after_the_handover_nor_new_ones_before():
    vif, [leaf] = rotated()
    text = Note.parse(vif.log.latest_checkpoint().note).text
    proof = TlogProof.parse(json.loads(vif.generate_witness(0))["proof"])
    for pair in (PAIRS[0], STRANGER):
        forged = sign_note(text, ORIGIN, [pair.rsa, pair.ed25519])
        data = json.loads(vif.generate_witness(0))
        data["proof"] = dataclasses.replace(proof, note=forged).to_text()
        assert refused_at(vif.verify_witness(json.dumps(data).encode())) == 6
    before = next(iter(vif.log.checkpoints(leaf)))
    resigned = sign_note(Note.parse(before.note).text, ORIGIN, PAIRS[1].signers(RSA_2048))
    vif.log._checkpoints[leaf] = dataclasses.replace(before, note=resigned)
    with pytest.raises(WitnessError, match="covers record 0"):
        vif.generate_witness(0, size=leaf + 20)
    early = vif.generate_witness(0, size=leaf)
    assert refused_at(vif.verify_witness(early)) == 6


def test_a_log_that_is_verified_by_the_old_trust_alone_is_refused():
    vif, _ = rotated()
    assert refused_at(vif.verify_log(trust=old_trust())) == HEAD_STEP


def test_a_rotation_needs_every_signature_and_its_head():
    for spoil in (
        lambda log, leaf: log._signatures[leaf].pop(PAIRS[0].rsa.public.key_id),
        lambda log, leaf: log._signatures[leaf].pop(PAIRS[1].ed25519.public.key_id),
        lambda log, leaf: log._signatures[leaf].clear(),
        lambda log, leaf: log._signatures[leaf].update({PAIRS[0].rsa.public.key_id: b"\0" * 256}),
        lambda log, leaf: log._signatures[leaf].update({PAIRS[0].rsa.public.key_id: "text"}),
        lambda log, leaf: log._checkpoints.pop(leaf + 1),
    ):
        vif, [leaf] = rotated()
        trust = vif.trust_of()
        spoil(vif.log, leaf)
        assert refused_at(vif.verify_log(trust=trust)) == ROTATION_STEP


def test_a_rotation_that_is_written_otherwise_is_one_too():
    vif, [leaf] = rotated()
    [row] = vif.log.leaves(leaf, leaf + 1)
    document = json.loads(row.statement)
    document["predicate"]["logged_at"] = log_time(utc_now())
    size = document["predicate"]["from_size"] = vif.log.log_size() + 1
    vif.append([Statement(row.payload_type, json.dumps(document, indent=1).encode(), ())])
    assert vif.log.log_size() == size
    sign_anyway(vif, PAIRS[1])
    assert refused_at(vif.verify_log()) == ROTATION_STEP


def test_a_store_that_was_edited_brings_in_no_key():
    """Whatever rows there are: no key is believed that ours have not named and signed."""
    vif, [leaf] = rotated()
    honest = vif.trust_of()
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for old, new, signers in (
        (STRANGER, PAIRS[1], STRANGER.signers(RSA_2048)),  # a predecessor of ours
        (PAIRS[1], STRANGER, STRANGER.signers(RSA_2048)),  # a successor
        (STRANGER, PAIRS[2], [*STRANGER.signers(RSA_2048), *PAIRS[2].signers(RSA_2048)]),
    ):
        forged = CrossModelVIF(keys=Held(PAIRS[1]), log=vif.log)
        size = vif.log.log_size()
        rows = [[key.to_row() for key in publics(pair)] for pair in (old, new)]
        [index] = forged.append([rotation_statement(size + 1, *rows, moment=moment)])
        [row] = vif.log.leaves(index, index + 1)
        message = pae(row.payload_type, row.statement)
        vif.log.put_signatures(index, {s.public.key_id: s.sign(message) for s in signers})
        assert forged.trust_of() == honest
        assert refused_at(forged.verify_log()) == ROTATION_STEP
        with pytest.raises(WitnessError):  # and nothing more is signed over it
            forged.sign_checkpoint()
        del vif.log._leaves[index:]
    assert leaf == 3


def test_hostile_signatures_and_ids_in_the_store_touch_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vif, [leaf] = rotated()
    kept = vif.log._signatures[leaf]
    for name in ("../../escaped", "/abs/olute", "nul\0", "lone \ud800"):
        vif.log._signatures[leaf] = kept | {name: b"x"}
        assert vif.verify_log().is_valid  # a row of nobody's is nobody's business
        assert refused_at(vif.verify_witness(vif.rotation_evidence(leaf))) in {1, SIGNATURE_STEP}
        with pytest.raises(VerificationError):
            Trust.from_json(
                vif.trust_file().replace(vif.trust.keys[0].key.key_id.encode(), b"../x")
            )
    assert list(tmp_path.iterdir()) == []


def test_keys_are_signed_for_in_their_turn_only():
    vif, [leaf] = rotated()
    with pytest.raises(WitnessError, match="older is signed no more"):
        vif._keys.signers_at(vif.log, leaf)
    stale = CrossModelVIF(keys=PAIRS[0], log=vif.log)
    with pytest.raises(WitnessError, match="newest keys"):
        stale.sign_checkpoint()
    with pytest.raises(WitnessError, match="newest keys"):
        stale.append_rotation(STRANGER)
    with pytest.raises(NotFoundError, match="no key rotation"):
        vif.rotation_evidence(0)


def test_the_handover_head_is_signed_once_and_may_come_late():
    vif = CrossModelVIF(keys=Held(PAIRS[0], PAIRS[1]), log=MemoryLog())
    vif.append([outcome()])
    leaf = vif.append_rotation(PAIRS[1])
    assert vif.trust_of().keys[-1].from_size == leaf + 1  # believed while it is under way
    vif.append([outcome("meanwhile")])
    sign(vif)  # by the new keys, before the handover head is kept
    vif.log.add_checkpoint(vif.sign_handover(leaf))
    assert vif.verify_log().is_valid
    vif.keyring.pairs = [PAIRS[1]]  # the old ones are gone: the head that is kept is the head
    kept = next(iter(vif.log.checkpoints(leaf + 1)))
    assert vif.sign_handover(leaf) == kept


def test_an_edited_log_is_not_handed_over():
    vif, _ = rotated()
    vif.log._leaves[0] = dataclasses.replace(vif.log._leaves[0], leaf_hash=bytes(32))
    vif.keyring.pairs.append(PAIRS[2])
    with pytest.raises(WitnessError, match="does not extend"):
        vif.append_rotation(PAIRS[2])


# what a verifier with the old trust accepts


def test_the_old_trust_accepts_rotations_one_after_the_other():
    vif, [first, second] = rotated(rotations=2)
    trust = old_trust()
    for leaf in (first, second):
        trust = accept_rotation(vif.rotation_evidence(leaf), trust)
    assert trust == vif.trust_of()
    assert vif.verify_log(trust=trust).is_valid


def test_outsiders_are_trusted_as_before_and_none_of_them_becomes_the_log():
    vif, [leaf] = rotated()
    watcher = Cosigner("watcher.example", STRANGER.ed25519.public)
    watched = dataclasses.replace(old_trust(), cosigners=(watcher,), cosignatures_needed=1)
    trust = accept_rotation(vif.rotation_evidence(leaf), watched)
    assert (trust.cosigners, trust.cosignatures_needed) == ((watcher,), 1)
    assert Trust.from_json(trust.to_json()) == trust
    taken = Cosigner("watcher.example", PAIRS[1].ed25519.public)
    with pytest.raises(VerificationError, match="key of a trusted cosigner"):
        accept_rotation(
            vif.rotation_evidence(leaf), dataclasses.replace(old_trust(), cosigners=(taken,))
        )


def test_replays_and_leaps_are_refused():
    vif, [first, second] = rotated(rotations=2)
    files = [vif.rotation_evidence(leaf) for leaf in (first, second)]
    once = accept_rotation(files[0], old_trust())
    twice = accept_rotation(files[1], once)
    for trust in (once, twice):
        with pytest.raises(VerificationError, match="accepted already"):
            accept_rotation(files[0], trust)
    with pytest.raises(VerificationError, match="earlier rotations first"):
        accept_rotation(files[1], old_trust())
    # a rotation back to keys that were retired
    back = forged_evidence(PAIRS[2], PAIRS[0], size=twice.keys[-1].from_size + 4)
    with pytest.raises(VerificationError, match="accepted already"):
        accept_rotation(back, twice)
    mixed = forged_evidence(PAIRS[2], KeyPair(STRANGER.rsa, PAIRS[0].ed25519), size=12)
    with pytest.raises(VerificationError, match="believed before"):
        accept_rotation(mixed, twice)


def forged_evidence(old, new, *, size=4, record=None, head=None, said=None, extra=1):
    """Evidence of a rotation in a log of whoever has the keys; each part may be another's."""
    vif = CrossModelVIF(keys=PAIRS[0], log=MemoryLog())
    vif.append([outcome(f"r{n}") for n in range(size - 1)])
    rows = [[key.to_row() for key in publics(pair)] for pair in (old, new)]
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    [index] = vif.append([rotation_statement(size if said is None else said, *rows, moment=moment)])
    vif.append([outcome(f"s{n}") for n in range(extra)])
    both = [*old.signers(RSA_2048), *new.signers(RSA_2048)]
    [leaf] = vif.log.leaves(index, index + 1)
    message = pae(leaf.payload_type, leaf.statement)
    signers = both if record is None else record
    vif.log._signatures[index] = {s.public.key_id: s.sign(message) for s in signers}
    at = index + 1
    root = root_at(vif.log, at)
    note = sign_note(Checkpoint(ORIGIN, at, root).to_text(), ORIGIN, both if head is None else head)
    vif.log._checkpoints[at] = SignedCheckpoint(at, root, note)
    return vif.generate_witness(index, size=at)


def test_each_missing_signature_is_noticed():
    old, new = PAIRS[:2]
    all_four = [old.rsa, old.ed25519, new.rsa, new.ed25519]
    assert accept_rotation(forged_evidence(old, new), old_trust()).keys[-1].from_size == 4
    for missing in all_four:
        rest = [signer for signer in all_four if signer is not missing]
        with pytest.raises(VerificationError, match="record 3 is not signed by"):
            accept_rotation(forged_evidence(old, new, record=rest), old_trust())
        with pytest.raises(VerificationError, match="handover head is not signed by"):
            accept_rotation(forged_evidence(old, new, head=rest), old_trust())


@pytest.mark.parametrize("said", [3, 5, 0, 10**6])
def test_a_wrong_range_is_refused(said):
    evidence = forged_evidence(PAIRS[0], PAIRS[1], said=said)
    with pytest.raises(VerificationError, match="must be from size 4 on"):
        accept_rotation(evidence, old_trust())


def test_a_head_after_the_handover_is_refused():
    vif, [leaf] = rotated()
    with pytest.raises(VerificationError, match="under the head of 4 records"):
        accept_rotation(vif.generate_witness(leaf), old_trust())


def test_a_rotation_that_the_old_keys_did_not_sign_is_refused():
    # the stranger names our keys as the old ones, and signs in their stead
    signers = [STRANGER.rsa, STRANGER.ed25519, PAIRS[1].rsa, PAIRS[1].ed25519]
    evidence = forged_evidence(PAIRS[0], PAIRS[1], record=signers, head=signers)
    with pytest.raises(VerificationError, match="not signed by"):
        accept_rotation(evidence, old_trust())
    # or names its own
    with pytest.raises(VerificationError, match="not from the keys that are trusted"):
        accept_rotation(forged_evidence(STRANGER, PAIRS[1]), old_trust())
    # one of two keys is not enough
    half = KeyPair(PAIRS[0].rsa, STRANGER.ed25519)
    with pytest.raises(VerificationError, match="not from the keys that are trusted"):
        accept_rotation(forged_evidence(half, PAIRS[1]), old_trust())


def test_a_substituted_new_key_is_refused():
    evidence = json.loads(forged_evidence(PAIRS[0], PAIRS[1]))
    body = base64.b64decode(evidence["statement"])
    for mine, theirs in zip(publics(PAIRS[1]), publics(STRANGER), strict=True):
        swapped = body
        for name in ("spki", "key_id"):
            swapped = swapped.replace(mine.to_row()[name].encode(), theirs.to_row()[name].encode())
        forged = evidence | {"statement": base64.b64encode(swapped).decode()}
        with pytest.raises(VerificationError, match="not signed by"):
            accept_rotation(json.dumps(forged).encode(), old_trust())
        # under the id of the honest key
        swapped = body.replace(mine.to_row()["spki"].encode(), theirs.to_row()["spki"].encode())
        forged = evidence | {"statement": base64.b64encode(swapped).decode()}
        with pytest.raises(VerificationError, match="key_id"):
            accept_rotation(json.dumps(forged).encode(), old_trust())


def test_a_new_key_outside_of_the_policy_is_refused():
    """The old keys sign for it, so only the policy is in its way."""
    weak = rsa.generate_private_key(3, 2048)
    spki = weak.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public = PublicKey(RSA_2048, spki, weak.public_key())
    evidence = forged_evidence(PAIRS[0], KeyPair(FileSigner(public, weak), PAIRS[1].ed25519))
    with pytest.raises(VerificationError, match="exponent 65537"):
        accept_rotation(evidence, old_trust())


def test_evidence_of_another_log_or_of_something_else_is_refused():
    vif, [leaf] = rotated()
    evidence = vif.rotation_evidence(leaf)
    elsewhere = dataclasses.replace(old_trust(), origin="elsewhere")
    with pytest.raises(VerificationError, match="of the log"):
        accept_rotation(evidence, elsewhere)
    with pytest.raises(VerificationError, match="no key rotation"):
        accept_rotation(vif.generate_witness(0), old_trust())
    proof = TlogProof.parse(json.loads(evidence)["proof"])
    moved = json.loads(evidence) | {
        "proof": dataclasses.replace(proof, path=(bytes(32), *proof.path[1:])).to_text()
    }
    with pytest.raises(VerificationError, match="does not lead"):
        accept_rotation(json.dumps(moved).encode(), old_trust())


@pytest.mark.parametrize(
    "change",
    [{"old": []}, {"new": []}, {"new": "x"}, {"new": [3]}, {"from_size": True}, {"from_size": None},
     {"new": [{"algorithm": RSA_2048, "spki": 3, "key_id": "x"}]}],
)  # fmt: skip
def test_records_of_another_form_are_refused(change):
    rows = [[key.to_row() for key in publics(pair)] for pair in PAIRS[:2]]
    made = rotation_statement(1, *rows, moment=datetime(2026, 1, 1, tzinfo=UTC))
    statement = made.seal(datetime(2026, 1, 1, tzinfo=UTC))
    document = json.loads(statement.body)
    document["predicate"] |= change
    body = json.dumps(document).encode()
    message = pae(statement.payload_type, body)
    signers = [s for pair in PAIRS[:2] for s in pair.signers(RSA_2048)]
    with pytest.raises(VerificationError):
        Rotation.of(0, statement.payload_type, body, [s.sign(message) for s in signers])
    twice = document | {"predicate": document["predicate"] | {"old": rows[0], "new": rows[0]}}
    with pytest.raises(VerificationError):
        Rotation.of(0, statement.payload_type, json.dumps(twice).encode(), [])


def test_no_flip_of_any_byte_of_the_evidence_is_accepted_as_something_else():
    vif, [leaf] = rotated(config=ED25519)
    evidence = vif.rotation_evidence(leaf)
    trust = Trust.of(ORIGIN, [PAIRS[0].ed25519.public])
    honest = accept_rotation(evidence, trust)
    accepted = 0
    for position in range(0, len(evidence), 3):
        flipped = bytearray(evidence)
        flipped[position] ^= 1
        try:
            assert accept_rotation(bytes(flipped), trust) == honest
            accepted += 1  # a hint or white space: what is believed afterwards is the same
        except VerificationError:
            pass
    assert accepted < len(evidence) / 20


# in a store, with crashes


@pytest.fixture
async def store(tmp_path):
    opened = await open_store(f"sqlite:///{tmp_path}/s.db")
    yield opened
    await opened.close()


def opened_ledger(store, folder, passphrase=None):
    return Ledger(CrossModelVIF(keys=FolderKeyring(folder / "k", passphrase=passphrase)), store)


async def record(ledger, count=2):
    await ledger.store.transact(lambda tx: ledger.vif.append([outcome()] * count, tx))
    await ledger.checkpoint(now=True)


def private_files(folder):
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix == ".pem"
    )


async def is_valid(ledger, records):
    report = await ledger.store.read(ledger.vif.verify_log)
    return report.is_valid and report.records == records and not report.details["unsigned"]


async def test_a_rotation_leaves_only_the_new_private_keys(store, tmp_path):
    ledger = opened_ledger(store, tmp_path, "correct horse")
    old = ledger.vif.keyring.current()
    await record(ledger)
    leaves = [await rotate_keys(store, ledger.vif) for _ in range(2)]
    await record(ledger)
    assert leaves == [2, 3]
    assert private_files(tmp_path / "k") == ["generation-3/ed25519.pem", "generation-3/rsa.pem"]
    assert await is_valid(ledger, 6)
    again = opened_ledger(store, tmp_path, "correct horse")
    await settle_keys(store, again.vif)
    assert again.vif.trust == ledger.vif.trust
    assert again.vif.trust.keys[0].key == old.rsa.public
    evidence = await store.read(lambda tx: again.vif.rotation_evidence(2, tx))
    accepted = accept_rotation(evidence, Trust.of(ORIGIN, publics(old)))
    assert accepted.keys == again.vif.trust.keys[:2] + tuple(
        dataclasses.replace(each, to_size=None) for each in again.vif.trust.keys[2:4]
    )


class Crash(BaseException):
    """The process ends here."""


POINTS = ("made", "recorded", "signed", "kept", "renamed", "halved")
HAPPENED = {"made": False, "recorded": True, "signed": True, "kept": True, "renamed": True,
            "halved": True}  # fmt: skip


def crash_at(point, end):
    """What to set to what, so that ``end`` is called at a point of a rotation."""

    def after(owner, name):
        original = getattr(owner, name)

        def patched(*arguments, **options):
            result = original(*arguments, **options)
            end()
            return result

        return owner, name, patched

    def before(owner, name, when=lambda *_: True):
        original = getattr(owner, name)

        def patched(*arguments, **options):
            if when(*arguments):
                end()
            return original(*arguments, **options)

        return owner, name, patched

    return {
        "made": lambda: after(keyring.FolderKeyring, "prepare"),
        "recorded": lambda: before(CrossModelVIF, "sign_handover"),
        "signed": lambda: after(CrossModelVIF, "sign_handover"),
        "kept": lambda: before(keyring.FolderKeyring, "promote"),
        "renamed": lambda: before(keyring.FolderKeyring, "tidy", in_use),
        "halved": lambda: after(keyring, "_overwrite"),
    }[point]()


@pytest.mark.parametrize("point", POINTS)
async def test_after_a_crash_at_any_point_a_rotation_is_completed_or_undone(
    store, tmp_path, monkeypatch, point
):
    ledger = opened_ledger(store, tmp_path)
    old = ledger.vif.keyring.current()
    await record(ledger)

    def end():
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(*crash_at(point, end))
        with pytest.raises(Crash):
            await rotate_keys(store, ledger.vif)
    await check_after_crash(store, tmp_path, old, has_happened=HAPPENED[point])


def in_use(ring):
    return (ring.folder / "generation-2").exists()


async def check_after_crash(store, tmp_path, old, *, has_happened):
    ledger = opened_ledger(store, tmp_path)
    await settle_keys(store, ledger.vif)
    keys = ledger.vif.keyring.current()
    assert (keys.rsa.public != old.rsa.public) == has_happened
    folder = "generation-2/" if has_happened else ""
    assert private_files(tmp_path / "k") == [f"{folder}ed25519.pem", f"{folder}rsa.pem"]
    assert not (tmp_path / "k" / NEXT).exists()
    assert ledger.vif.keyring.is_settled()
    await record(ledger)
    assert await is_valid(ledger, 5 if has_happened else 4)
    assert len(ledger.vif.trust.keys) == (4 if has_happened else 2)
    # and the next one goes through
    await rotate_keys(store, ledger.vif)
    assert await is_valid(ledger, 6 if has_happened else 5)


CHILD = """
import asyncio, os, pathlib, signal, sys
sys.path.insert(0, sys.argv[3])
import test_rotation as here
from crossmodel.witness import signing

async def main(folder, point):
    store = await here.open_store(f"sqlite:///{folder}/s.db")
    ledger = here.opened_ledger(store, folder)
    signing.CLAIM_SECONDS = 0.3  # how long the next process waits for the dead one
    setattr(*here.crash_at(point, lambda: os.kill(os.getpid(), signal.SIGKILL)))
    await here.rotate_keys(store, ledger.vif)

asyncio.run(main(pathlib.Path(sys.argv[1]), sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_any_point_a_rotation_is_completed_or_undone(store, tmp_path, point):
    ledger = opened_ledger(store, tmp_path)
    old = ledger.vif.keyring.current()
    await record(ledger)
    arguments = [sys.executable, "-c", CHILD, str(tmp_path), point, str(Path(__file__).parent)]
    child = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120)
    assert child.returncode == -signal.SIGKILL, child.stderr
    await check_after_crash(store, tmp_path, old, has_happened=HAPPENED[point])


async def test_another_process_reads_the_new_keys_before_it_signs(store, tmp_path):
    ours, theirs = opened_ledger(store, tmp_path), opened_ledger(store, tmp_path)
    await record(ours)
    await record(theirs)
    leaf = await rotate_keys(store, ours.vif)
    await record(theirs)
    head = Note.parse((await store.read(lambda tx: tx.latest_checkpoint())).note)
    new = ours.vif.keyring.current()
    assert all(head.is_signed_by(ORIGIN, key) for key in publics(new))
    assert len(head.signatures) == 2
    assert await is_valid(theirs, 7)
    assert theirs.vif.trust == ours.vif.trust
    # one that was given its keys, and no folder to read them from again, refuses
    stale = Ledger(CrossModelVIF(keys=PAIRS[0]), store)
    with pytest.raises(WitnessError, match=f"record {leaf} of the log rotates its keys"):
        await record(stale)
    with pytest.raises(WitnessError, match="not in a folder of ours"):
        await rotate_keys(store, stale.vif)


async def test_a_head_is_signed_while_a_rotation_is_under_way(store, tmp_path):
    ours, theirs = opened_ledger(store, tmp_path), opened_ledger(store, tmp_path)
    await record(ours)
    with ours.vif.keyring.locked() as is_ours:
        assert is_ours
        new = ours.vif.keyring.prepare()
        leaf = await store.transact(lambda tx: ours.vif.append_rotation(new, tx))
        await theirs.checkpoint(now=True)  # of exactly the handover's size: by both
        await record(theirs)  # and of a greater one: by the new keys
        with pytest.raises(WitnessError, match="try again later"):
            await rotate_keys(store, theirs.vif)
        await settle_keys(store, theirs.vif)  # waits for nobody
        assert (tmp_path / "k" / NEXT).exists()
    await settle_keys(store, theirs.vif)
    assert not (tmp_path / "k" / NEXT).exists()
    assert await is_valid(ours, 5)
    handover = await store.read(lambda tx: next(iter(tx.checkpoints(leaf + 1))))
    assert len(Note.parse(handover.note).signatures) == 4


async def test_two_processes_do_not_rotate_at_once_and_an_edited_log_stays(store, tmp_path):
    ledger = opened_ledger(store, tmp_path)
    await record(ledger)
    with ledger.vif.keyring.locked(), pytest.raises(WitnessError, match="another process"):
        await rotate_keys(store, ledger.vif)
    off = CrossModelVIF(
        CrossModelVIFConfig(witness_generation=WitnessGenerationConfig(False)),
        keys=ledger.vif.keyring,
    )
    with pytest.raises(WitnessError, match="switched off"):
        await rotate_keys(store, off)


async def test_a_rotation_that_cannot_be_completed_does_not_keep_the_log_from_opening(
    store, tmp_path, caplog
):
    ledger = opened_ledger(store, tmp_path)
    await record(ledger)
    ring = ledger.vif.keyring
    await store.transact(lambda tx: ledger.vif.append_rotation(ring.prepare(), tx))
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection, connection:
        connection.execute('UPDATE log_leaves SET leaf_hash = zeroblob(32) WHERE "index" = 0')
    await settle_keys(store, ledger.vif)
    assert "stays unfinished" in caplog.text
    assert (tmp_path / "k" / NEXT).exists()
    assert not (await store.read(ledger.vif.verify_log)).is_valid


async def test_keys_that_were_read_serve_while_their_folder_is_away(store, tmp_path):
    ledger = opened_ledger(store, tmp_path)
    (tmp_path / "k").rename(tmp_path / "away")
    await record(ledger)
    assert await is_valid(ledger, 2)
    with pytest.raises(WitnessError, match="cannot keep keys"):
        await rotate_keys(store, ledger.vif)


# a rotated log as an export


def exported(vif, path, change=lambda rows: rows):
    """The log as an export, its lines changed as somebody in between could."""
    lines = []
    vif.export(lines.append)
    path.write_bytes(b"".join(change(lines)))
    return verify_export(path, vif.trust_of())


def signatures_changed(change):
    """Changes the rows of the record's own signatures as a list; ``None`` for all other lines."""

    def perform(lines):
        start = next(n for n, line in enumerate(lines) if line.startswith(b'{"signature"'))
        rows = [json.loads(line) for line in lines if line.startswith(b'{"signature"')]
        kept = [line for line in lines if not line.startswith(b'{"signature"')]
        changed = [json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in change(rows)]
        return [*kept[:start], *changed, *kept[start:]]

    return perform


def swapped(rows):
    """Two signatures change places under their key ids."""
    rows[0]["signature"], rows[1]["signature"] = rows[1]["signature"], rows[0]["signature"]
    return rows


def other_record(rows):
    """Signatures by the right key, over another record."""
    pairs = {signer.public.key_id: signer for pair in PAIRS for signer in pair.signers(RSA_2048)}
    for row in rows[:1]:
        forged = pairs[row["keyid"]].sign(pae("text/plain", b"another"))
        row["signature"] = base64.b64encode(forged).decode()
    return rows


@pytest.mark.parametrize("config", [None, ED25519])
def test_an_export_carries_who_signed_each_rotation(tmp_path, config):
    vif, leaves = rotated(rotations=2, config=config)
    report = exported(vif, tmp_path / "log.jsonl")
    assert report.is_valid, report.steps[-1]
    said = {step.number: step.detail for step in report.steps}
    each = 2 if config else 4
    assert said[SIGNATURE_STEP] == f"{2 * each} signatures"
    assert said[ROTATION_STEP] == "2 rotations"
    log = ExportedLog(tmp_path / "log.jsonl")
    for leaf in (*leaves, 0):
        assert log.get_signatures(leaf) == vif.log.get_signatures(leaf)


SPOILT = {
    "all stripped": (lambda rows: [], ROTATION_STEP),
    "one stripped": (lambda rows: rows[1:], ROTATION_STEP),
    "another one stripped": (lambda rows: rows[:-1], ROTATION_STEP),
    "swapped under their key ids": (swapped, SIGNATURE_STEP),
    "over another record": (other_record, ROTATION_STEP),
    "one twice": (lambda rows: [rows[0], *rows], SIGNATURE_STEP),
    "one moved to a record before": (
        lambda rows: [*rows, rows[0] | {"leaf": rows[0]["leaf"] - 1}], SIGNATURE_STEP),
    "one under a record of others": (lambda rows: [rows[0] | {"leaf": 0}, *rows], SIGNATURE_STEP),
    "one over no record": (lambda rows: [*rows, rows[0] | {"leaf": 99}], SIGNATURE_STEP),
    "a field too many": (lambda rows: [rows[0] | {"by": "me"}, *rows[1:]], SIGNATURE_STEP),
    "a field too few": (
        lambda rows: [{"signature": rows[0]["signature"], "leaf": 3}, *rows[1:]], SIGNATURE_STEP),
    "a number as text": (lambda rows: [rows[0] | {"leaf": "3"}, *rows[1:]], SIGNATURE_STEP),
    "lenient base64": (
        lambda rows: [rows[0] | {"signature": rows[0]["signature"] + "\n"}, *rows[1:]],
        SIGNATURE_STEP),
}  # fmt: skip


@pytest.mark.parametrize("change", SPOILT)
def test_an_export_with_other_signatures_over_a_rotation_is_refused(tmp_path, change):
    vif, _ = rotated()
    perform, step = SPOILT[change]
    report = exported(vif, tmp_path / "log.jsonl", signatures_changed(perform))
    assert refused_at(report) == step, report.steps[-1]


def test_an_export_carries_the_signatures_of_each_record_and_leaves_out_strangers(tmp_path):
    config = CrossModelVIFConfig(witness_generation=WitnessGenerationConfig(sign_each=True))
    vif, [leaf] = rotated(config=config)
    vif.log._signatures[0]["\x1b[2Jnobody"] = b"x"  # somebody has been at the store
    report = exported(vif, tmp_path / "log.jsonl")
    assert report.is_valid, report.steps[-1]
    said = {step.number: step.detail for step in report.steps}
    assert said[SIGNATURE_STEP] == f"{6 * 2 + 4} signatures"
    keys = set(ExportedLog(tmp_path / "log.jsonl").get_signatures(0))
    assert keys == {key.key_id for key in publics(PAIRS[0])}
    # of a record that is no rotation, they are checked as well
    spoil = signatures_changed(swapped)
    assert refused_at(exported(vif, tmp_path / "log.jsonl", spoil)) == SIGNATURE_STEP
    # the keys of another generation have no say
    later = [signer.sign(b"x") for signer in PAIRS[1].signers(RSA_2048)]
    vif.log._signatures[0] = {PAIRS[1].rsa.public.key_id: later[0]}
    assert exported(vif, tmp_path / "log.jsonl").is_valid
    assert ExportedLog(tmp_path / "log.jsonl").get_signatures(0) == {}
    assert leaf == 3
