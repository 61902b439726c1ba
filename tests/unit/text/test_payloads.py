"""What recorded payloads say, in our own form and in the forms of clients."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.text.payloads import as_text, strings_in, texts_in


def said(document):
    raw = json.dumps(document).encode()
    return texts_in([raw]) - {raw.decode()}


@pytest.mark.parametrize(
    ("document", "texts"),
    [
        ({"messages": [{"role": "user", "content": "q"}], "model": "m"}, {"q"}),
        ([{"role": "user", "content": "q"}], {"q"}),
        ({"messages": [{"content": [{"type": "text", "text": "q"}]}]}, {"q"}),
        ({"system": "s", "messages": []}, {"s"}),
        ({"system": [{"type": "text", "text": "s"}]}, {"s"}),
        ({"instructions": "s", "input": "q"}, {"s", "q"}),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "q"}]}]}, {"q"}),
        ({"prompt": ["a", "b"]}, {"a", "b"}),
        ({"messages": [{"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]}, {"{}"}),
        ({"model": "m", "tools": [{"function": {"name": "f", "description": "d"}}]}, set()),
        ({"messages": 7}, set()),
        ("q", set()),
        (7, set()),
        (None, set()),
    ],
)
def test_what_people_and_models_say_is_found_and_names_are_not(document, texts):
    assert said(document) == texts


def test_escapes_of_any_client_are_read():
    raw = b'{"a":"\\u003cK\\u00f6ln\\u003e","b":{"c":["\\/"]}}'
    assert set(strings_in(raw)) >= {"<Köln>", "/"}


@pytest.mark.parametrize("raw", [b"", b"plain", b'"a"', b"{", b"[" * 100_000, b"\xff{}"])
def test_what_is_no_document_holds_no_strings(raw):
    assert list(strings_in(raw)) == []
    assert texts_in([raw]) == {as_text(raw)}


def test_bytes_that_are_no_text_are_replaced_and_half_pairs_kept():
    assert as_text(b"caf\xe9") == "caf\ufffd"
    assert as_text("\ud800".encode("utf-8", "surrogatepass")) == "\ud800"
    assert set(strings_in(b'{"a":"caf\xe9 b"}')) == {"a", "caf\ufffd b"}


@given(st.binary(max_size=60))
def test_no_bytes_raise(raw):
    assert as_text(raw) in texts_in([raw])
    list(strings_in(raw))
