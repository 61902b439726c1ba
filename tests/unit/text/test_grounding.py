"""Grounding: what a source says, and what it nearly says."""

import unicodedata

import pytest

from crossmodel.text.grounding import Grounder, ground


@pytest.mark.parametrize(
    ("claim", "source", "evidence"),
    [
        ("x < 5", "if x < 5 then", "x < 5"),
        ("x<5", "if x  <\n5 then", "x  <\n5"),
        ("Birds “fly”", 'the birds  "fly" well', 'birds  "fly"'),
        ("The rate is 5%", "so the rate is 5%.", "the rate is 5%"),
        ("don’t stop", "please don't stop", "don't stop"),
        ("café au lait", "un cafe\u0301 au\u00a0lait", "cafe\u0301 au\u00a0lait"),
        ("ＡＢＣＤ 12", "code abcd 12.", "abcd 12"),
        ("fine day", "a ﬁne day", "ﬁne day"),
        ("wait...", "wait… now", "wait…"),
        ("x − 1", "let x - 1 be", "x - 1"),
        ("RF-ES", "refund -> RF-ES", "RF-ES"),
        ("all birds fly", "> all birds fly", "all birds fly"),
        ("42", "<answer>42</answer>", "42"),
        ("dropped", "- dropped", "dropped"),
        ("हिन्दी", "यह हिन्दी है", "हिन्दी"),
        ("👍🏽 ok", "so 👍🏽  ok", "👍🏽  ok"),
        ("\ud800 a", "b \ud800  a", "\ud800  a"),
        ("a\x00b", "x a\x00b y", "a\x00b"),
        ("second", "1.second second", "second"),
    ],
)
def test_what_is_said_is_found_where_it_stands(claim, source, evidence):
    span = ground(claim, source)
    assert span is not None
    assert source[span.start : span.end] == evidence


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("", "a"), (" \n", "a"), ("a", ""), ("a", "b"),
        ("12", "312"), ("12", "1.12"), ("12", "12.5"), ("12", "1,120"), ("12", "v12"),
        ("5 items", "3-5 items"), ("2 cups", "1/2 cups"), ("5", "-5"), ("5", "−5"), ("5", "$5"),
        ("5", "5%"), ("5", "5kg"), ("10", "10²"), ("10", "10^6"), ("5", "5½"), ("15", "2024-01-15"),
        ("102", "10²"), ("51/2", "5½"), ("H2O", "H₂O"), ("1", "①"),
        ("x < 5", "x > 5"), ("x = 5", "x ≠ 5"), ("x = 5", "x \u0338= 5"), ("x = 5", "x =\u0338 5"),
        ("5 ms", "latency < 5 ms"), ("a and b", "a or b"),
        ("birds can fly", "birds can not fly"), ("birds can", "birds can't"),
        ("all birds fly", "Not all birds fly"), ("valid", "It is not valid"),
        ("valid", "It isn't valid"), ("a permit", "without a permit"), ("valid", "!valid"),
        ("compliant", "non-compliant"), ("notable", "not able"), ("able", "not able"),
        ("5 MB", "5 Mb"), ("5 mW", "5 MW"), ("ask US", "ask us"), ("getUser", "getuser"),
        ("5 kg", "5 lb"), ("Ada won", "Bob won"), ("config", "config.debug"), ("path", "os.path"),
        ("MAX_SIZE", "MAXSIZE"), ("cafe", "cafe\u0301"), ("a", "ab"), ("1,000", "1000"),
    ],
)  # fmt: skip
def test_what_is_only_nearly_said_is_not(claim, source):
    assert ground(claim, source) is None


def test_one_digit_changed_is_enough():
    source = "The pump lifts 4096 litres in 12.5 minutes at 3 bar, never more than 7 times a day."
    claims = 0
    for at, character in enumerate(source):
        if character.isdigit():
            changed = source[:at] + str((int(character) + 1) % 10) + source[at + 1 :]
            assert ground(changed, source) is None
            claims += 1
    assert claims == 9
    assert ground(source, source) is not None


def test_the_first_place_that_stands_alone_counts():
    source = "312 and 1.12, then 12"
    assert ground("12", source).start == source.rindex("12")
    many = "1" * 1000 + " 1"
    assert ground("1", many).start == len(many) - 1
    twice = "aaa  bbb; AAAA  bbb aaaa   bbb"
    assert ground("aaaa bbb", twice).start == twice.index("AAAA")


def test_a_grounder_answers_many_claims():
    grounder = Grounder("alpha beta. " * 50 + "gamma  DELTA")
    assert grounder.ground("gamma delta") is not None
    assert grounder.ground("beta. alpha") is not None
    assert grounder.ground("delta gamma") is None


def test_decomposed_and_composed_sources_agree():
    text = "Ἑλλάς, Ångström, 한국어 and naïve résumé"
    source = unicodedata.normalize("NFD", text)
    span = ground(text, source)
    assert span is not None
    assert (span.start, span.end) == (0, len(source))


@pytest.mark.slow
def test_ten_megabytes():
    source = (
        "The quick brown fox jumps over 13 lazy dogs. " * 230_000 + "It sleeps  at 22:15 sharp."
    )
    assert len(source) > 10_000_000
    assert ground("It sleeps  at 22:15 sharp.", source) is not None
    span = ground("it sleeps at 22:15 sharp.", source)
    assert span is not None
    assert source[span.start : span.end] == "It sleeps  at 22:15 sharp."
    assert ground("it sleeps at 22:16 sharp.", source) is None
