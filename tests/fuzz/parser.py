"""Coverage-guided fuzzing of the parser and of extraction, by atheris (libFuzzer).

Run ``python tests/fuzz/parser.py -runs=100000`` for longer; arguments are libFuzzer's own. It ends
with a traceback, and the input in a file, at the first crash, hang, or insight that its evidence
does not hold.
"""

import sys

import atheris

with atheris.instrument_imports(include=["crossmodel.text", "crossmodel.extraction"]):
    from crossmodel import InsightExtractor
    from crossmodel.text.segments import parse
    from crossmodel.text.sentences import sentences

PIECES = (
    "\n", "\n\n", "\r\n", "# ", "- ", "1. ", "```python\n", "```\n", "$$", "\\[", "\\]", "| a | b |\n",
    "|---|---|\n", "> ", "**", "`", " -> ", "Answer: ", "\\boxed{", "}", "#### ", "because ",
    "Therefore, ", "must ", "Example: ", "Q: ", "A: ", "Input: ", "Output: ", "Risk: ", "Passage:\n",
    "[notes 0a1b2c]\n", "[/notes 0a1b2c]", "x = y", "\\(", "\\)", "é", "\u200b", "\ud800", "\u2028",
    "İ", "12", "3.14", "e.g. ", "User: ", "Assistant: ", "<think>", "</think>",
)  # fmt: skip
EXTRACTOR = InsightExtractor()


def text_of(data: bytes) -> str:
    """A text of pieces that mean something to the parser, and of whatever else comes."""
    provider = atheris.FuzzedDataProvider(data)
    parts = []
    while provider.remaining_bytes():
        if provider.ConsumeBool():
            parts.append(PIECES[provider.ConsumeIntInRange(0, len(PIECES) - 1)])
        else:
            parts.append(provider.ConsumeUnicode(provider.ConsumeIntInRange(1, 12)))
    return "".join(parts)


def check(data: bytes) -> None:
    """Segments are in order, apart, and split into sentences; every insight is where it says."""
    text = text_of(data)
    position = 0
    for segment in parse(text):
        assert position <= segment.start < segment.end <= len(text)
        position = segment.end
        inner = segment.start
        for start, end in sentences(text, segment.start, segment.end):
            assert inner <= start < end <= segment.end
            inner = end
    if not text:
        return
    result = EXTRACTOR.extract(text, "fuzzed")
    assert not result.errors, result.errors
    for insight in result.insights:
        said = [text[each.start : each.end].split() for each in insight.evidence]
        assert insight.content.split() in said


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
