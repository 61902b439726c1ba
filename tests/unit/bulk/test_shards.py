import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.bulk.extraction import Extraction, Row, Task
from crossmodel.bulk.places import File, find_files
from crossmodel.bulk.rows import digest_of, made_by
from crossmodel.bulk.shards import SHARD_BYTES, cut, read_shard
from crossmodel.errors import InvalidInputError, NotFoundError
from crossmodel.extraction import InsightExtractor
from crossmodel.extraction.bulk import ExtractionJob
from crossmodel.extraction.logs import LoggedAnswer, UnreadableRow, read_path

RULE = "Release tags of team {n} must start with rel-{n}- and end with the year."


def by_shards(source, size):
    shards = cut(find_files(str(source)), map, size)
    return [row for shard in shards for row in read_shard(shard, "unknown")]


lines = st.one_of(
    st.binary(max_size=12).filter(lambda line: b"\n" not in line),
    st.text(max_size=12).map(lambda text: json.dumps({"id": "x", "output": text}).encode()),
    st.just('{"output": "\u2028 one line to JSON"}'.encode()),
    st.sampled_from(
        [b"", b"\r", b"{", b"[]", b'{"output": "cafe"}\r', b"\xc2\xa0", b"\xef\xbb\xbf"]
    ),
)


@given(st.lists(lines, max_size=8), st.booleans(), st.integers(1, 60))
def test_shards_of_lines_read_what_the_file_reads(tmp_path_factory, listed, ends, size):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    path.write_bytes(b"\n".join(listed) + b"\n" * ends)
    assert by_shards(path, size) == list(read_path(path))


def test_a_folder_is_read_in_the_same_order_by_path_and_by_uri(tmp_path):
    (tmp_path / "a b" / "c").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    for name in ("z.md", "a/1.txt", "a b/c/2.JSONL", "a b/3.json", "skip.png", "a/e.md"):
        (tmp_path / name).write_text('{"output": "from ' + name + '"}\n')
    (tmp_path / "a/e.md").write_bytes(b"")
    (tmp_path / "a/latin.txt").write_bytes(b"caf\xe9")
    read = list(read_path(tmp_path))
    assert len(read) == 6
    assert by_shards(tmp_path, 10) == read
    assert by_shards(tmp_path, SHARD_BYTES) == read
    assert by_shards(tmp_path.as_uri(), 10) == read
    assert len(cut(find_files(str(tmp_path)), map)) == 1  # small files share a shard
    one = tmp_path / "a" / "1.txt"
    assert by_shards(one.as_uri(), 5) == list(read_path(one))


def test_what_is_not_there_is_said_without_its_secrets(tmp_path):
    with pytest.raises(NotFoundError, match="nowhere"):
        find_files(str(tmp_path / "nowhere"))
    with pytest.raises(NotFoundError, match="nowhere"):
        find_files(f"file://{tmp_path}/nowhere")
    with pytest.raises(InvalidInputError) as refused:
        find_files("gopher://user:s3cret@host/logs?token=s3cret")
    assert "gopher://host/logs" in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert "s3cret" not in repr(File("logs/a.jsonl", "a.jsonl", 1, store="s3://k:s3cret@b"))


def test_a_file_that_vanishes_is_reported_and_costs_no_other(tmp_path):
    for name in ("a.txt", "b.jsonl"):
        (tmp_path / name).write_text('{"output": "text"}\n')
    shards = cut(find_files(str(tmp_path)), map)
    (tmp_path / "a.txt").unlink()
    gone, there = (row for shard in shards for row in read_shard(shard, "unknown"))
    assert isinstance(gone, UnreadableRow)
    assert gone.origin == "a.txt"
    assert isinstance(there, LoggedAnswer)


def test_answers_that_are_done_are_not_done_again(tmp_path):
    path = tmp_path / "in.jsonl"
    listed = [{"id": f"r{n}", "output": RULE.format(n=n)} for n in range(4)]
    text = [*map(json.dumps, listed[:2]), "{broken", *map(json.dumps, listed[2:])]
    path.write_text("\n".join(text))
    job = ExtractionJob.of(InsightExtractor())
    extraction = Extraction(job, "unknown", made_by(job))
    (shard,) = cut(find_files(str(path)), map)
    whole = extraction.rows(Task(shard))
    assert [type(each) for each in whole] == [Row, Row, UnreadableRow, Row, Row]
    assert [json.loads(each.row)["id"] for each in whole if isinstance(each, Row)] == [
        row["id"] for row in listed
    ]
    digests = extraction.digests(Task(shard))
    assert digests == [each.digest if isinstance(each, Row) else each for each in whole]
    for done in range(5):
        left = extraction.rows(Task(shard, done))
        assert [each for each in left if isinstance(each, Row)] == [
            each for each in whole if isinstance(each, Row)
        ][done:]
        assert [each for each in left if isinstance(each, UnreadableRow)] == [whole[2]]
    kept = extraction.insights(Task(shard, 3))
    assert [each.answer.id for each in kept if not isinstance(each, UnreadableRow)] == ["r3"]
    assert digest_of(kept[-1].answer, extraction.made) == digests[-1]
    other = Extraction(job, "unknown", "another version")
    assert not set(filter(_is_text, other.digests(Task(shard)))) & set(filter(_is_text, digests))


def _is_text(value):
    return isinstance(value, str)
