"""What is read of statements without parsing them is what a parser finds."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.erasure import Erased
from crossmodel.domain.insight import Insight
from crossmodel.domain.selection import Outcome
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.forms import Forms
from crossmodel.witness.log import MemoryLog, TreeBuilder, append
from crossmodel.witness.merkle import leaf_hash
from crossmodel.witness.schemas import SCHEMAS, kind_of, understands
from crossmodel.witness.statement import (
    commit,
    erasure_statement,
    insight_statement,
    outcome_statement,
    subject_digests,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def parsed(body):
    document = parse_statement(body)
    digests = tuple(digest.encode() for digest in subject_digests(document))
    return kind_of(document), document["predicate"]["logged_at"], digests


@given(TEXTS, TEXTS, st.booleans())
def test_forms_and_parser_agree(request_id, source, has_answer):
    forms = Forms()
    outcome = Outcome(
        request_id + '","subject":[{"name":"', "m", success=True, source=source or "x"
    )
    drafts = [
        outcome_statement(outcome, answer=commit("a") if has_answer else None),
        outcome_statement(outcome),
        insight_statement(Insight(source or "x"), commit("s")),
        erasure_statement(Erased((request_id,), records=((1, 2),)), commit("why"), NOW),
    ]
    for seconds, draft in enumerate(drafts * 2):
        body = draft.seal(NOW + timedelta(seconds=seconds)).body
        assert forms.of(body) == parsed(body)
        assert understands(parse_statement(body))


BODY = outcome_statement(Outcome("r", "m", success=True)).seal(NOW).body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        BODY[:-1],
        BODY + b" ",
        BODY.replace(b"/v1", b"/v2"),
        BODY.replace(b"/outcome/", b"/outcame/"),
        BODY.replace(b'"logged_at"', b'"logged_on"'),
        BODY.replace(b"2026-03-04T05:06:07.000008Z", b"2026-03-04 05:06:07.000008Z"),
        BODY.replace(b"2026-03-04T05:06:07.000008Z", b'2026-03-04T05:06:07.00"008Z'),
        BODY.replace(b'000008Z"', b'000008Z+"'),
        BODY.replace(b'"name":"request"', b'"name":"re\\u0071uest"'),
        BODY.replace(b'"name":"request"', b'"name":"%b"' % (b"n" * 100_000)),
        BODY.replace(b'"subject":', b'"subjects":'),
        BODY.replace(b'"sha256":"', b'"sha256":"A'),
        BODY.replace(b'"sha256":"', b'"sha512":"'),
        json.dumps(json.loads(BODY)).encode(),
        b'{"predicateType"' + BODY,
    ],
)
def test_another_form_is_not_taken_for_ours(body):
    forms = Forms()
    assert forms.of(BODY) is not None
    assert forms.of(body) is None


@pytest.mark.parametrize("kind", SCHEMAS)
def test_each_kind_is_known_by_its_beginning(kind):
    body = BODY.replace(b"/outcome/", f"/{kind}/".encode())
    assert Forms().of(body) == (kind, "2026-03-04T05:06:07.000008Z", parsed(BODY)[2])


def test_forms_that_are_remembered_are_bounded():
    forms = Forms()
    for number in range(200):
        name = "n" * number
        body = BODY.replace(b'"name":"request"', f'"name":"{name}"'.encode())
        known = forms.of(body)
        assert known is None or known == parsed(body)
    assert len(forms._tails["outcome"]) == 64


@given(st.lists(st.integers(1, 70), max_size=12))
def test_a_tree_grows_alike_by_one_and_by_many(parts):
    one, many = TreeBuilder(), TreeBuilder()
    for part in parts:
        leaves = [leaf_hash(f"{one.size + n}".encode()) for n in range(part)]
        nodes = {}
        for leaf in leaves:
            nodes |= one.extend([leaf])
        assert many.extend(leaves) == nodes
        assert (many.size, many.peaks, many.root()) == (one.size, one.peaks, one.root())


def test_a_log_is_given_as_it_is_kept():
    log = MemoryLog()
    append(log, [outcome_statement(Outcome(f"r{n}", "m", success=True)) for n in range(1200)])
    chunks = list(log.raw_leaves(100))
    assert [len(chunk) for chunk in chunks] == [500, 500, 100]
    assert [row[0] for chunk in chunks for row in chunk] == list(range(100, 1200))
