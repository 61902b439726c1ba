"""Merkle trees as RFC 6962 and RFC 9162 (section 2.1) define them, over SHA-256.

Hashes are 32 bytes. Verifiers answer ``False`` to whatever is wrong, malformed arguments included;
makers raise ``InvalidInputError``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from crossmodel.errors import InvalidInputError

HASH_BYTES: Final = 32
LEAF_PREFIX: Final = b"\x00"
NODE_PREFIX: Final = b"\x01"
EMPTY_ROOT: Final = hashlib.sha256().digest()
"""Root of a tree without leaves (RFC 9162, 2.1.1)."""

MAX_SIZE: Final = 2**63 - 1
"""Larger sizes are refused: every format that carries them has 64-bit integers."""

Range = tuple[int, int]
"""Leaves ``first <= index < last`` of a tree."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf that holds ``data``."""
    return hashlib.sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of the node over two subtrees."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


def parents(nodes: Sequence[bytes]) -> list[bytes]:
    """The nodes above each two of these, an even number."""
    sha256, prefix = hashlib.sha256, NODE_PREFIX  # looked up once: a log has millions of them
    return [
        sha256(prefix + left + right).digest()
        for left, right in zip(nodes[::2], nodes[1::2], strict=True)
    ]


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over these leaves.

    Raises:
        InvalidInputError: if one of them is not 32 bytes.
    """
    _check_hashes(leaf_hashes)
    return _root(leaf_hashes)


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The path that proves that leaf ``index`` is in the tree, bottom up.

    Raises:
        InvalidInputError: if there is no such leaf, or a hash is not 32 bytes.
    """
    _check_hashes(leaf_hashes)
    ranges = inclusion_ranges(index, len(leaf_hashes))
    return [_root(leaf_hashes[first:last]) for first, last in ranges]


def consistency_proof(leaf_hashes: Sequence[bytes], size1: int) -> list[bytes]:
    """The nodes that prove that the tree of the first ``size1`` leaves is a beginning of this one.

    Raises:
        InvalidInputError: if ``size1`` is more than the leaves, or a hash is not 32 bytes.
    """
    _check_hashes(leaf_hashes)
    ranges = consistency_ranges(size1, len(leaf_hashes))
    return [_root(leaf_hashes[first:last]) for first, last in ranges]


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The subtrees whose roots make up an inclusion proof, bottom up (RFC 9162, 2.1.3.1).

    Raises:
        InvalidInputError: if the tree has no such leaf.
    """
    if not _is_size(size) or not _is_size(index) or index >= size:
        raise InvalidInputError(f"a tree of {size} leaves has no leaf {index}")
    path = []
    first, last = 0, size
    while last - first > 1:
        middle = first + _left_size(last - first)
        if index < middle:
            path.append((middle, last))
            last = middle
        else:
            path.append((first, middle))
            first = middle
    return path[::-1]


def consistency_ranges(size1: int, size2: int) -> list[Range]:
    """The subtrees whose roots make up a consistency proof (RFC 9162, 2.1.4.1).

    Raises:
        InvalidInputError: unless ``0 <= size1 <= size2``.
    """
    if not _is_size(size1) or not _is_size(size2) or size1 > size2:
        raise InvalidInputError(f"a tree of {size1} leaves is no beginning of one of {size2}")
    if size1 in {0, size2}:
        return []
    path = []
    first, last = 0, size2
    whole = True  # whether the old tree's part of this subtree starts at its very beginning
    while size1 - first < last - first:
        middle = first + _left_size(last - first)
        if size1 <= middle:
            path.append((middle, last))
            last = middle
        else:
            path.append((first, middle))
            first = middle
            whole = False
    if not whole:
        path.append((first, last))
    return path[::-1]


def verify_inclusion(
    leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether ``proof`` shows that the tree holds the leaf at ``index`` (RFC 9162, 2.1.3.2)."""
    if not (_is_size(index) and _is_size(size) and index < size):
        return False
    if not (_are_hashes(proof) and _are_hashes([leaf_hash, root])):
        return False
    sides = _left_siblings(index, size - 1, len(proof))
    if sides is None:
        return False
    computed = leaf_hash
    for sibling, is_left in zip(proof, sides, strict=True):
        computed = node_hash(sibling, computed) if is_left else node_hash(computed, sibling)
    return computed == root


def verify_consistency(
    size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether ``proof`` shows that the first tree is a beginning of the second.

    The algorithm is RFC 9162, 2.1.4.2. An empty tree is a beginning of every tree; its root must be
    the empty one. For equal sizes the roots need only be the same bytes, whatever they are.
    """
    if not (_is_size(size1) and _is_size(size2) and size1 <= size2 and _are_hashes(proof)):
        return False
    if size1 == size2:
        return not proof and isinstance(root1, bytes) and root1 == root2
    if not _are_hashes([root1, root2]):
        return False
    if size1 == 0:
        return not proof and root1 == EMPTY_ROOT
    starts_complete = size1 & (size1 - 1) == 0
    path = [root1, *proof] if starts_complete else list(proof)
    if not path:
        return False
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node >>= 1
        last >>= 1
    sides = _left_siblings(node, last, len(path) - 1)
    if sides is None:
        return False
    old = new = path[0]
    for sibling, is_left in zip(path[1:], sides, strict=True):
        if is_left:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    return old == root1 and new == root2


def _left_siblings(node: int, last: int, length: int) -> list[bool] | None:
    """For each sibling on the way up, whether it stands left; ``None`` if the way is not so long.

    ``node`` and ``last`` are the indexes, on one level, of the node and of the level's last one.
    """
    sides = []
    for _ in range(length):
        if last == 0:
            return None
        is_left = bool(node & 1) or node == last
        if is_left:
            while node and not node & 1:  # levels where it is the last and has no sibling
                node >>= 1
                last >>= 1
        sides.append(is_left)
        node >>= 1
        last >>= 1
    return sides if last == 0 else None


def perfect_subtrees(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees ``(level, index)`` that make up a subtree's leaves, left to right."""
    while first < last:
        level = (last - first).bit_length() - 1
        yield level, first >> level
        first += 1 << level


def fold(subtree_roots: Sequence[bytes]) -> bytes:
    """Root over complete subtrees of falling size, as :func:`perfect_subtrees` lists them."""
    if not subtree_roots:
        return EMPTY_ROOT
    computed = subtree_roots[-1]
    for left in reversed(subtree_roots[:-1]):
        computed = node_hash(left, computed)
    return computed


def _root(leaf_hashes: Sequence[bytes]) -> bytes:
    level = list(leaf_hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        odd = [level.pop()] if len(level) & 1 else []
        level = parents(level) + odd
    return level[0]


def _left_size(size: int) -> int:
    """Leaves of the left subtree: the largest power of two that is smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SIZE


def _are_hashes(hashes: object) -> bool:
    return isinstance(hashes, list | tuple) and all(
        isinstance(each, bytes) and len(each) == HASH_BYTES for each in hashes
    )


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for position, each in enumerate(hashes):
        if not isinstance(each, bytes) or len(each) != HASH_BYTES:
            raise InvalidInputError(f"leaf hash {position} must be {HASH_BYTES} bytes")
