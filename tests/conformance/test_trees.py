"""Trees of every size up to 1,025 agree with RFC 9162's own recursion, and with ``pymerkle``."""

import functools
import hashlib
import random

import pytest

from crossmodel.domain.witness import Statement
from crossmodel.witness import merkle
from crossmodel.witness.log import MemoryLog, TreeBuilder, append, leaf_hash, root_at
from crossmodel.witness.log import consistency_proof as stored_consistency
from crossmodel.witness.log import inclusion_proof as stored_inclusion

LARGEST = 1025
ALL_PAIRS = 66
"""Up to this size every index and every older size is checked; above, a sample."""

STATEMENTS = [Statement("text/plain", b"record %d" % number) for number in range(LARGEST)]
LEAVES = [leaf_hash(each.payload_type, each.body) for each in STATEMENTS]


# RFC 9162, section 2.1, as it is written there; D[first:last] stands for a list of entries


def split(size):
    """The largest power of two k with k < size <= 2k."""
    k = 1
    while 2 * k < size:
        k *= 2
    return k


@functools.cache
def mth(first, last):
    """MTH of 2.1.1; leaves are hashed already."""
    size = last - first
    if size == 0:
        return hashlib.sha256(b"").digest()
    if size == 1:
        return LEAVES[first]
    k = first + split(size)
    return hashlib.sha256(b"\x01" + mth(first, k) + mth(k, last)).digest()


def path(m, first, last):
    """PATH(m, D[first:last]) of 2.1.3.1."""
    if last - first == 1:
        return []
    k = split(last - first)
    if m < k:
        return [*path(m, first, first + k), mth(first + k, last)]
    return [*path(m - k, first + k, last), mth(first, first + k)]


def subproof(m, first, last, b):
    """SUBPROOF(m, D[first:last], b) of 2.1.4.1."""
    size = last - first
    if m == size:
        return [] if b else [mth(first, last)]
    k = split(size)
    if m <= k:
        return [*subproof(m, first, first + k, b), mth(first + k, last)]
    return [*subproof(m - k, first + k, last, b=False), mth(first, first + k)]


def sample(size):
    """All indexes of a small tree; the ends, the middle and some others of a large one."""
    if size <= ALL_PAIRS:
        return range(size)
    source = random.Random(size)
    power = split(size)
    ends = {0, 1, size // 2, power - 1, power, size - 2, size - 1}
    return sorted({index for index in ends if 0 <= index < size} | {source.randrange(size)})


@pytest.fixture(scope="module")
def log():
    full = MemoryLog()
    append(full, STATEMENTS[:1])
    append(full, STATEMENTS[1:700])
    append(full, STATEMENTS[700:])
    return full


def test_roots_of_every_size(log):
    builder = TreeBuilder()
    assert merkle.root([]) == builder.root() == mth(0, 0) == merkle.EMPTY_ROOT
    for size, leaf in enumerate(LEAVES, 1):
        builder.extend([leaf])
        assert mth(0, size) == builder.root() == merkle.root(LEAVES[:size]) == root_at(log, size)


def test_inclusion_proofs_of_every_size(log):
    for size in range(1, LARGEST + 1):
        root = mth(0, size)
        for index in sample(size):
            expected = path(index, 0, size)
            assert stored_inclusion(log, index, size) == expected
            assert merkle.verify_inclusion(LEAVES[index], index, size, expected, root)
            if size > 1:  # not of a neighbour, not at another place, not with a node less
                other = LEAVES[index - 1]
                assert not merkle.verify_inclusion(other, index, size, expected, root)
                assert not merkle.verify_inclusion(LEAVES[index], index ^ 1, size, expected, root)
                assert not merkle.verify_inclusion(LEAVES[index], index, size, expected[1:], root)
    for size in (1, 2, 3, 64, 65, 1000, LARGEST):
        for index in sample(size):
            assert merkle.inclusion_proof(LEAVES[:size], index) == path(index, 0, size)


def test_consistency_proofs_of_every_size(log):
    for size in range(1, LARGEST + 1):
        for older in [*sample(size), size]:
            expected = subproof(older, 0, size, b=True) if older else []
            assert stored_consistency(log, older, size) == expected
            roots = mth(0, older), mth(0, size)
            assert merkle.verify_consistency(older, size, *roots, expected)
            if 0 < older < size:
                assert not merkle.verify_consistency(older, size, *roots[::-1], expected)
                assert not merkle.verify_consistency(older, size, *roots, expected[:-1])
                wrong = [*expected[:-1], hashlib.sha256(expected[-1]).digest()]
                assert not merkle.verify_consistency(older, size, *roots, wrong)
    for size in (2, 3, 64, 65, 1000, LARGEST):
        for older in sample(size):
            assert merkle.consistency_proof(LEAVES[:size], older) == (
                subproof(older, 0, size, b=True) if older else []
            )


def test_another_library_agrees():
    pymerkle = pytest.importorskip("pymerkle")
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(LARGEST):
        tree.append_entry(b"entry %d" % number)
    leaves = [merkle.leaf_hash(b"entry %d" % number) for number in range(LARGEST)]
    builder = TreeBuilder()
    for size in range(1, LARGEST + 1):
        builder.extend([leaves[size - 1]])
        assert tree.get_root(size) == builder.root()
    for size in (*range(1, ALL_PAIRS), 127, 128, 129, 511, 1000, LARGEST):
        root = tree.get_root(size)
        for index in sample(size):
            # its indexes start at 1, its paths with the leaf
            assert tree.prove_inclusion(index + 1, size).path == [
                leaves[index],
                *merkle.inclusion_proof(leaves[:size], index),
            ]
        for older in sample(size):
            if older:  # its proofs have another form: each verifies its own over the other's roots
                ours = merkle.consistency_proof(leaves[:size], older)
                old_root = merkle.root(leaves[:older])
                assert merkle.verify_consistency(older, size, old_root, root, ours)
                theirs = tree.prove_consistency(older, size)
                pymerkle.verify_consistency(old_root, merkle.root(leaves[:size]), theirs)
