"""Whole answers and errors, checked against the types of the official clients."""

import anthropic.types as at
import msgspec
import openai.types.chat as ot
import openai.types.shared as oshared
import pytest
from anthropic.types.shared import ErrorResponse

from crossmodel.errors import ProviderResponseError
from crossmodel.gateway.translation.answers import completion_to_message, message_to_completion
from crossmodel.gateway.translation.errors import error_body, error_status, translate_error
from crossmodel.wire.dialect import Dialect


def message(*content, **more):
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 5, "output_tokens": 7,
             "output_tokens_details": {"thinking_tokens": 4}}  # fmt: skip
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(content),
            "stop_reason": "end_turn", "stop_sequence": None, "usage": usage} | more  # fmt: skip


def completion(finish="stop", usage=None, **said):
    choice = {"index": 0, "message": {"role": "assistant", **said}, "finish_reason": finish}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt",
        "choices": [choice],
        "usage": usage,
    }


def call(arguments='{"a":1}', called="call_1"):
    return {"id": called, "type": "function", "function": {"name": "f", "arguments": arguments}}


def as_completion(given):
    made = message_to_completion(given, created=5)
    ot.ChatCompletion.model_validate(made, strict=True)
    return made


def as_message(given):
    made = completion_to_message(given)
    at.Message.model_validate(made, strict=True)
    return made


def test_a_message_as_a_completion():
    made = as_completion(message(
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        stop_reason="tool_use",
    ))  # fmt: skip
    assert made == {
        "id": "msg_1", "object": "chat.completion", "created": 5, "model": "claude",
        "choices": [{
            "index": 0, "logprobs": None, "finish_reason": "tool_calls",
            "message": {
                "role": "assistant", "content": "ab", "refusal": None, "reasoning_content": "hm",
                "tool_calls": [call(called="t1")],
            },
        }],
        "usage": {
            "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
    }  # fmt: skip


def test_a_completion_as_a_message():
    usage = {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
             "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
             "completion_tokens_details": {"reasoning_tokens": 4}}  # fmt: skip
    made = as_message(
        completion(
            "tool_calls",
            usage,
            content="ab",
            tool_calls=[call(), call("", "a.b")],
            reasoning_content="hm",
        )
    )
    odd = made["content"][2].pop("id")
    assert odd.startswith("call_")
    assert made == message(
        {"type": "text", "text": "ab"},
        {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "name": "f", "input": {}},
        id="c1", model="gpt", stop_reason="tool_use",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"),
        ("refusal", "content_filter"), ("pause_turn", "length"), ("model_context_window_exceeded", "length"),
        ("unheard_of", "stop"), (None, "stop"), ({}, "stop"),
    ],
)  # fmt: skip
def test_stop_reasons(stop, finish):
    assert as_completion(message(stop_reason=stop))["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize(
    ("finish", "calls", "refusal", "stop"),
    [
        ("stop", 0, None, "end_turn"), ("length", 0, None, "max_tokens"), ("length", 1, None, "max_tokens"),
        ("tool_calls", 1, None, "tool_use"), ("function_call", 1, None, "tool_use"), ("stop", 1, None, "tool_use"),
        ("content_filter", 0, None, "refusal"), ("stop", 0, "no", "refusal"), ("unheard_of", 0, None, "end_turn"),
        (None, 0, None, "end_turn"), ([], 1, None, "tool_use"),
    ],
)  # fmt: skip
def test_finish_reasons(finish, calls, refusal, stop):
    made = as_message(
        completion(finish, content=None, refusal=refusal, tool_calls=[call()] * calls)
    )
    assert made["stop_reason"] == stop
    assert made["usage"]["input_tokens"] == 0


def test_refusals_say_why():
    details = {"type": "refusal", "category": "bio", "explanation": "not that"}
    made = as_completion(message(stop_reason="refusal", stop_details=details))
    assert made["choices"][0]["message"]["refusal"] == "not that"
    assert made["choices"][0]["message"]["content"] is None
    assert as_message(completion(refusal="not that"))["content"] == [
        {"type": "text", "text": "not that"}
    ]


def test_the_matched_stop_sequence_where_a_server_says_it():
    given = completion(content="a")
    given["choices"][0]["stop_reason"] = "END"
    made = as_message(given)
    assert (made["stop_reason"], made["stop_sequence"]) == ("stop_sequence", "END")


@pytest.mark.parametrize(
    "given",
    [
        [], {}, {"content": None}, message({"type": "server_tool_use"}), message({"type": "text"}), message("x"),
        message(id=3), message(model=None), message({"type": "tool_use", "id": "t", "name": "f", "input": "x"}),
    ],
)  # fmt: skip
def test_messages_that_cannot_be_translated(given):
    with pytest.raises(ProviderResponseError, match="cannot be translated"):
        message_to_completion(given, created=1)


@pytest.mark.parametrize(
    "given",
    [
        [], {}, {"choices": []}, {"choices": [{}]}, completion(content=3), completion(content=[3]),
        completion(tool_calls=[call("{")]), completion(tool_calls=[call("3")]), completion(tool_calls=3),
        completion(audio={"id": "a"}), completion(content="x") | {"model": 3}, completion(refusal=3),
    ],
)  # fmt: skip
def test_completions_that_cannot_be_translated(given):
    with pytest.raises(ProviderResponseError, match="cannot be translated"):
        completion_to_message(given)


@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529]
)
def test_errors_have_the_shape_of_each_dialect(status):
    theirs = msgspec.json.decode(error_body(status, "no", Dialect.MESSAGES))
    ErrorResponse.model_validate(theirs, strict=True)
    ours = msgspec.json.decode(error_body(status, "no", Dialect.CHAT, code="c", param="p"))
    oshared.ErrorObject.model_validate(ours["error"], strict=True)
    assert (ours["error"]["code"], ours["error"]["param"]) == ("c", "p")
    for body in (theirs, ours):
        for dialect in Dialect:
            again = msgspec.json.decode(translate_error(status, msgspec.json.encode(body), dialect))
            assert again["error"]["message"] == "no"


@pytest.mark.parametrize(
    ("status", "kind_there", "kind_here"),
    [
        (400, "invalid_request_error", "invalid_request_error"), (401, "authentication_error", "authentication_error"),
        (429, "rate_limit_error", "rate_limit_error"), (500, "api_error", "server_error"),
        (529, "overloaded_error", "server_error"), (404, "not_found_error", "not_found_error"),
    ],
)  # fmt: skip
def test_error_types(status, kind_there, kind_here):
    assert (
        msgspec.json.decode(error_body(status, "", Dialect.MESSAGES))["error"]["type"] == kind_there
    )
    assert msgspec.json.decode(error_body(status, "", Dialect.CHAT))["error"]["type"] == kind_here


def test_the_status_that_only_one_dialect_knows():
    assert error_status(529, Dialect.CHAT) == 503
    assert error_status(529, Dialect.MESSAGES) == 529
    assert error_status(429, Dialect.CHAT) == 429


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>bad gateway</html>", "the provider answered 502 and did not say why"),
        (b"", "the provider answered 502 and did not say why"),
        (b"[" * 100_000, "the provider answered 502 and did not say why"),
        (b'{"error":3}', "the provider answered 502 and did not say why"),
        (b'{"error":"plain"}', "plain"),
        (b'{"message":"flat"}', "flat"),
        (b'{"error":{"message":"' + b"x" * 5000 + b'"}}', "x" * 2000),
    ],
)
def test_errors_of_no_dialect(body, said):
    assert msgspec.json.decode(translate_error(502, body, Dialect.CHAT))["error"]["message"] == said
