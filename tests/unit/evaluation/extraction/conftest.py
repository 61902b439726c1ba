"""Answers with what was, or was not, extracted from them."""

import pytest

from crossmodel import InsightExtractor
from crossmodel.domain.insight import Evidence, ExtractionResult, Insight, text_sha256
from crossmodel.evaluation.extraction.rows import AnswerRow, Extracted


@pytest.fixture
def of():
    """An answer from which our extractor extracts, or in which exactly these insights were found.

    An insight is given as (kind, what it says, type, confidence): it stands where the answer says so.
    """

    def make(output, found=None, **fields):
        row = AnswerRow(**{"id": "r", "output": output} | fields)
        if found is None:
            return Extracted(row, InsightExtractor().extract(output, "m"))
        return Extracted(row, ExtractionResult([insight(output, *each) for each in found], "m"))

    return make


def insight(output, kind, said, insight_type="reasoning", confidence=0.5):
    start = output.index(said)
    evidence = Evidence(start, start + len(said), text_sha256(output))
    return Insight(said, insight_type, kind, (evidence,), confidence_score=confidence)
