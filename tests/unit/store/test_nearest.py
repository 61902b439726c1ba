"""The nearest vectors: few exactly, many nearly, and nothing left of those that were removed."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.store import vector_files
from crossmodel.store.nearest import Nearest, _eight_bits

DIMENSIONS = 32


def units(count, seed=0, dimensions=DIMENSIONS):
    matrix = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def filled(matrix, exact=20_000):
    nearest = Nearest(matrix.shape[1], exact=exact)
    numbers = np.arange(1, len(matrix) + 1)
    nearest.add(numbers, numbers.astype(np.uint32), matrix)
    nearest.settle()
    return nearest


@settings(max_examples=60)
@given(st.integers(1, 300), st.integers(1, 20), st.integers(0, 1000), st.integers(1, 400))
def test_a_few_are_compared_exactly_as_numpy_does(count, parts, seed, wanted):
    matrix = units(count, seed)
    nearest = Nearest(DIMENSIONS)
    for part in np.array_split(np.arange(count), parts):
        nearest.add(part + 1, part.astype(np.uint32), matrix[part])
    gone = np.random.default_rng(seed).choice(count, count // 4, replace=False) + 1
    nearest.remove(gone)
    question = units(1, seed + 1)[0]
    cosines = matrix @ question
    expected = sorted(set(range(1, count + 1)) - set(gone.tolist()), key=lambda n: -cosines[n - 1])
    found, near = nearest.search(question, wanted)
    assert np.allclose(near, cosines[np.array(expected[:wanted], dtype=int) - 1], atol=1e-5)
    assert len(set(found.tolist())) == min(wanted, len(expected))
    assert np.allclose(cosines[found - 1], near, atol=1e-5)


def test_an_empty_one_finds_nothing():
    numbers, cosines = Nearest(DIMENSIONS).search(units(1)[0], 5)
    assert len(numbers) == len(cosines) == 0


def test_many_are_found_by_the_graph_and_all_the_while_it_is_built():
    matrix = units(3000)
    nearest = Nearest(DIMENSIONS, exact=100)
    numbers = np.arange(3000)
    for start in range(0, 3000, 250):
        part = slice(start, start + 250)
        nearest.add(numbers[part], numbers[part].astype(np.uint32), matrix[part])
        for place in (0, start, start + 249):
            assert nearest.search(matrix[place], 1)[0].tolist() == [place]
    nearest.settle()
    assert nearest.waiting <= 100
    truth = np.argsort(-(matrix[:200] @ matrix.T), axis=1)[:, :10]
    found = [set(nearest.search(row, 30)[0].tolist()) for row in matrix[:200]]
    hits = [len(each & set(best)) for each, best in zip(found, truth.tolist(), strict=True)]
    assert np.mean(hits) / 10 >= 0.95


def test_what_is_removed_is_found_no_more_and_is_in_no_byte_of_the_file(tmp_path):
    matrix = units(500)
    nearest = filled(matrix, exact=10)
    assert nearest.waiting == 0
    path = tmp_path / "graphs" / "x.graph"
    vector_files.write(path, nearest)
    secrets = [_eight_bits(matrix[number - 1]).tobytes() for number in range(100, 200)]
    assert all(secret in path.read_bytes() for secret in secrets)
    nearest.remove(np.arange(100, 200))
    vector_files.write(path, nearest)
    assert not any(secret in path.read_bytes() for secret in secrets)
    assert len(nearest) == 400
    found, _ = nearest.search(matrix[150], 400)
    assert set(found.tolist()) == set(range(1, 100)) | set(range(200, 501))
    nearest.add(np.array([150]), np.array([7], dtype=np.uint32), matrix[150:151])
    assert nearest.search(matrix[150], 1)[0].tolist() == [150]


def test_a_file_brings_back_what_was_kept(tmp_path):
    matrix = units(300)
    vector_files.write(tmp_path / "x", filled(matrix, exact=10))
    again = Nearest(DIMENSIONS)
    vector_files.read(tmp_path / "x", again)
    assert again.numbers.tolist() == again.marks.tolist() == list(range(1, 301))
    assert again.waiting == 0
    assert all(again.search(row, 1)[0].tolist() == [n] for n, row in enumerate(matrix, 1))
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"\n",
        lambda content: b"[1]\n" + content,
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content + b"x",
        lambda content: content[:-40] + bytes([content[-40] ^ 1]) + content[-39:],
        lambda content: content.replace(b'"format": 1', b'"format": 2'),
        lambda content: content.replace(b'"dimensions": 32', b'"dimensions": 31'),
        lambda content: content.replace(b'"rows": 300', b'"rows": -1'),
        lambda content: content.replace(b'"rows": 300', b'"rows": 9999999999999'),
        lambda content: content.replace(b'"rows": 300', b'"rows": "many"'),
        lambda content: content.replace(b'"rows": 300', b'"rows": 299'),
    ],
)
def test_a_damaged_file_is_taken_for_none(tmp_path, damage):
    path = tmp_path / "x"
    vector_files.write(path, filled(units(300), exact=10))
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert path.read_bytes() != content
    again = Nearest(DIMENSIONS)
    vector_files.read(path, again)
    assert len(again) == 0
    assert again.graph is None


def test_searching_adding_and_removing_at_once_loses_nothing():
    matrix = units(4000)
    nearest = Nearest(DIMENSIONS, exact=50)
    nearest.add(np.arange(100), np.arange(100, dtype=np.uint32), matrix[:100])
    wrong, stop = [], threading.Event()

    def search():
        while not stop.is_set():
            for place in range(0, 100, 2):
                found = nearest.search(matrix[place], 1)[0].tolist()
                if found != [place]:
                    wrong.append((place, found))

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for start in range(100, 4000, 100):
        numbers = np.arange(start, start + 100)
        nearest.add(numbers, numbers.astype(np.uint32), matrix[start : start + 100])
        nearest.remove(numbers[::2])
    nearest.settle()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(nearest) == 100 + 3900 // 2
