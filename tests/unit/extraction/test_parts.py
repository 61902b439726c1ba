"""Long texts in parts, streams piece by piece: cut nowhere that matters, and always alike."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel import InsightExtractor, InsightExtractorConfig
from crossmodel.extraction.parts import split
from crossmodel.extraction.streaming import StreamExtraction

BLOCKS = (
    "Release tags of team {n} must start with rel-{n}- and end with the year.\n",
    "Because the cache of shard {n} is small, readers must ask shard {m} first.\n",
    "```python\ndef job_{n}(x):\n\n    return x + {m}\n```\n",
    "$$\nE_{n} = m_{n} c^2\n$$\n",
    "Input codes of desk {n}:\n\n- `A{n}` -> blue\n- `B{n}` -> green\n",
    "| code {n} | queue |\n|---|---|\n| A{n} | red |\n| B{m} | black |\n",
    "The latency of node {n} is lower than that of node {m}.\n",
)


def document(seed, blocks=400, answer=True):
    rng = random.Random(seed)
    pieces = []
    for n in range(blocks):
        if n % 12 == 0:
            pieces.append(f"{'#' * rng.randint(1, 3)} Chapter {n}\n")
        pieces.append(rng.choice(BLOCKS).format(n=n, m=n + 1000))
    return "\n".join(pieces) + ("\nFINAL ANSWER: 42\n" if answer else "")


def extractor(**config):
    return InsightExtractor(
        InsightExtractorConfig(max_insights_per_extraction=0, max_history_size=10, **config)
    )


def told(insights):
    return sorted((i.kind, i.content, i.scope) for i in insights)


@pytest.mark.parametrize("seed", range(3))
def test_parts_make_up_the_whole_and_cut_nothing(seed):
    text = document(seed)
    parts = list(split(text, 2000))
    assert len(parts) > 8
    assert "".join(part.text[part.headings :] for part in parts) == text
    assert all(text[part.offset :].startswith(part.text[part.headings :]) for part in parts)
    for part in parts:
        assert part.text.count("```") % 2 == 0
        assert part.text.count("$$") % 2 == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_gives_what_reading_at_once_gives(seed):
    text = document(seed)
    made = extractor()
    whole = made.extract(text, "m").insights
    streamed = []
    for found in made.extract_stream([text], "m", size=3000):
        for insight in found.result.insights:
            streamed.append(insight)
            span = insight.evidence[0]
            assert found.text[span.start : span.end].split() == insight.content.split()
            start = found.position(span.start)
            assert text[start : start + span.end - span.start] == found.text[span.start : span.end]
    assert told(streamed) == told(whole)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.data())
def test_however_a_stream_is_chopped_the_results_are_the_same(seed, data):
    text = document(seed, 60).replace("\n", "\r\n" if seed % 2 else "\n")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    made = extractor()

    def results(given_pieces):
        return [
            (found.text, found.offset, told(found.result.insights))
            for found in made.extract_stream(given_pieces, "m", size=1000)
        ]

    assert results(pieces) == results([text])


def test_a_fence_that_never_closes_is_cut_at_last():
    text = "```python\n" + "x = 1\n" * 400_000
    parts = list(split(text, 1000))
    assert "".join(part.text[part.headings :] for part in parts) == text
    assert max(len(part.text) for part in parts) <= 2_100_000


@pytest.mark.parametrize("text", ["", "\n", "a", "\r\n" * 5000, "# A\n" * 5000, "\ud800" * 9000])
def test_odd_streams(text):
    made = extractor()
    found = list(made.extract_stream(text, "m", size=500))
    assert "".join(each.text[each.headings :] for each in found) == text


async def test_an_answer_is_read_while_it_is_written():
    stream = StreamExtraction(lambda text: extractor().extract(text, "m"), size=500)

    async def answer():
        for piece in document(1, 80).split(" "):
            yield f"{piece} "

    early = 0
    async for piece in answer():
        early += sum(len(found.result.insights) for found in stream.feed(piece))
    late = sum(len(found.result.insights) for found in stream.end())
    assert early > late > 0


@pytest.mark.slow
def test_processes_find_what_one_finds():
    text = document(7, 9000)
    assert len(text) > 400_000
    alone = extractor().extract(text, "m")
    several = extractor(parallel_extraction=True, max_workers=2).extract(text, "m")
    assert not several.errors
    assert several.source_sha256 == alone.source_sha256
    assert told(several.insights) == told(alone.insights)
    assert {i.id for i in several.insights} == {i.id for i in alone.insights}
    by_id = {i.id: i for i in several.insights}
    for insight in several.insights:
        assert text[slice(insight.evidence[0].start, insight.evidence[0].end)].split() == (
            insight.content.split()
        )
        assert all(link in by_id for link in insight.links)
