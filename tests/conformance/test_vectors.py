"""Third parties' published vectors give their published verdicts.

They are read from ``shared/data/vectors`` beside the repository; ``CROSSMODEL_VECTORS`` names another
place. Without them these tests are skipped, and say so.
"""

import base64
import hashlib
import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from cryptography.x509 import load_der_x509_certificate

from crossmodel.errors import VerificationError
from crossmodel.witness import merkle
from crossmodel.witness.checkpoint import Checkpoint, TlogProof
from crossmodel.witness.cosignature import cosigner_hash, find_cosignature
from crossmodel.witness.evidence import Evidence, parse_statement
from crossmodel.witness.keys.pairs import FileSigner, PublicKey
from crossmodel.witness.keys.trust import Cosigner, TimestampAuthority, Trust
from crossmodel.witness.note import Note, key_hash, sign_note
from crossmodel.witness.statement import pae
from crossmodel.witness.strict import MAX_DEPTH, load_base64, load_json
from crossmodel.witness.timestamps import verify_timestamp

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "vectors"
VECTORS = Path(os.environ.get("CROSSMODEL_VECTORS", BESIDE))

pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason=f"no test vectors in {VECTORS.name}")


def load(name):
    return json.loads((VECTORS / name).read_text("utf-8"))


def named(folder, pattern):
    """Files by their names, so that more of a kind are run as soon as they are there."""
    return sorted(path.relative_to(VECTORS).as_posix() for path in (VECTORS / folder).glob(pattern))


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


def verify_subtree(leaf_hash, index, subtree, path, root):
    """Inclusion in the leaves ``start <= index < end``, which must be a subtree of some tree.

    It is one if ``start`` is a multiple of the smallest power of two that is not less than its size
    (draft-ietf-plants-merkle-tree-certs, "Subtrees").
    """
    start, end = subtree
    if not start <= index < end or start % (1 << (end - start - 1).bit_length()):
        return False
    return merkle.verify_inclusion(leaf_hash, index - start, end - start, path, root)


def test_subtree_inclusion():
    for case in load("merkle/subtreeinclusion.json")["cases"]:
        verdict = verify_subtree(
            b64(case["leafHash"]),
            case["leafIdx"],
            (case["start"], case["end"]),
            proof(case["proof"]),
            b64(case["root"]),
        )
        assert verdict is not case["wantErr"], case["_file"]


def ed25519_key(vkey, kind=1):
    """A C2SP verifier key: name+hash+base64(type and key)."""
    name, _, rest = vkey.partition("+")
    hint, _, encoded = rest.partition("+")
    raw = b64(encoded)
    assert raw[0] == kind
    spki = Ed25519PublicKey.from_public_bytes(raw[1:]).public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    key = PublicKey.load(spki)
    assert {1: key_hash, 4: cosigner_hash}[kind](name, key).hex() == hint
    return name, key


def test_signed_notes():
    for case in load("note/signed_note.json")["cases"]:
        verdict = all(
            Note.parse(case["note"]).is_signed_by(*ed25519_key(vkey)) for vkey in case["vkeys"]
        )
        assert verdict is case["ok"], case["name"]
        if "skey" in case:  # made again from the private key, byte for byte
            name, seed = case["skey"].split("+")[2], b64(case["skey"].split("+", 4)[4])
            signer = FileSigner.of(Ed25519PrivateKey.from_private_bytes(seed[1:]))
            assert sign_note(case["text"], name, [signer]) == case["note"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda note: note[:-1],
        lambda note: "\x01" + note,
        lambda note: "\udcff" + note,
        lambda note: note + "Unexpected line.\n",
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note[: note.index("\n\n") + 2],
        lambda note: note + note.splitlines(keepends=True)[-1] * 100,
        lambda note: note.replace(" ", "  "),
        lambda note: note.replace("\N{EM DASH}", "-"),
    ],
)
def test_signed_notes_that_are_damaged_are_refused(damage):
    for case in load("note/signed_note.json")["cases"]:
        with pytest.raises(VerificationError):
            Note.parse(damage(case["note"]))


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


def test_a_cosigned_checkpoint_of_the_specification():
    text = (VECTORS / "checkpoint" / "c2sp_examples.txt").read_text("utf-8")
    cosigned = text.split("\n\n")[3]
    first, second = Note.parse(f"{text.split(chr(10) * 2)[0]}\n\n{cosigned}\n").signatures
    assert (first.name, second.name) == ("example.com/behind-the-sofa", "witness.example.com/w1")
    # its key is not published; the time is the one that the specification names
    assert int.from_bytes(second.signature[:8]) == 1679315147
    assert len(second.signature) == 72


def p256(key):
    """The ECDSA key of the DSSE specification, which our own policy refuses."""
    numbers = ec.EllipticCurvePublicNumbers(int(key["x"]), int(key["y"]), ec.SECP256R1())
    return ec.EllipticCurvePrivateNumbers(int(key["d"]), numbers).private_key()


def raw_verifies(public, signature, message):
    half = len(signature) // 2
    numbers = [int.from_bytes(part) for part in (signature[:half], signature[half:])]
    try:
        public.verify(encode_dss_signature(*numbers), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("name", named("dsse", "*.json"))
def test_dsse(name):
    vector = load(name)
    body = vector["payload"].encode()
    message = pae(vector["payloadType"], body)
    assert message == vector["pae"].encode()
    envelope = vector["envelope"]
    assert (load_base64(envelope["payload"]), envelope["payloadType"]) == (
        body,
        vector["payloadType"],
    )
    key = p256(vector["key"])
    for signed in envelope["signatures"]:
        assert raw_verifies(key.public_key(), load_base64(signed["sig"]), message)
        assert not raw_verifies(key.public_key(), load_base64(signed["sig"]), body)
        other = pae("application/json", body)
        assert not raw_verifies(key.public_key(), load_base64(signed["sig"]), other)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    made = r.to_bytes(32) + s.to_bytes(32)
    assert raw_verifies(key.public_key(), made, message)
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(VerificationError, match="RSA or Ed25519"):
        PublicKey.load(spki)


SIGNATURES = {"RsassaPssVerify", "EddsaVerify", "RsassaPkcs1Verify", "MlDsaVerify"}
"""Kinds of groups in Wycheproof's files that say something of our signatures."""


def encodings(group):
    """The group's key as SubjectPublicKeyInfo, or in what encoding there is, and other encodings."""
    found = [group.get("publicKeyDer"), group.get("publicKeyAsn"), group.get("publicKey")]
    first, *others = [bytes.fromhex(each) for each in found if isinstance(each, str)]
    return first, others


def is_ours(group):
    if group["type"] == "EddsaVerify":
        return group["publicKey"]["curve"] == "edwards25519"
    scheme = [group.get(name) for name in ("sha", "mgf", "mgfSha", "sLen")]
    return group["type"] == "RsassaPssVerify" and scheme == ["SHA-256", "MGF1", "SHA-256", 32]


@pytest.mark.parametrize("name", named("wycheproof", "*.json"))
def test_wycheproof(name):
    """Signatures of our two kinds get their published verdict, those of other kinds never pass."""
    checked = 0
    for group in load(name)["testGroups"]:
        assert group["type"] in SIGNATURES
        spki, others = encodings(group)
        for encoded in others:  # one key, one encoding, one id
            with pytest.raises(VerificationError):
                PublicKey.load(encoded)
        try:
            key = PublicKey.load(spki)
        except VerificationError:
            assert not is_ours(group)
            checked += 1
            continue
        for case in group["tests"]:
            verdict = key.verifies(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
            assert verdict is (is_ours(group) and case["result"] == "valid"), case["tcId"]
            checked += 1
    assert checked


def test_other_kinds_of_keys_are_refused():
    for group in load("wycheproof/mldsa44_verify.json")["testGroups"]:
        with pytest.raises(VerificationError, match=r"RSA or Ed25519|not a public key"):
            PublicKey.load(encodings(group)[0])
    refusals = []
    for group in load("wycheproof/rsa_pkcs1v15_2048_sha256.json")["testGroups"]:
        try:
            PublicKey.load(encodings(group)[0])
        except VerificationError as refusal:
            refusals.append(refusal.reason)
    assert refusals
    assert all("exponent" in reason for reason in refusals)  # some of these keys have e = 3


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


@pytest.mark.parametrize("name", named("jcs/input", "*.json"))
def test_jcs(name):
    """Nothing of ours is ever canonicalised: both forms are read, and are the same value."""
    source = load_json((VECTORS / name).read_bytes())
    assert load_json((VECTORS / name.replace("input", "output")).read_bytes()) == source


@pytest.mark.parametrize("name", named("prov-json", "*.json"))
def test_prov_json(name):
    """The library that we write PROV-JSON with reads what others wrote, and loses nothing."""
    prov = pytest.importorskip("prov.model", reason="the extra 'audit' is not installed")
    content = (VECTORS / name).read_text("utf-8")
    document = prov.ProvDocument.deserialize(content=content, format="json")
    written = document.serialize(format="json")
    assert prov.ProvDocument.deserialize(content=written, format="json") == document
    assert records(load_json(written.encode())) == records(load_json(content.encode()))


def records(value):
    """How many records of each kind a document holds, in its bundles too."""
    counts = {
        kind: sum(len(each) if isinstance(each, list) else 1 for each in value[kind].values())
        for kind in value
        if kind not in {"prefix", "bundle"}
    }
    return counts, {name: records(each) for name, each in value.get("bundle", {}).items()}


COSIGNERS = (
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
    "staging.witness.transparency.goog/ring-any-bells+2e1a8dc9+BG5JTpLc3FJtwzgh1Uv+Qelz9qeOH2bfWjS1s0s+y4rL",
    "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G",
)
"""Verifier keys of public cosigners, as their operators publish them: Mullvad, Google, Geomys."""


def logged_entry(bundle):
    """The one log entry of a bundle, once its proof leads to its checkpoint."""
    (entry,) = bundle["verificationMaterial"]["tlogEntries"]
    shown = entry["inclusionProof"]
    note = Note.parse(shown["checkpoint"]["envelope"])
    checkpoint = Checkpoint.parse(note.text)
    body = load_base64(entry["canonicalizedBody"])
    path = [load_base64(each) for each in shown["hashes"]]
    assert checkpoint.size == int(shown["treeSize"])
    assert checkpoint.root == load_base64(shown["rootHash"])
    index, size = int(shown["logIndex"]), checkpoint.size
    leaf = merkle.leaf_hash(body)
    assert merkle.verify_inclusion(leaf, index, size, path, checkpoint.root)
    assert not merkle.verify_inclusion(leaf, index - 1, size, path, checkpoint.root)
    assert not merkle.verify_inclusion(leaf, index, size, path[1:], checkpoint.root)
    assert not merkle.verify_inclusion(
        merkle.leaf_hash(body + b"x"), index, size, path, checkpoint.root
    )
    return entry, note, checkpoint, load_json(body)


def test_a_sigstore_bundle_signed_by_a_managed_key():
    folder = "sigstore/managed-key-happy-path"
    bundle = load_json((VECTORS / folder / "bundle.sigstore.json").read_bytes())
    _entry, note, checkpoint, body = logged_entry(bundle)
    assert checkpoint.origin.startswith(note.signatures[0].name)
    artifact = (VECTORS / "sigstore" / "a.txt").read_bytes()
    signature = load_base64(bundle["messageSignature"]["signature"])
    key = load_pem_public_key((VECTORS / folder / "key.pub").read_bytes())
    key.verify(signature, artifact, ec.ECDSA(hashes.SHA256()))
    assert body["spec"]["data"]["hash"]["value"] == hashlib.sha256(artifact).hexdigest()
    assert load_base64(body["spec"]["signature"]["content"]) == signature


@pytest.mark.parametrize("name", named("sigstore", "rekor2-dsse-*/bundle.sigstore.json"))
def test_a_sigstore_bundle_of_a_dsse_envelope(name):
    """What such bundles share with our format: tree, note, checkpoint, cosignatures, PAE, time."""
    folder = VECTORS / Path(name).parent
    bundle = load_json((VECTORS / name).read_bytes())
    root = load_json((folder / "trusted_root.json").read_bytes())
    entry, note, checkpoint, body = logged_entry(bundle)
    (log,) = [each for each in root["tlogs"] if each["logId"] == entry["logId"]]
    key = PublicKey.load(load_base64(log["publicKey"]["rawBytes"]))
    assert note.is_signed_by(checkpoint.origin, key)
    assert key_hash(checkpoint.origin, key) == load_base64(log["logId"]["keyId"])[:4]
    others = [each for each in root["tlogs"] if each["publicKey"]["keyDetails"] == "PKIX_ED25519"]
    for other in others:
        stranger = PublicKey.load(load_base64(other["publicKey"]["rawBytes"]))
        assert note.is_signed_by(checkpoint.origin, stranger) is (other is log)
    integrated = []
    for vkey in COSIGNERS:
        cosigner = Cosigner(*ed25519_key(vkey, kind=4))
        found = find_cosignature(note, cosigner)
        assert found is not None
        integrated.append(datetime.fromtimestamp(found.seconds, UTC))
        changed = Note(note.text.replace("4026479", "4026480"), note.signatures)
        with pytest.raises(VerificationError):
            find_cosignature(changed, cosigner)
    envelope = bundle["dsseEnvelope"]
    message = pae(envelope["payloadType"], load_base64(envelope["payload"]))
    certificate = load_der_x509_certificate(
        load_base64(bundle["verificationMaterial"]["certificate"]["rawBytes"])
    )
    (signed,) = envelope["signatures"]
    signature = load_base64(signed["sig"])
    certificate.public_key().verify(signature, message, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        certificate.public_key().verify(
            signature, load_base64(envelope["payload"]), ec.ECDSA(hashes.SHA256())
        )
    pytest.importorskip("rfc3161_client", reason="the extra 'audit' is not installed")
    chain = root["timestampAuthorities"][0]["certChain"]["certificates"]
    authority = TimestampAuthority("tsa", tuple(load_base64(each["rawBytes"]) for each in chain))
    stamps = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    for each in stamps:
        answer = load_base64(each["signedTimestamp"])
        stamp = verify_timestamp(signature, authority, answer)
        assert abs(stamp.stated - integrated[0]).total_seconds() < 60
        with pytest.raises(VerificationError):
            verify_timestamp(signature + b"x", authority, answer)
    # all of that is in order either way; what tells them apart is whether this envelope was logged
    logged = load_base64(body["spec"]["hashedRekordV002"]["data"]["digest"])
    is_logged = hashlib.sha256(message).digest() == logged
    assert is_logged is not folder.name.endswith("_fail")


READERS = {
    "note": lambda data: Note.parse(data.decode("utf-8", "surrogateescape")),
    "checkpoint": lambda data: Checkpoint.parse(data.decode("utf-8", "surrogateescape")),
    "proof": lambda data: TlogProof.parse(data.decode("utf-8", "surrogateescape")).checkpoint(),
    "json": load_json,
    "base64": lambda data: load_base64(data.decode("utf-8", "surrogateescape")),
    "key": PublicKey.load,
    "trust": Trust.from_json,
    "evidence": Evidence.parse,
    "statement": parse_statement,
}


@pytest.mark.parametrize("reader", READERS)
def test_damaged_vectors_are_read_or_refused(reader):
    """Whatever the bytes, there is a value or a ``VerificationError``, never anything else."""
    source = random.Random(reader)
    texts = [path.read_bytes() for path in sorted(VECTORS.rglob("*.*")) if path.is_file()]
    texts += [case["note"].encode() for case in load("note/signed_note.json")["cases"]]
    texts += [
        note.encode() for note in load("checkpoint/tessera_log_small.json")["checkpoints"].values()
    ]
    texts += [bytes.fromhex(data) for data in load("json/jsontestsuite.json")["files_hex"].values()]
    for group in load("wycheproof/rsa_pss_2048_sha256.json")["testGroups"]:
        texts.append(encodings(group)[0])
    read = refused = 0
    for text in texts:
        for _ in range(20):
            damaged = bytearray(text[:20_000])
            for _ in range(source.randint(0, 3)):
                at = source.randint(0, len(damaged))
                damaged[at : at + source.randint(0, 2)] = source.randbytes(source.randint(0, 2))
            try:
                READERS[reader](bytes(damaged))
            except VerificationError:
                refused += 1
            else:
                read += 1
    assert refused
    assert read + refused == 20 * len(texts)


READ = {
    "checkpoint/c2sp_examples.txt",
    "checkpoint/tessera_log_small.json",
    "json/jsontestsuite.json",
    "merkle/consistency.json",
    "merkle/inclusion.json",
    "merkle/rfc6962_roots.json",
    "merkle/subtreeinclusion.json",
    "note/signed_note.json",
    "sigstore/a.txt",
    "sigstore/managed-key-happy-path/bundle.sigstore.json",
    "sigstore/managed-key-happy-path/key.pub",
    *named("dsse", "*.json"),
    *named("wycheproof", "*.json"),
    *named("jcs/input", "*.json"),
    *named("jcs/output", "*.json"),
    *named("prov-json", "*.json"),
    *named("sigstore", "rekor2-dsse-*/bundle.sigstore.json"),
    *named("sigstore", "rekor2-dsse-*/trusted_root.json"),
}


def test_no_vector_is_left_out():
    there = {p.relative_to(VECTORS).as_posix() for p in VECTORS.rglob("*") if p.is_file()}
    assert {name for name in there if Path(name).stem != "README"} == READ
