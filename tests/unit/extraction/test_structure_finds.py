"""What is found by where it stands: sections, labels, poems, formulas, methods."""

import time

import pytest

from crossmodel import InsightExtractor
from crossmodel.extraction.categories import category_of
from crossmodel.extraction.compositions import compositions
from crossmodel.extraction.reading import Reading


def found(text, kind=None):
    insights = InsightExtractor().extract(text, "strong").insights
    for insight in insights:
        span = insight.evidence[0]
        assert " ".join(text[span.start : span.end].split()) == " ".join(insight.content.split())
    return [(i.insight_type, i.kind, i.content) for i in insights if kind in (None, i.kind)]


@pytest.mark.parametrize(
    ("heading", "insight_type", "kind"),
    [
        ("Risks", "analysis", "risk"),
        ("Pros and cons", "analysis", "risk"),
        ("Key Findings:", "analysis", "finding"),
        ("Best practices", "analysis", "recommendation"),
        ("Trade-offs", "analysis", "comparison"),
        ("Plot outline", "creativity", "idea"),
        ("Edge cases", "coding", "risk"),
        ("Complexity", "coding", "claim"),
        ("Glossary", "language", "definition"),
    ],
)
def test_items_are_what_their_heading_or_their_lead_says(heading, insight_type, kind):
    item = "Stale entries stay in the cache after a rename"
    title = heading.rstrip(":")
    for announced in (f"## {heading}", f"{title}:", f"{title}\uff1a"):
        assert (insight_type, kind, item) in found(f"{announced}\n\n- {item}\n")


@pytest.mark.parametrize(
    "heading", ["Edge of the plate", "Use cases", "How the idea of a risk came to the city", ""]
)
def test_other_headings_name_no_category(heading):
    assert category_of(heading) is None


def test_labelled_lines_say_what_they_are():
    text = "Idea 1: a clock that runs on rain.\n\n**Trade-off:** writes slow down by a third."
    assert ("creativity", "idea", "Idea 1: a clock that runs on rain.") in found(text)
    assert ("analysis", "comparison", "**Trade-off:** writes slow down by a third.") in found(text)


POEM = (
    "The kettle hums upon the morning stove,\nA narrow light comes over roof and wall,\n"
    "The cat has found the only patch of sun,\nAnd sleeps as if no hour would ever call.\n\n"
    "So let the day begin without a word.\nThe street is still and nothing can be heard."
)


def test_a_poem_is_one_insight():
    text = f"Sure, here is a poem:\n\n{POEM}\n\nI hope that you like it."
    [(insight_type, _, content)] = found(text, "composition")
    assert (insight_type, content) == ("creativity", POEM)
    [find] = compositions(Reading(text))
    assert find.metadata == {"form": "verse", "lines": 6, "paragraphs": 2}


def test_a_passage_goes_on_until_something_else_begins():
    passage = "Mara found the key under the third stone.\n\nIt fitted no lock in the house."
    for text in (f"Passage:\n{passage}\n\n## Notes\n\nShort.", f"### Story\n\n{passage}\n"):
        assert [content for *_, content in found(text, "composition")] == [passage]


@pytest.mark.parametrize(
    "text",
    [
        "Alice is older than Bob\nBob is older than Carol\nCarol is older than Dave\nDave is last",
        "Name: Ada\nAge: 36\nCity: London\nJob: Analyst",
        "x = 1,\ny = 2,\nz = 3,\nw = 4",
        "We went to the shop. It was closed.\nThen we went home. It rained.\nWe slept.\nThe end.",
    ],
)
def test_lines_alone_make_no_poem(text):
    assert not found(text, "composition")


def test_methods_are_named():
    text = "By the law of cosines, the third side is 7. Using Fermat's theorem we reduce it."
    assert [content for *_, content in found(text, "method")] == text.replace(". U", ".|U").split(
        "|"
    )
    assert not found("It says that ignorance of the law excuses you.", "method")


def test_formulas_that_hold_elsewhere_are_equations_and_calculations_steps():
    text = (
        "The force follows from\n\n$$F = \\frac{G m_1 m_2}{r^2}$$\n\n"
        "\\[\nv = 3 \\cdot 4 = 12\n\\]\n\n"
        "For a falling body \\(v = g t\\) holds near the ground.\n\nSubstitute \\(v = g t\\):\n\n"
        "So the answer is 12."
    )
    sorts = {content: kind for _, kind, content in found(text)}
    assert sorts["F = \\frac{G m_1 m_2}{r^2}"] == "equation"
    assert sorts["v = 3 \\cdot 4 = 12"] == "step"
    assert sorts["For a falling body \\(v = g t\\) holds near the ground."] == "equation"
    assert "Substitute \\(v = g t\\):" not in sorts
    assert sorts["v = g t"] == "equation"  # the formula of what only announces


@pytest.mark.parametrize(
    "hostile",
    ["A line,\n" * 200_000, "Passage:\n" * 100_000, "- Risk: " * 100_000, "$" * 400_000,
     "\\(" * 200_000, "# Risks\n- a b c\n" * 50_000, "by the " * 200_000, "é İ ß " * 100_000],
)  # fmt: skip
def test_hostile_texts_take_linear_time(hostile):
    def seconds(text):
        started = time.process_time()
        InsightExtractor().extract(text, "strong")
        return time.process_time() - started

    part = seconds(hostile[: len(hostile) // 8])
    assert seconds(hostile) < 8 * 8 * part + 1  # eight times the text, far from its square


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Here's why:\n\n1. Tokens remain valid until they expire.",
         ("reasoning", "claim", "Tokens remain valid until they expire.")),
        ("### Why this works\n\n- One query per relation is run and joined.",
         ("reasoning", "claim", "One query per relation is run and joined.")),
        ("I read the report. Key takeaways:\n\n* Revenue grew by a seventh in a year.",
         ("analysis", "finding", "Revenue grew by a seventh in a year.")),
        ("**Next steps**\n\n- Roll the change back for small accounts.",
         ("analysis", "recommendation", "Roll the change back for small accounts.")),
        ("> ⚠️ **Gotcha:** filtering again runs a new query each time.",
         ("coding", "risk", "⚠️ **Gotcha:** filtering again runs a new query each time.")),
        ("**TL;DR:** one join brings 501 queries down to 1.",
         ("reasoning", "conclusion", "**TL;DR:** one join brings 501 queries down to 1.")),
        ("Timing attacks are harder to notice than crashes.",
         ("analysis", "comparison", "Timing attacks are harder to notice than crashes.")),
        ("## Pros\n\n- **Size**: the messages are three times smaller.",
         ("analysis", "finding", "**Size**: the messages are three times smaller.")),
        ('Sure! Here are two slogan ideas for your bakery:\n\n1. **"Rise"** - playful and short',
         ("creativity", "idea", '**"Rise"** - playful and short')),
        ("- If third parties call you → stay with the old interface.",
         ("reasoning", "rule", "If third parties call you → stay with the old interface.")),
        ("Refunds are allowed within 30 days of delivery.",
         ("reasoning", "rule", "Refunds are allowed within 30 days of delivery.")),
        ("Step 2: Use KE = ½mv².", ("math", "equation", "Step 2: Use KE = ½mv².")),
        ("**Action items**\n\n- [ ] Dana: write the migration guide.",
         ("analysis", "recommendation", "Dana: write the migration guide.")),
        ("## Decisions\n\n1. We ship the third version in May.",
         ("reasoning", "conclusion", "We ship the third version in May.")),
        ("*Affect* is usually a verb in a sentence.",
         ("language", "definition", "*Affect* is usually a verb in a sentence.")),
        ("I'd go with the first, unless you leave early.",
         ("analysis", "recommendation", "I'd go with the first, unless you leave early.")),
        ("A scan of the `SET` cannot use an index.",
         ("reasoning", "rule", "A scan of the `SET` cannot use an index.")),
        ("By the second theorem there are exactly\n\n$$\\boxed{3}$$\n\nsuch roots.",
         ("math", "method", "By the second theorem there are exactly $$\\boxed{3}$$")),
    ],
)  # fmt: skip
def test_outlines_as_models_write_them(text, expected):
    assert expected in found(text)


def test_an_answer_in_json_is_read_as_such():
    text = '{"reasoning": "It fails because the premise is false.", "answer": "B", "score": 0.8}'
    assert found(text) == [
        ("coding", "code", text),
        ("reasoning", "final_answer", '"answer": "B"'),
    ]
    fenced = f"Here it is:\n\n```json\n{text}\n```\n"
    assert ("reasoning", "final_answer", '"answer": "B"') in found(fenced)
    assert not found('{"answers": 3}', "final_answer")
    assert not found('{"answer": "B",', "final_answer")


def test_code_is_about_what_announces_it():
    text = "Here is a function that counts words:\n\n```python\nlen(text.split())\n```\n"
    assert [insight.scope for insight in InsightExtractor().extract(text, "strong").insights] == [
        "a function that counts words"
    ]


def test_what_was_announced_by_a_line_is_the_code_below_it_and_no_later_list():
    text = "Create one:\n\n```sql\nCREATE INDEX i ON t (c);\n```\n\n1. Always look at the plan first.\n"
    insights = InsightExtractor().extract(text, "strong").insights
    assert {insight.kind: insight.scope for insight in insights} == {
        "code": "Create one",
        "rule": "",
    }


def test_a_table_of_alternatives_is_one_comparison_and_its_rows_say_nothing_alone():
    table = "| Approach | Queries | Memory |\n|---|---|---|\n| Naive | 501 | low |\n| Join | 1 | medium |"
    kinds = [(kind, content) for _, kind, content in found(f"## Choices\n\n{table}\n")]
    assert kinds == [("comparison", table)]
