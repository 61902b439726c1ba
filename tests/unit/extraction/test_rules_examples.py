"""Rules and worked examples, in the forms that people write them, and what belongs together."""

import pytest

from crossmodel.extraction import InsightExtractor
from crossmodel.extraction.reading import Reading
from crossmodel.extraction.rules import rules_and_examples


def finds(text):
    return rules_and_examples(Reading(text))


def of_kind(text, kind):
    return [text[f.start : f.end] for f in finds(text) if f.kind == kind]


def pairs(text):
    found = [f.metadata for f in finds(text) if f.kind == "example"]
    for metadata in found:
        assert text[slice(*metadata["input_span"])] == metadata["input"]
        assert text[slice(*metadata["output_span"])] == metadata["output"]
    return [(metadata["input"], metadata["output"]) for metadata in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Example: cat -> kat", [("cat", "kat")]),
        ("cat → kat", [("cat", "kat")]),
        ("cat => kat", [("cat", "kat")]),
        ("e.g. `cat` ⇒ **kat**.", [("cat", "kat")]),
        ("cat -> kat, dog -> dogge; cow -> kow", [("cat", "kat"), ("dog", "dogge"), ("cow", "kow")]),
        ("- refund, Germany → RF-DE", [("refund, Germany", "RF-DE")]),
        ("`zget` becomes `ZGET`", [("zget", "ZGET")]),
        ('"color" turns into "colour".', [("color", "colour")]),
        ("A refund from Germany becomes `RF-DE`.", [("A refund from Germany", "RF-DE")]),
        ("For instance, 3 May gives 03/05.", [("3 May", "03/05")]),
        ("For example, a late ticket is `T-9`.", [("a late ticket", "T-9")]),
        ("A mild ticket from week 12 would be B.12.BLUE.", [("A mild ticket from week 12", "B.12.BLUE")]),
        ("Q: What is the capital of Ruritania?\nA: Strelsau.",
         [("What is the capital of Ruritania?", "Strelsau")]),
        ("Q: 2+2? A: 4", [("2+2?", "4")]),
        ("Input: abc\nOutput: cba", [("abc", "cba")]),
        ("Input: abc, Output: cba", [("abc", "cba")]),
        ("**Input:** `abc`\n\n**Output:** `cba`", [("abc", "cba")]),
        ("Example 1: Input: abc → Output: cba", [("abc", "cba")]),
        ("Input: abc\n\nOutput:\n```\ncba\n```", [("abc", "cba")]),
        ("Before: pls fix\nAfter: Please fix this.", [("pls fix", "Please fix this")]),
        ('To store 5 under age: `zput("age", 5)`', [("store 5 under age", 'zput("age", 5)')]),
        ('To store 5 under age, call `zput("age", 5)`.', [("store 5 under age", 'zput("age", 5)')]),
        ('- Store 5 under age: `zput("age", 5)`', [("Store 5 under age", 'zput("age", 5)')]),
        ('`zput("age", 5)` stores 5 under age.', [("stores 5 under age", 'zput("age", 5)')]),
        ('```\n# store 5 under age\nzput("age", 5)\n```', [("store 5 under age", 'zput("age", 5)')]),
        ('```python\nzget("age")  # -> 5\n```', [('zget("age")', "5")]),
        ("```\n>>> zget('age')\n5\n```", [("zget('age')", "5")]),
        ("| Team | Prefix |\n|---|---|\n| Refunds | `RF` |\n| Logins | LG |",
         [("Refunds", "RF"), ("Logins", "LG")]),
    ],
)  # fmt: skip
def test_examples_in_every_usual_form(text, expected):
    assert pairs(text) == expected


def test_labels_may_end_in_a_colon_of_full_width():
    for text in ("Input: abc\nOutput: cba", "Input: abc, Output: cba"):
        assert pairs(text.replace(":", "\uff1a")) == pairs(text) == [("abc", "cba")]
    assert of_kind("Rule\uff1acodes end in a digit.", "rule")


@pytest.mark.parametrize(
    "text",
    [
        "First A -> B -> C -> D happens.",
        "`def f(x: int) -> int` is the signature",
        "Dates become clearer.",
        'Now, let\'s find an input that makes the function return "True".',
        "The answer is 5.",
        "Is cat -> kat right?",
        "To store a value, call `zput(key, value)`.",
        "```python\ndef f(x):\n    # add one\n    return g(x + 1)\n```",
        "He said that it gives him hope.",
        "Dates are written as `YYYY-MM-DD`.",
    ],
)
def test_what_is_no_example(text):
    assert pairs(text) == []


@pytest.mark.parametrize(
    "rule",
    [
        "Every ticket code starts with the prefix of the team.",
        "Order codes must have six digits.",
        "Never use spaces in a code.",
        "Invoices are always numbered by year.",
        "Dates are written as DD/MM/YYYY.",
        "Billing questions go to queue Q-17.",
        "RF stands for a refund that was approved.",
        "The prefix of the team in Spain is ES.",
        "The code for Spain is ES9.",
        "A ticket code consists of a letter and two digits.",
        "To save a value, call `zput(key, value)`.",
        "`zdel(key)` removes the entry.",
        "Rule: codes end in a digit.",
        "Use `snake_case` for functions.",
        'Write "e-mail" with a hyphen.',
        "- `RF`: refunds",
        "- **Refunds**: queue R7",
        "### Routing\n- Refunds: R7",
        "## Codes\nHR = Q40",
        "| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |",
    ],
)
def test_rules_in_every_usual_form(rule):
    assert of_kind(rule, "rule")


@pytest.mark.parametrize(
    "text",
    [
        "Sure, here is what you must know.",
        "Must every code have six digits?",
        "He was always late, and she never forgave him.",
        "So x must be 5.",
        "We must now add the two numbers together.",
        "I hope this always helps you a lot.",
        "x = 5",
        "- Speed: v = d / t",
        "The sky was blue that day.",
        "You must do the following things:",
    ],
)
def test_what_is_no_rule(text):
    assert of_kind(text, "rule") == []


def test_a_sentence_with_rule_and_example_gives_both_linked():
    text = "Dates are written as DD/MM/YYYY, e.g. 3 May 2024 → 03/05/2024."
    rule, example = finds(text)
    assert text[rule.start : rule.end] == "Dates are written as DD/MM/YYYY"
    assert example.metadata["output"] == "03/05/2024"
    assert rule.links == [example]
    assert example.links == [rule]


def test_a_rule_takes_in_the_sentence_that_says_it_of_it():
    text = "Codes have six digits and must be unique. They are always printed in bold. It rains."
    assert of_kind(text, "rule") == [
        "Codes have six digits and must be unique. They are always printed in bold."
    ]


def test_examples_go_with_the_rules_of_their_section():
    text = """## Codes
Codes must start with the team. Codes never hold spaces.
Example: refund -> RF1

Prices are written with a comma.
Example: 3.5 -> 3,5

## Tone
Always write short sentences.
"""
    found = finds(text)
    by_text = {text[f.start : f.end]: f for f in found}
    links = {name: [text[each.start : each.end] for each in f.links] for name, f in by_text.items()}
    assert links["Example: refund -> RF1"] == [
        "Codes must start with the team.", "Codes never hold spaces.",
    ]  # fmt: skip
    assert links["Example: 3.5 -> 3,5"] == ["Prices are written with a comma."]
    assert links["Always write short sentences."] == []
    assert by_text["Example: refund -> RF1"].scope == "Codes"


def test_examples_before_the_only_rule_of_a_section_belong_to_it():
    text = "## Codes\ncat -> kat\n\ncow -> kow\n\nSo the letter c is always written as k."
    text = text.replace("So the", "The")
    *examples, rule = finds(text)
    assert rule.links == examples


def test_a_table_is_a_rule_with_its_rows_as_examples():
    text = "Prefixes:\n\n| Team | Prefix |\n|---|---|\n| Refunds | RF |\n| Logins | LG |"
    rule, first, second = finds(text)
    assert (rule.kind, first.kind, second.kind) == ("rule", "example", "example")
    assert text[rule.start : rule.end].startswith("| Team")
    assert rule.links == [first, second]
    assert rule.scope == "Prefixes"


def test_types_follow_the_content():
    assert [f.insight_type for f in finds("To save a value, call `zput(key, value)`.")] == [
        "coding"
    ]
    assert [f.insight_type for f in finds("Codes are written with a dash.")] == ["language"]
    assert [f.insight_type for f in finds("Refunds must go to Bob first.")] == ["reasoning"]


def test_no_two_finds_of_one_kind_share_a_span():
    text = "Rule: codes must start with RF, e.g. a -> RF1.\n- `RF`: refunds\nQ: a?\nA: RF1\n" * 3
    spans = [(f.kind, f.start, f.end) for f in finds(text)]
    assert len(spans) == len(set(spans))


@pytest.mark.parametrize("arrow", ["→", "->", "=>"])
@pytest.mark.parametrize("mark", ["`", "", "**"])
def test_a_question_and_what_an_arrow_maps_it_to_are_one_example(arrow, mark):
    question, answer = "What is the ticket code for a lamp on floor 2?", "TK-lamp-2"
    text = f"- {mark}{question}{mark} {arrow} {mark}{answer}{mark}\n"
    (found,) = InsightExtractor().extract(text, "big").insights
    assert (found.metadata["input"], found.metadata["output"]) == (question, answer)


@pytest.mark.parametrize(
    "text",
    [
        "A signed badge is mandatory in the lab.",
        "Each parcel belongs to exactly one belt.",
        "Failed jobs are tagged with the word stale.",
        "Glass and paper are prohibited on deck 4.",
        "Late orders are handled by the night crew.",
    ],
)
def test_whatever_tells_how_something_must_be_is_looked_at(text):
    assert of_kind(text, "rule") == [text]


def test_examples_in_another_language_keep_what_explains_them():
    text = '誰が来ましたか。 (Dare ga kimashita ka.) → "Who came?"'
    assert pairs(text) == [("誰が来ましたか。 (Dare ga kimashita ka.)", "Who came?")]
    assert pairs("Should cat -> kat?") == []
    assert of_kind("**Rule of thumb:** use wa for what is known.", "rule")
