"""Sentences: what ends one, and what does not."""

import pytest

from crossmodel.text.sentences import sentences


def split(text):
    return [text[a:b] for a, b in sentences(text, 0, len(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Pi is 3.14 or so. Next.", ["Pi is 3.14 or so.", "Next."]),
        ("Use e.g. RF, i.e. refunds. Then stop.", ["Use e.g. RF, i.e. refunds.", "Then stop."]),
        ("See Fig. 3 by Dr. Smith et al. It works.", ["See Fig. 3 by Dr. Smith et al.", "It works."]),
        ("J. R. Hartley wrote it. Yes.", ["J. R. Hartley wrote it.", "Yes."]),
        ("Call os.path.join(a, b). Done.", ["Call os.path.join(a, b).", "Done."]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("Wait... what? Yes", ["Wait... what?", "Yes"]),
        ("**Bold.** Next", ["**Bold.**", "Next"]),
        ("1. First step. 2. Second", ["1. First step.", "2. Second"]),
        ("これは文です。次の文。", ["これは文です。", "次の文。"]),
        ("a = 1\nb = 2", ["a = 1", "b = 2"]),
        ("a line that goes\non in lower case. End.", ["a line that goes\non in lower case.", "End."]),
        ("  \n ", []),
        ("", []),
    ],
)  # fmt: skip
def test_sentences(text, expected):
    assert split(text) == expected


def test_hand_wrapped_lines_are_joined():
    text = (
        "Every code in the system starts with the prefix of the team, and\n"
        "RF is the prefix of the team that handles refunds for customers in\n"
        "Europe."
    )
    assert split(text) == [text]
