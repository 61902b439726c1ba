"""The tree against an independent recursion and a second implementation."""

import random

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.errors import InvalidInputError
from crossmodel.witness import merkle


def hashes(count):
    return [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


def recursive_root(leaves):
    """RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return merkle.EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(recursive_root(leaves[:split]), recursive_root(leaves[split:]))


LEAVES = hashes(1025)
SIZES = [*range(70), 127, 128, 129, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025]


@pytest.mark.parametrize("size", SIZES)
def test_roots_agree_with_the_definition(size):
    assert merkle.root(LEAVES[:size]) == recursive_root(LEAVES[:size])


def test_roots_and_proofs_agree_with_pymerkle():
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(1025):
        tree.append_entry(number.to_bytes(4, "big"))
    for size in (1, 2, 3, 7, 8, 100, 1024, 1025):
        assert merkle.root(LEAVES[:size]) == tree.get_root(size)
        theirs = tree.prove_inclusion(size, size)
        assert theirs.compute_root() == merkle.root(LEAVES[:size])


@pytest.mark.parametrize("size", [s for s in SIZES if 0 < s <= 70] + [1024, 1025])
def test_every_proof_verifies_and_no_other_index_or_size_does(size):
    leaves, root = LEAVES[:size], merkle.root(LEAVES[:size])
    chance = random.Random(size)
    indexes = range(size) if size <= 70 else chance.sample(range(size), 20)
    for index in indexes:
        proof = merkle.inclusion_proof(leaves, index)
        assert merkle.verify_inclusion(leaves[index], index, size, proof, root)
        other = (index + 1) % (size + 1)
        assert not merkle.verify_inclusion(leaves[index], other, size, proof, root)
        if proof:
            assert not merkle.verify_inclusion(leaves[index], index, size, proof[:-1], root)
            assert not merkle.verify_inclusion(
                leaves[index], index, size, proof[::-1] + proof, root
            )
        assert not merkle.verify_inclusion(leaves[index], index, size, [*proof, root], root)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 33, 64])
def test_every_beginning_is_consistent_and_no_other_is(size):
    leaves, root = LEAVES[:size], merkle.root(LEAVES[:size])
    for first in range(size + 1):
        old = merkle.root(LEAVES[:first])
        proof = merkle.consistency_proof(leaves, first)
        assert merkle.verify_consistency(first, size, old, root, proof)
        forged = merkle.leaf_hash(b"forged")
        assert not merkle.verify_consistency(first, size, forged, root, proof)
        assert not merkle.verify_consistency(first, size, old, root, [*proof, root])
        if first not in {0, size}:
            assert not merkle.verify_consistency(first, size, old, forged, proof)
            assert not merkle.verify_consistency(first, size, old, root, [])


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=40),
    st.text(max_size=5),
)


@given(anything, anything, anything, st.lists(anything, max_size=4) | anything, anything)
def test_verifiers_answer_false_to_nonsense(leaf, index, size, proof, root):
    assert merkle.verify_inclusion(leaf, index, size, proof, root) is False or size == 1
    assert merkle.verify_consistency(index, size, leaf, root, proof) in {True, False}


@given(st.integers(), st.integers(min_value=2**63))
def test_sizes_beyond_64_bits_are_refused_at_once(index, size):
    assert not merkle.verify_inclusion(LEAVES[0], index, size, [LEAVES[1]] * 70, LEAVES[2])
    assert not merkle.verify_consistency(1, size, LEAVES[0], LEAVES[2], [LEAVES[1]] * 70)


def test_makers_say_what_is_wrong():
    with pytest.raises(InvalidInputError, match="leaf hash 1"):
        merkle.root([LEAVES[0], b"short"])
    with pytest.raises(InvalidInputError, match="no leaf 3"):
        merkle.inclusion_proof(LEAVES[:3], 3)
    with pytest.raises(InvalidInputError, match="no leaf -1"):
        merkle.inclusion_proof(LEAVES[:3], -1)
    with pytest.raises(InvalidInputError, match="no beginning"):
        merkle.consistency_proof(LEAVES[:3], 4)
    assert merkle.root([]) == merkle.EMPTY_ROOT
