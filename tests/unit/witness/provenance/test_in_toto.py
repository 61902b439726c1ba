"""Chains as in-toto attestation bundles: exact bytes, and signatures that hold."""

import base64
import json

import pytest
from provenance_chains import edit, turn

from crossmodel import CrossModelVIF, ProvenanceTracker, WitnessError
from crossmodel.witness import KeyPair
from crossmodel.witness.log import leaf_hash
from crossmodel.witness.provenance.in_toto import bundle
from crossmodel.witness.statement import pae

PAIR = KeyPair.generate()


@pytest.fixture
def vif():
    vif = CrossModelVIF(keys=PAIR)
    turn(vif.log, "req_1", learned=["ins_1"])
    turn(vif.log, "req_2", given=["ins_1"])
    return vif


def sealed(vif):
    vif.log.add_checkpoint(vif.sign_checkpoint())
    return vif


def envelopes(vif, about="req_2"):
    chain = ProvenanceTracker(vif.log).chain("t", about)
    return [json.loads(line) for line in bundle(chain, vif.log, vif.sign_record).splitlines()]


def test_each_record_is_one_envelope_of_its_exact_bytes(vif):
    found = envelopes(sealed(vif))
    assert [base64.b64decode(e["payload"]) for e in found] == [
        leaf.statement for leaf in vif.log.leaves(0, 6)
    ]
    keys = {each.key.key_id: each.key for each in vif.trust.keys}
    for envelope in found:
        assert set(envelope) == {"payload", "payloadType", "signatures"}
        message = pae(envelope["payloadType"], base64.b64decode(envelope["payload"]))
        assert {each["keyid"] for each in envelope["signatures"]} == set(keys)
        for each in envelope["signatures"]:
            assert keys[each["keyid"]].verifies(base64.b64decode(each["sig"]), message)


def test_a_record_that_was_signed_when_it_was_made_keeps_its_signatures(vif):
    vif.log.put_signatures(0, {"k": b"as it was"})
    first, *others = envelopes(sealed(vif))
    assert first["signatures"] == [{"keyid": "k", "sig": base64.b64encode(b"as it was").decode()}]
    assert all(len(each["signatures"]) == 2 for each in others)


def test_what_no_head_covers_is_not_signed(vif):
    with pytest.raises(WitnessError, match="no checkpoint covers record 0"):
        envelopes(vif)


@pytest.mark.parametrize("with_hash", [False, True])
def test_what_was_edited_since_is_not_signed(vif, with_hash):
    sealed(vif)
    leaf = next(vif.log.leaves(3, 4))
    body = leaf.statement.replace(b'"score":0.75', b'"score":0.95')
    assert body != leaf.statement
    changes = {"leaf_hash": leaf_hash(leaf.payload_type, body)} if with_hash else {}
    edit(vif.log, 3, statement=body, **changes)
    with pytest.raises(WitnessError, match=r"record 3 is not what .* so it is not signed: step"):
        vif.sign_record(3)
    with pytest.raises(WitnessError, match="so it is not signed"):
        envelopes(vif)
