"""What a request's body says, as the gateway reads it."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.domain.models import Feature
from crossmodel.errors import InvalidInputError
from crossmodel.gateway.peek import conversation_of, peek
from crossmodel.gateway.routes import CHAT, MESSAGES, RESPONSES

FORMAT = {"type": "json_schema", "schema": {}}


@pytest.mark.parametrize(
    ("more", "features"),
    [
        ({}, set()),
        ({"stream": True}, {Feature.STREAMING}),
        ({"stream": False}, set()),
        ({"tools": [{"type": "function"}]}, {Feature.TOOLS}),
        ({"tools": []}, set()),
        ({"response_format": {"type": "json_object"}}, set()),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, {Feature.JSON_SCHEMA}),
        ({"text": {"format": FORMAT}}, {Feature.JSON_SCHEMA}),
        ({"output_config": {"format": FORMAT}}, {Feature.JSON_SCHEMA}),
        ({"output_format": FORMAT}, {Feature.JSON_SCHEMA}),
        ({"messages": [{"content": [{"type": "image_url"}]}]}, {Feature.VISION}),
        ({"messages": [{"content": 'say "image_url"'}]}, set()),
    ],
)
def test_what_a_model_must_be_able_to_do_is_seen(more, features):
    assert peek(json.dumps({"model": "m", **more}).encode()).features == features


def seen(limits=CHAT.limits, **more):
    return peek(json.dumps({"model": "m", **more}).encode(), limits)


def test_the_body_goes_on_as_it_was_but_for_the_models_name_and_what_is_ours():
    kept = '"messages":[ {"role": "user","content":"\\u00e9 \\u0061"} ],"n": 1.0,"zz":1e400'
    looked = peek(f'{{"crossmodel":{{"cache":false}},{kept},"model":"a\\u0062"}}'.encode())
    assert looked.model == "ab"
    assert looked.ours == {"cache": False}
    body = looked.body('n"ame').decode()
    assert json.loads(body)["model"] == 'n"ame'
    assert "crossmodel" not in body
    assert '[ {"role": "user","content":"\\u00e9 \\u0061"} ]' in body
    assert "1e400" in body


def test_of_a_key_that_is_there_twice_the_provider_reads_what_was_checked():
    looked = peek(b'{"model":"cheap","max_tokens":1,"mod\\u0065l":"dear","max_tokens":9}')
    assert looked.model == "dear"
    assert looked.most_tokens == 9
    body = looked.body("dear")
    assert body.count(b"max_tokens") == body.count(b"model") == 1


@pytest.mark.parametrize(
    ("route", "given", "most"),
    [
        (CHAT, {}, None),
        (CHAT, {"max_tokens": 5}, 5),
        (CHAT, {"max_tokens": None}, None),
        (CHAT, {"max_completion_tokens": None, "max_tokens": 5}, 5),
        (CHAT, {"max_completion_tokens": 5, "max_tokens": 9}, 9),
        (CHAT, {"max_completion_tokens": 9, "max_tokens": 5}, 9),
        (CHAT, {"max_output_tokens": 1}, None),
        (CHAT, {"max_output_tokens": "no limit there"}, None),
        (RESPONSES, {"max_output_tokens": 7, "max_tokens": 1}, 7),
        (MESSAGES, {"max_tokens": 7, "max_completion_tokens": 1}, 7),
    ],
)
def test_only_what_limits_an_answer_on_that_path_limits_it(route, given, most):
    assert seen(route.limits, **given).most_tokens == most


@pytest.mark.parametrize("count", [0, -1, 0.5, "x", "", [], {}, 1e400, "inf", "nan", -(10**30)])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n", "best_of"])
def test_what_is_no_count_is_refused_by_its_name(name, count):
    if isinstance(count, float) and math.isinf(count):
        body = f'{{"model":"m","{name}":1e400}}'.encode()
    else:
        body = json.dumps({"model": "m", name: count}).encode()
    with pytest.raises(InvalidInputError, match=name):
        peek(body, CHAT.limits)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b'"model"', b"{", b'{"model"}', b'{"model":"m"} x', b"\xff", b"{}",
        b'{"model":"m\xff"}', b'{"model":null}', b'{"model":5}', b'{"model":["m"]}',
        b'{"model":"m","crossmodel":null}', b'{"model":"m","crossmodel":[]}',
        b'{"model":"m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"\\ud800"}', '{"model":"m"}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(body):
    with pytest.raises(InvalidInputError):
        peek(body)


@settings(max_examples=300)
@given(body=st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
            st.sampled_from(["model", "messages", "input", "content", "type", "text", "stream",
                             "max_tokens", "n", "role", "tools", "crossmodel", "prompt", "é"]),
            inner, max_size=5),
        max_leaves=20,
    ).map(lambda made: json.dumps(made).encode()),
))  # fmt: skip
def test_any_bytes_are_read_or_refused(body):
    try:
        looked = peek(body)
        conversation_of(looked.fields)
    except InvalidInputError:
        return
    assert looked.size >= 0
    assert json.loads(looked.body("x"))["model"] == "x"


IMAGE = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}


@pytest.mark.parametrize(
    ("given", "is_text"),
    [
        ({"messages": [{"role": "user", "content": 'it says "image_url" and "type"'}]}, True),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, False),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}, True),
        ({"input": [{"type": "input_file", "file_id": "f"}]}, False),
        ({"input": "a", "previous_response_id": "r"}, False),
        ({"input": "a", "conversation": "c"}, False),
        ({"input": "a", "prompt": {"id": "p"}}, False),
        ({"prompt": "a {"}, True),
    ],
)
def test_what_holds_more_than_its_text_is_seen(given, is_text):
    assert seen(**given).is_text is is_text


@pytest.mark.parametrize("escape", ["\\u005F", "\\u005f"])
def test_escapes_hide_no_attachment(escape):
    spelled = json.dumps({"messages": [{"role": "user", "content": [IMAGE]}], "model": "m"})
    for hidden in (
        spelled.replace("image_url", f"image{escape}url"),
        spelled.replace('"type"', '"t\\u0079pe"'),
        spelled.replace("image_url", "\\u0069mage_url"),
    ):
        looked = peek(hidden.encode())
        assert not looked.is_text
        assert looked.features == {Feature.VISION}


def test_the_size_of_attachments_is_not_that_of_text():
    data = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    content = [{"type": "text", "text": "é" * 10}, data]
    assert seen(messages=[{"role": "user", "content": content}]).size == 20
