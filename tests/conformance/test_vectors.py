"""Third parties' published vectors give their published verdicts.

They are read from ``shared/data/vectors`` beside the repository; ``CROSSMODEL_VECTORS`` names another
place. Without them these tests are skipped, and say so.
"""

import base64
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crossmodel.errors import VerificationError
from crossmodel.witness import merkle
from crossmodel.witness.checkpoint import Checkpoint, TlogProof
from crossmodel.witness.keys import PublicKey
from crossmodel.witness.note import Note, key_hash
from crossmodel.witness.statement import pae
from crossmodel.witness.strict import MAX_DEPTH, load_json

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "vectors"
VECTORS = Path(os.environ.get("CROSSMODEL_VECTORS", BESIDE))

pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason=f"no test vectors in {VECTORS.name}")


def load(name):
    return json.loads((VECTORS / name).read_text("utf-8"))


def b64(text):
    return base64.b64decode(text) if text else b""


def proof(rows):
    return [b64(row) for row in rows or []]


def test_inclusion():
    for case in load("merkle/inclusion.json")["cases"]:
        verdict = merkle.verify_inclusion(
            b64(case["leafHash"]),
            case["leafIdx"],
            case["treeSize"],
            proof(case["proof"]),
            b64(case["root"]),
        )
        assert verdict is not case["wantErr"], case["_file"]


def test_consistency():
    for case in load("merkle/consistency.json")["cases"]:
        verdict = merkle.verify_consistency(
            case["size1"],
            case["size2"],
            b64(case["root1"]),
            b64(case["root2"]),
            proof(case["proof"]),
        )
        assert verdict is not case["wantErr"], case["_file"]


def test_roots():
    vectors = load("merkle/rfc6962_roots.json")
    leaves = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in vectors["leaf_inputs_hex"]]
    for size, expected in enumerate(vectors["root_hashes_by_size_hex"]):
        assert merkle.root(leaves[:size]).hex() == expected


def ed25519_key(vkey):
    """A C2SP verifier key: name+hash+base64(type and key)."""
    name, _, rest = vkey.partition("+")
    hint, _, encoded = rest.partition("+")
    raw = b64(encoded)
    assert raw[0] == 1
    spki = Ed25519PublicKey.from_public_bytes(raw[1:]).public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    key = PublicKey.load(spki)
    assert key_hash(name, key).hex() == hint
    return name, key


def test_signed_notes():
    for case in load("note/signed_note.json")["cases"]:
        verdict = all(
            Note.parse(case["note"]).is_signed_by(*ed25519_key(vkey)) for vkey in case["vkeys"]
        )
        assert verdict is case["ok"], case["name"]


def test_checkpoints_of_a_real_log():
    vectors = load("checkpoint/tessera_log_small.json")
    name, key = ed25519_key(vectors["vkey"])
    leaves = [merkle.leaf_hash(leaf.encode()) for leaf in vectors["leaves_utf8"]]
    for size, text in vectors["checkpoints"].items():
        note = Note.parse(text)
        assert note.is_signed_by(name, key)
        checkpoint = Checkpoint.parse(note.text)
        assert checkpoint == Checkpoint(name, int(size), merkle.root(leaves[: int(size)]))


def test_the_specifications_examples():
    text = (VECTORS / "checkpoint" / "c2sp_examples.txt").read_text("utf-8")
    first = text.split("\n\nexample.com/behind-the-sofa\n")[0]
    checkpoint = Checkpoint.parse(Note.parse(first + "\n").text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    proof_text = text[text.index("c2sp.org/tlog-proof@v1") :]
    parsed = TlogProof.parse(proof_text)
    assert (parsed.index, len(parsed.path)) == (73894, 5)
    assert parsed.to_text() != proof_text  # its extra line is allowed, and dropped
    with pytest.raises(VerificationError):
        parsed.checkpoint()  # the example elides its signatures


def test_dsse():
    vector = load("dsse/protocol_vector.json")
    assert pae(vector["payloadType"], vector["payload"].encode()) == vector["pae"].encode()


@pytest.mark.parametrize("name", ["rsa_pss_2048_sha256", "ed25519"])
def test_wycheproof_signatures(name):
    checked = 0
    for group in load(f"wycheproof/{name}.json")["testGroups"]:
        spki = bytes.fromhex(group["publicKeyDer"])
        key = PublicKey.load(spki)
        for case in group["tests"]:
            if case["result"] == "acceptable":
                continue
            verdict = key.verifies(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
            assert verdict is (case["result"] == "valid"), case["tcId"]
            checked += 1
    assert checked


def test_pkcs1_signatures_never_pass_for_pss():
    for group in load("wycheproof/rsa_pkcs1v15_2048_sha256.json")["testGroups"]:
        try:
            key = PublicKey.load(bytes.fromhex(group["publicKeyDer"]))
        except VerificationError as refusal:
            assert "exponent" in refusal.reason  # some of these keys have e = 3
            continue
        for case in group["tests"]:
            assert not key.verifies(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))


def test_keys_of_other_algorithms_are_refused():
    group = load("wycheproof/mldsa44_verify.json")["testGroups"][0]
    with pytest.raises(VerificationError):
        PublicKey.load(bytes.fromhex(group.get("publicKeyDer") or group["publicKey"]))


STRICTER = {
    "y_object_duplicated_key.json": "the same key stands twice",
    "y_object_duplicated_key_and_value.json": "the same key stands twice",
}
"""Valid JSON that evidence must not hold, and why."""


def test_json():
    files = load("json/jsontestsuite.json")["files_hex"]
    for name, content in files.items():
        data = bytes.fromhex(content)
        if name in STRICTER:
            with pytest.raises(VerificationError, match=STRICTER[name]):
                load_json(data)
        elif name.startswith("y_"):
            load_json(data)
        elif name.startswith("n_"):
            with pytest.raises(VerificationError):
                load_json(data)
        else:  # the standard leaves these open: a value or a refusal, never a crash
            try:
                load_json(data)
            except VerificationError as refusal:
                assert refusal.reason
    assert MAX_DEPTH < 100
