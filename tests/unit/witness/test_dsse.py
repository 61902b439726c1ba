"""DSSE envelopes: the published vector, strictness, and records that are signed one by one."""

import base64
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from crossmodel.domain.config import CrossModelVIFConfig, WitnessGenerationConfig
from crossmodel.domain.selection import Outcome
from crossmodel.errors import VerificationError, WitnessError
from crossmodel.witness import CrossModelVIF, KeyPair, Trust
from crossmodel.witness.dsse import Envelope, Signature
from crossmodel.witness.keys.trust import TrustedKey
from crossmodel.witness.log import MemoryLog
from crossmodel.witness.statement import outcome_statement, pae

PAIR = KeyPair.generate()
OTHER = KeyPair.generate()
KEYS = [PAIR.rsa.public, PAIR.ed25519.public]
TYPE = "application/vnd.in-toto+json"
STEP = 25
SIGN_EACH = CrossModelVIFConfig(witness_generation=WitnessGenerationConfig(sign_each=True))
ED25519_EACH = CrossModelVIFConfig(
    witness_generation=WitnessGenerationConfig(cryptographic_algorithm="Ed25519", sign_each=True)
)

# the example of the DSSE protocol, version 1.0.2 (secure-systems-lab/dsse, Apache-2.0)
VECTOR = {
    "payload": "aGVsbG8gd29ybGQ=",
    "payloadType": "http://example.com/HelloWorld",
    "signatures": [
        {
            "sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJ"
            "PcIAriEGAHTVeCUjW2JIZA=="
        }
    ],
}
VECTOR_POINT = (
    46950820868899156662930047687818585632848591499744589407958293238635476079160,
    5640078356564379163099075877009565129882514886557779369047442380624545832820,
)


class P256:
    """ECDSA over P-256 with SHA-256, as raw r and s: the vector's algorithm, none of ours."""

    def __init__(self, x, y):
        self._key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()

    def verifies(self, signature, message):
        r, s = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
        try:
            self._key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def test_the_published_vector():
    envelope = Envelope.parse(json.dumps(VECTOR).encode())
    assert pae(envelope.payload_type, envelope.payload) == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    key = P256(*VECTOR_POINT)
    assert envelope.verified_by([key]) == [key]
    assert json.loads(envelope.to_json()) == VECTOR
    for change in ({"payload": "aGVsbG8gd29ybGU="}, {"payloadType": "http://example.com/Other"}):
        with pytest.raises(VerificationError, match="0 of 1 trusted keys"):
            Envelope.parse(json.dumps(VECTOR | change).encode()).verified_by([key])


def test_what_was_signed_comes_back_and_verifies():
    made = Envelope.sign(TYPE, b"\0bytes", [PAIR.rsa, PAIR.ed25519])
    read = Envelope.parse(made.to_json())
    assert read == made
    assert read.verified_by(KEYS, threshold=2) == KEYS
    assert read.verified_by([OTHER.rsa.public, PAIR.rsa.public]) == [PAIR.rsa.public]


@pytest.mark.parametrize(
    "keyid",
    ["", "0" * 64, OTHER.rsa.public.key_id, "../../etc", "nul\0"],
    ids=["none", "zeros", "of another key", "a path", "with NUL"],
)
def test_a_key_id_decides_nothing(keyid):
    [honest] = Envelope.sign(TYPE, b"x", [PAIR.ed25519]).signatures
    [stranger] = Envelope.sign(TYPE, b"x", [OTHER.ed25519]).signatures
    renamed = Envelope(TYPE, b"x", (Signature(keyid, honest.sig),))
    assert Envelope.parse(renamed.to_json()).verified_by(KEYS) == [PAIR.ed25519.public]
    forged = Envelope(TYPE, b"x", (Signature(PAIR.ed25519.public.key_id, stranger.sig),))
    with pytest.raises(VerificationError):
        forged.verified_by(KEYS)


def test_a_threshold_counts_keys_not_signatures():
    one = Envelope.sign(TYPE, b"x", [PAIR.ed25519, PAIR.ed25519])
    assert len(one.signatures) == 2
    with pytest.raises(VerificationError, match="1 of 2 trusted keys signed it, 2 must have"):
        one.verified_by(KEYS, threshold=2)
    with pytest.raises(VerificationError, match="1 of 1"):
        one.verified_by([PAIR.ed25519.public] * 2, threshold=2)
    with pytest.raises(ValueError, match="threshold"):
        one.verified_by(KEYS, threshold=0)
    with pytest.raises(VerificationError):
        one.verified_by([])


def test_nothing_is_signed_as_another_type():
    made = Envelope.sign(TYPE, b"x", [PAIR.ed25519])
    with pytest.raises(VerificationError):
        Envelope("text/plain", b"x", made.signatures).verified_by(KEYS)
    # bytes cannot pass between type and payload, for each says its length
    moved = Envelope(f"{TYPE} 1 x", b"", made.signatures)
    with pytest.raises(VerificationError):
        moved.verified_by(KEYS)


def changed(**changes):
    return json.dumps(VECTOR | changes).encode()


def test_unknown_fields_and_url_safe_base64_are_taken():
    sig = VECTOR["signatures"][0]["sig"]
    for row in ({"sig": sig, "keyid": None}, {"sig": sig, "keyid": ""}, {"sig": sig, "new": 1}):
        assert Envelope.parse(changed(signatures=[row], other={})).signatures[0].keyid == ""
    url_safe = [{"sig": sig.replace("+", "-").replace("/", "_")}]
    assert Envelope.parse(changed(signatures=url_safe)) == Envelope.parse(changed())


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"\xef\xbb\xbf" + changed(), changed() + b"x", b"[" * 1100 + b"]" * 1100,
        changed().replace(b"{", b'{"payload": "eA==",', 1),
        changed(payload=3), changed(payloadType=None), changed(signatures=[]),
        changed(signatures={}), changed(signatures=[3]), changed(signatures=[{}]),
        changed(signatures=[{"sig": 3}]), changed(signatures=[{"sig": "eA==", "keyid": 3}]),
        changed(signatures=[{"sig": "eA=="}] * 101),
        changed(payload="aGVs!bG8="), changed(payload="eA"), changed(payload="eB=="),
        changed(payload=" eA=="), changed(payload="eA==\n"), changed(payload="-/-/"),
        changed(payload="\u0661A=="), json.dumps({"payload": "eA==", "payloadType": "x"}).encode(),
        changed(payload=float("nan")), changed(other="\ud800"),
    ],
)  # fmt: skip
def test_envelopes_of_another_form_are_refused(data):
    with pytest.raises(VerificationError):
        Envelope.parse(data)


# records that are signed one by one


def filled(config=SIGN_EACH, records=3):
    vif = CrossModelVIF(config, keys=PAIR, log=MemoryLog())
    drafts = [outcome_statement(Outcome(f"r{n}", "m", success=True)) for n in range(records)]
    assert vif.append(drafts) == list(range(records))
    vif.log.add_checkpoint(vif.sign_checkpoint())
    return vif


def edited(evidence, **changes):
    return json.dumps(json.loads(evidence) | changes).encode()


def refused_at(report):
    assert report.verdict == "invalid"
    return report.steps[-1].number


@pytest.mark.parametrize(("config", "signatures"), [(SIGN_EACH, 2), (ED25519_EACH, 1), (None, 0)])
def test_each_record_is_signed_if_so_configured(config, signatures):
    vif = filled(config)
    for index in range(3):
        evidence = vif.generate_witness(index)
        assert len(json.loads(evidence).get("signatures", [])) == signatures
        report = vif.verify_witness(evidence)
        assert report.is_valid
        assert (report.steps[-1].number == STEP) == bool(signatures)
    if not signatures:
        with pytest.raises(WitnessError, match="no signatures of its own"):
            vif.envelope(0)
        return
    envelope = Envelope.parse(vif.envelope(1))
    assert envelope.verified_by(KEYS, threshold=signatures)
    [leaf] = vif.log.leaves(1, 2)
    assert (envelope.payload, envelope.payload_type) == (leaf.statement, leaf.payload_type)
    with pytest.raises(WitnessError, match="record 3"):
        vif.envelope(3)
    assert vif.append([]) == []


def test_signatures_that_are_not_the_trusted_keys_are_refused():
    vif = filled()
    evidence = vif.generate_witness(1)
    rows = json.loads(evidence)["signatures"]
    [leaf] = vif.log.leaves(1, 2)
    message = pae(leaf.payload_type, leaf.statement)

    def row(signer, keyid=None):
        sig = base64.b64encode(signer.sign(message)).decode()
        return {"keyid": signer.public.key_id if keyid is None else keyid, "sig": sig}

    another = json.loads(vif.generate_witness(2))["signatures"]
    for forged in (
        [*rows, row(OTHER.rsa)],  # a key that nobody trusts
        [row(OTHER.rsa, rows[0]["keyid"]), rows[1]],  # under the id of one that is trusted
        [row(PAIR.rsa, OTHER.rsa.public.key_id)],  # a trusted key under another's id
        [row(PAIR.rsa, "../../key")],
        [rows[0] | {"sig": rows[1]["sig"]}, rows[1]],  # Ed25519 bytes in RSA's place
        [rows[0] | {"sig": base64.b64encode(bytes(256)).decode()}],
        another,  # signatures over another record
        [rows[0], rows[0]],  # one that counts twice
    ):
        assert refused_at(vif.verify_witness(edited(evidence, signatures=forged))) == STEP
    # one alone is enough where it is said to be one: what is there must verify
    assert vif.verify_witness(edited(evidence, signatures=rows[:1])).is_valid
    assert vif.verify_witness(edited(evidence, signatures=[row(PAIR.rsa)])).is_valid


@pytest.mark.parametrize(
    "signatures",
    [[], None, {}, [3], [{"sig": "eA=="}], [{"keyid": "x", "sig": "eA==", "more": 1}],
     [{"keyid": "x", "sig": "e!A=="}], [{"keyid": "x", "sig": "-_-_"}], [{"keyid": 3, "sig": "eA=="}],
     [{"keyid": "x", "sig": "eA=="}] * 101],
)  # fmt: skip
def test_signatures_of_another_form_are_refused(signatures):
    vif = filled()
    assert (
        refused_at(vif.verify_witness(edited(vif.generate_witness(1), signatures=signatures))) == 1
    )


def test_a_key_must_be_valid_for_the_record_not_only_for_the_head():
    vif = filled(records=5)
    evidence = vif.generate_witness(1)
    for first, last, is_valid in ((0, None, True), (2, None, True), (3, None, False)):
        keys = tuple(TrustedKey(key, first, last) for key in KEYS)
        report = vif.verify_witness(evidence, Trust(vif.origin, keys))
        assert report.is_valid == is_valid
        assert report.steps[-1].number == STEP
    # expired for the record's size, though another key still vouches for the head
    keys = (TrustedKey(KEYS[0], 0, 1), TrustedKey(KEYS[0], 3), TrustedKey(KEYS[1]))
    assert refused_at(vif.verify_witness(evidence, Trust(vif.origin, keys))) == STEP


def test_no_flip_of_any_byte_of_a_signed_record_verifies():
    vif = filled(ED25519_EACH, records=2)
    evidence = vif.generate_witness(1)
    original = json.loads(evidence)
    start = evidence.index(b'"signatures"')  # the rest is flipped where all attacks are
    for position in range(start, len(evidence)):
        for bit in (0, 3, 6):
            flipped = bytearray(evidence)
            flipped[position] ^= 1 << bit
            if vif.verify_witness(bytes(flipped)).is_valid:
                assert json.loads(flipped) == original  # white space between tokens
