"""What is kept of outsiders' words, and which outsiders a trust file may name."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crossmodel.domain.selection import Outcome
from crossmodel.errors import InvalidInputError, NotFoundError, VerificationError
from crossmodel.witness import CrossModelVIF, KeyPair
from crossmodel.witness.cosignature import cosignature_line
from crossmodel.witness.keys.pairs import FileSigner
from crossmodel.witness.keys.trust import Cosigner
from crossmodel.witness.log import MemoryLog
from crossmodel.witness.note import MAX_SIGNATURES, Note, signature_line
from crossmodel.witness.outsiders import (
    attach_cosignatures,
    attach_timestamp,
    name_outsiders,
    parse_consistency,
)
from crossmodel.witness.statement import outcome_statement

PAIR = KeyPair.generate()
NAME = "watcher.example"
SIGNER, OTHER = (FileSigner.of(Ed25519PrivateKey.generate()) for _ in range(2))
WATCHER = Cosigner(NAME, SIGNER.public)
FIRST, SECOND = 3, 6


@pytest.fixture
def vif():
    """A log with two checkpoints."""
    made = CrossModelVIF(keys=PAIR, log=MemoryLog())
    for _ in range(2):
        made.append([outcome_statement(Outcome(f"r{n}", "m", success=True)) for n in range(3)])
        made.log.add_checkpoint(made.sign_checkpoint())
    return made


def notes(vif):
    return {head.size: head.note for head in vif.log.checkpoints()}


def line_of(vif, size, signer=SIGNER, name=NAME, seconds=9):
    return cosignature_line(Note.parse(notes(vif)[size]).text, name, signer, seconds)


def attach(vif, *lines, **options):
    return attach_cosignatures(vif.log, "\n".join(lines), origin=vif.origin, **options)


def test_a_line_goes_to_the_checkpoint_that_it_is_over(vif):
    before = notes(vif)
    lines = [line_of(vif, SECOND), line_of(vif, FIRST), line_of(vif, FIRST, seconds=10)]
    kept = attach(vif, *lines, "", cosigners=[WATCHER])
    assert kept == [(NAME, SECOND), (NAME, FIRST), (NAME, FIRST)]
    expected = {
        FIRST: f"{before[FIRST]}{lines[1]}\n{lines[2]}\n",
        SECOND: f"{before[SECOND]}{lines[0]}\n",
    }
    assert notes(vif) == expected
    attach(vif, *lines, cosigners=[WATCHER])  # which has them already
    attach(vif, lines[1], cosigners=[WATCHER], size=FIRST)
    assert notes(vif) == expected


def test_without_a_cosigners_key_the_size_is_taken_at_ones_word(vif):
    line = line_of(vif, FIRST, OTHER)
    assert attach(vif, line, size=FIRST) == [(NAME, FIRST)]
    assert notes(vif)[FIRST].endswith(f"{line}\n")
    with pytest.raises(InvalidInputError, match="say which checkpoint"):
        attach(vif, line)


@pytest.mark.parametrize(
    ("spoil", "options", "error", "message"),
    [
        (lambda vif, line: "", {"size": SECOND}, VerificationError, "no signature line"),
        (lambda vif, line: line + "=", {"size": SECOND}, VerificationError, "base64"),
        (lambda vif, line: f"{line}\n{line[1:]}", {"size": SECOND}, VerificationError, "a dash"),
        (lambda vif, line: line.replace(" w", "  w"), {"size": SECOND}, VerificationError, "dash"),
        (
            lambda vif, line: notes(vif)[SECOND].splitlines()[-1],
            {"size": SECOND}, VerificationError, "no Ed25519 cosignature",
        ),
        (
            lambda vif, line: signature_line(NAME, b"abcd", bytes(71)),
            {"size": SECOND}, VerificationError, "no Ed25519 cosignature",
        ),
        (
            lambda vif, line: line.replace(NAME, vif.origin),
            {"size": SECOND}, VerificationError, "by the log itself",
        ),
        (lambda vif, line: line, {"size": SECOND + 1}, NotFoundError, "no checkpoint of 7"),
        (lambda vif, line: line, {"size": 1}, NotFoundError, "no checkpoint of 1"),
        (
            lambda vif, line: line_of(vif, SECOND, OTHER),
            {"cosigners": [WATCHER]}, VerificationError, "by no cosigner that is trusted",
        ),
        (
            lambda vif, line: f"{line}\n{line_of(vif, SECOND, OTHER)}",
            {"cosigners": [WATCHER]}, VerificationError, "by no cosigner that is trusted",
        ),
        (
            lambda vif, line: f"{line[:-8]}{'AAAA' if line[-8:-4] != 'AAAA' else 'BBBB'}{line[-4:]}",
            {"cosigners": [WATCHER]}, VerificationError, "not over any checkpoint",
        ),
        (
            lambda vif, line: line_of(vif, FIRST),
            {"cosigners": [WATCHER], "size": SECOND}, VerificationError, "checkpoint of 6",
        ),
    ],
)  # fmt: skip
def test_other_lines_are_refused_and_nothing_is_kept(vif, spoil, options, error, message):
    before = notes(vif)
    with pytest.raises(error, match=message):
        attach(vif, spoil(vif, line_of(vif, SECOND)), **options)
    assert notes(vif) == before


def test_lines_that_would_make_the_checkpoint_malformed_are_refused(vif):
    lines = [line_of(vif, SECOND, seconds=n) for n in range(MAX_SIGNATURES)]
    with pytest.raises(VerificationError, match="at most 100 signatures"):
        attach(vif, *lines, cosigners=[WATCHER])
    assert vif.verify_log().is_valid


def test_a_time_stamp_needs_an_authority_to_believe(vif):
    with pytest.raises(InvalidInputError, match="name the time-stamp authority"):
        attach_timestamp(vif.log, b"", ())


# trust files


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


GOOD = pem(Ed25519PrivateKey.generate())


def test_a_trust_file_names_outsiders(vif):
    named = name_outsiders(vif.trust, {NAME: GOOD}, None, {})
    assert [each.name for each in named.cosigners] == [NAME]
    assert named.cosignatures_needed == 1
    assert named.keys == vif.trust.keys
    assert name_outsiders(vif.trust, {NAME: GOOD}, 0, {}).cosignatures_needed == 0


@pytest.mark.parametrize(
    ("cosigners", "needed", "message"),
    [
        ({"a": b"no key"}, None, "the cosigner a: no public key in PEM"),
        ({"a": pem(rsa.generate_private_key(65537, 2048))}, None, "Ed25519"),
        ({"a": pem(rsa.generate_private_key(65537, 1024))}, None, "bits"),
        ({"a": pem(PAIR.ed25519._key)}, None, "not the log's"),
        ({"two words": GOOD}, None, "no spaces"),
        ({"a": GOOD, "b": GOOD}, None, "a key of its own"),
        ({"a": GOOD}, 2, "number of cosigners, 1"),
        ({"a": GOOD}, -1, "number of cosigners, 1"),
        ({}, 1, "number of cosigners, 0"),
    ],
)
def test_a_trust_file_that_verifiers_would_refuse_is_not_made(vif, cosigners, needed, message):
    with pytest.raises(InvalidInputError, match=message):
        name_outsiders(vif.trust, cosigners, needed, {})


# consistency proofs


def test_a_proof_comes_back_as_it_was_written(vif):
    proof = vif.consistency(FIRST, SECOND)
    assert parse_consistency(json.dumps(proof.to_dict()).encode()) == proof


@pytest.mark.parametrize(
    "change",
    [
        {"by": "me"}, {"size1": "3"}, {"size1": True}, {"size2": -1}, {"signed": [1.5]},
        {"signed": None}, {"proof": "00"}, {"proof": ["00" * 31]}, {"proof": ["AB" * 32]},
        {"proof": ["0g" * 32]}, {"proof": [f" {'00' * 32}"]}, {"root1": None}, {"root2": "00"},
    ],
)  # fmt: skip
def test_a_proof_of_another_form_is_refused(vif, change):
    row = vif.consistency(FIRST, SECOND).to_dict()
    with pytest.raises(VerificationError):
        parse_consistency(json.dumps(row | change).encode())
    for name in row:
        with pytest.raises(VerificationError, match="exactly the fields"):
            parse_consistency(json.dumps({k: v for k, v in row.items() if k != name}).encode())
