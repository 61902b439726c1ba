"""Requests, checked against the types of the official clients."""

import anthropic.types as at
import openai.types.chat as ot
import pydantic
import pytest

from crossmodel.errors import InvalidInputError
from crossmodel.gateway.translation.chat_request import chat_to_messages, wants_usage
from crossmodel.gateway.translation.messages_request import messages_to_chat

MESSAGES = pydantic.TypeAdapter(at.message_create_params.MessageCreateParams)
CHAT = pydantic.TypeAdapter(ot.completion_create_params.CompletionCreateParams)
PNG = "data:image/png;base64,iVBORw0KGgo="
HI = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def to_messages(**body):
    body = {"model": "m", "messages": HI} | body
    made = chat_to_messages(body, default_max_tokens=4096)
    MESSAGES.validate_python(
        {k: v for k, v in made.items() if k not in {"temperature", "top_p", "top_k"}}, strict=True
    )
    return made


def to_chat(**body):
    made = messages_to_chat({"model": "m", "max_tokens": 9, "messages": HI} | body)
    CHAT.validate_python({k: v for k, v in made.items() if k != "top_k"}, strict=True)
    return made


def tool(name="f", **more):
    return {
        "type": "function",
        "function": {"name": name, "description": "d", "parameters": SCHEMA, **more},
    }


def test_a_plain_request():
    assert to_messages() == {"model": "m", "max_tokens": 4096, "messages": HI}
    assert to_chat() == {"model": "m", "max_completion_tokens": 9, "messages": HI}
    body = {"model": "m", "max_tokens": 9, "messages": HI}
    assert messages_to_chat(body, limit_field="max_tokens")["max_tokens"] == 9


@pytest.mark.parametrize(
    ("chat", "messages"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"temperature": 1.7}, {"temperature": 1}),
        ({"temperature": 0.3, "top_p": 0.5, "top_k": 4}, {"temperature": 0.3, "top_p": 0.5, "top_k": 4}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"reasoning_effort": "minimal"}, {"output_config": {"effort": "low"}}),
        ({"reasoning_effort": "xhigh"}, {"output_config": {"effort": "xhigh"}}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        ),
        ({"response_format": {"type": "text"}}, {}),
        ({"store": True, "seed": 1, "service_tier": "flex", "metadata": {"a": "b"}, "n": 1, "logprobs": False}, {}),
        ({"presence_penalty": 0.0, "logit_bias": None, "unknown": None}, {}),
        (
            {"tools": [tool(strict=True)], "tool_choice": "required", "parallel_tool_calls": False},
            {
                "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True}],
                "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            },
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "function", "function": {"name": "f"}}},
            {
                "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
                "tool_choice": {"type": "tool", "name": "f"},
            },
        ),
        ({"tools": [], "tool_choice": "none", "parallel_tool_calls": False}, {}),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {}}}}]},
            {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]},
        ),
    ],
)  # fmt: skip
def test_fields_of_chat(chat, messages):
    assert to_messages(**chat) == {"model": "m", "max_tokens": 4096, "messages": HI} | messages


@pytest.mark.parametrize(
    ("messages", "chat"),
    [
        ({"temperature": 0.3, "top_p": 0.5, "top_k": 4}, {"temperature": 0.3, "top_p": 0.5, "top_k": 4}),
        ({"stop_sequences": ["x"]}, {"stop": ["x"]}),
        ({"stop_sequences": [], "tools": [], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, {}),
        ({"metadata": {"user_id": "u"}}, {"user": "u"}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, {}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, {"reasoning_effort": "high"}),
        ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}},
        ),
        ({"cache_control": {"type": "ephemeral"}, "service_tier": "auto"}, {}),
        ({"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}}, {}),
        ({"system": "s"}, {"messages": [{"role": "system", "content": "s"}, *HI]}),
        (
            {"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "t"}]},
            {"messages": [{"role": "system", "content": [{"type": "text", "text": "s"}, {"type": "text", "text": "t"}]}, *HI]},
        ),
        (
            {
                "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True, "cache_control": {"type": "ephemeral"}}],
                "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            },
            {"tools": [tool(strict=True)], "tool_choice": "required", "parallel_tool_calls": False},
        ),
        (
            {"tools": [{"type": "custom", "name": "f", "input_schema": {}}], "tool_choice": {"type": "tool", "name": "f"}},
            {
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
                "tool_choice": {"type": "function", "function": {"name": "f"}},
            },
        ),
    ],
)  # fmt: skip
def test_fields_of_messages(messages, chat):
    assert to_chat(**messages) == {"model": "m", "max_completion_tokens": 9, "messages": HI} | chat


def test_a_conversation_with_tools_and_images_there():
    def call(name, called, arguments):
        return {
            "type": "function",
            "id": called,
            "function": {"name": name, "arguments": arguments},
        }

    made = to_messages(messages=[
        {"role": "system", "content": "s1"},
        {"role": "developer", "content": [{"type": "text", "text": "s2"}]},
        {"role": "user", "content": [
            {"type": "text", "text": "look"},
            {"type": "text", "text": ""},
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://x.org/i.png"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [call("f", "c1", '{"a": 1}'), call("g", "functions.g:1", "")]},
        {"role": "tool", "tool_call_id": "c1", "content": "r1"},
        {"role": "tool", "tool_call_id": "functions.g:1", "content": [{"type": "text", "text": "r2"}]},
        {"role": "user", "content": "and?"},
        {"role": "system", "content": "be brief"},
        {"role": "assistant", "content": "", "refusal": None, "reasoning_content": "hm"},
        {"role": "user", "content": "?"},
        {"role": "assistant", "refusal": "no"},
    ])  # fmt: skip
    odd = made["messages"][1]["content"][1]["id"]
    assert odd.startswith("call_")
    assert made["system"] == [{"type": "text", "text": "s1"}, {"type": "text", "text": "s2"}]
    assert made["messages"] == [
        {"role": "user", "content": [
            {"type": "text", "text": "look"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            {"type": "image", "source": {"type": "url", "url": "https://x.org/i.png"}},
            {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}},
        ]},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": odd, "name": "g", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": "r1"},
            {"type": "tool_result", "tool_use_id": odd, "content": "r2"},
            {"type": "text", "text": "and?"},
        ]},
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "no"},
    ]  # fmt: skip


def test_a_conversation_with_tools_and_images_here():
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
    }
    made = to_chat(messages=[
        {"role": "user", "content": [{"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}}, image]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "I call"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "t2", "name": "g", "input": {}, "caller": {"type": "direct"}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": [image]},
            {"type": "tool_result", "tool_use_id": "t2", "content": "gone", "is_error": True},
            {"type": "tool_result", "tool_use_id": "t3"},
            {"type": "text", "text": "and?"},
        ]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
        {"role": "system", "content": "be brief"},
    ])  # fmt: skip
    part = {"type": "image_url", "image_url": {"url": PNG}}
    assert made["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "look"}, part]},
        {"role": "assistant", "content": "I call", "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
            {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "t1", "content": "(The result is shown in the next message.)"},
        {"role": "tool", "tool_call_id": "t2", "content": "Error: gone"},
        {"role": "tool", "tool_call_id": "t3", "content": ""},
        {"role": "user", "content": [part, {"type": "text", "text": "and?"}]},
        {"role": "system", "content": "be brief"},
    ]  # fmt: skip


def user(part):
    return {"messages": [{"role": "user", "content": [part]}]}


def call(**more):
    return {
        "messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function", **more}]}]
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"made_up": 1}, "made_up"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"model": 3}, "model"),
        ({"messages": {}}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages"),
        ({"messages": [3]}, r"messages\[0\]"),
        ({"messages": [{"role": "function", "content": "x"}]}, r"messages\[0\].role"),
        ({"messages": [{"role": [], "content": "x"}]}, r"messages\[0\].role"),
        ({"messages": [{"role": "user", "content": "x", "name": "Ann"}]}, r"messages\[0\].name"),
        ({"messages": [{"role": "user", "content": 3}]}, r"messages\[0\].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, r"messages\[0\].tool_call_id"),
        ({"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]}, r"messages\[0\].content"),
        (user({"type": "input_audio", "input_audio": {}}), r"messages\[0\].content\[0\].type"),
        (user({"type": "image_url", "image_url": {"url": "ftp://x"}}), r"content\[0\].image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:image/png,raw"}}), r"content\[0\].image_url.url"),
        (user({"type": "file", "file": {"file_id": "f"}}), r"content\[0\].file.file_id"),
        (user({"type": "file", "file": {"file_data": "data:text/csv;base64,eA=="}}), r"content\[0\].file.file_data"),
        (user({"type": "text", "text": "x", "odd": 1}), r"content\[0\].odd"),
        (call(function={"name": "f", "arguments": "{"}), r"tool_calls\[0\].function.arguments"),
        (call(function={"name": "f", "arguments": "[1]"}), r"tool_calls\[0\].function.arguments"),
        (call(function={"name": "f", "arguments": "[" * 100_000}), r"tool_calls\[0\].function.arguments"),
        (call(function={"arguments": "{}"}), r"tool_calls\[0\].function.name"),
        (call(type="custom", custom={}), r"tool_calls\[0\].type"),
        ({"stop": [1]}, r"stop\[0\]"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, r"tools\[0\].type"),
        ({"tools": [tool(parameters="x")]}, r"tools\[0\].function.parameters"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}, "response_format.json_schema.schema"),
        ({"reasoning_effort": "utmost"}, "reasoning_effort"),
        ({"user": 3}, "user"),
    ],
)  # fmt: skip
def test_what_messages_cannot_express_is_refused_by_name(body, field):
    with pytest.raises(InvalidInputError, match=f"^(.*){field}: "):
        to_messages(**body)


def said(block, role="user"):
    return {"messages": [{"role": role, "content": [block]}]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"container": "c"}, "container"),
        ({"inference_geo": "eu"}, "inference_geo"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, r"messages\[0\].role"),
        ({"messages": [{"role": "user", "content": None}]}, r"messages\[0\].content"),
        ({"system": [{"type": "image", "source": {"type": "url", "url": "https://x"}}]}, "system"),
        ({"system": 3}, "system"),
        (said({"type": "search_result"}), r"messages\[0\].content\[0\].type"),
        (said({"type": {}}), r"messages\[0\].content\[0\].type"),
        (said({"type": "server_tool_use"}, "assistant"), r"messages\[0\].content\[0\].type"),
        (said({"type": "image", "source": {"type": "file", "file_id": "f"}}), r"content\[0\].source.type"),
        (said({"type": "image", "source": {"type": "base64", "media_type": "a,b", "data": ""}}), r"source.media_type"),
        (said({"type": "document", "source": {"type": "url", "url": "x"}}), r"content\[0\].source"),
        (said({"type": "text", "text": 3}), r"content\[0\].text"),
        (said({"type": "tool_use", "id": "t", "name": "f", "input": "x"}, "assistant"), r"content\[0\].input"),
        (said({"type": "tool_result", "tool_use_id": "t", "is_error": "yes"}), r"content\[0\].is_error"),
        (said({"type": "tool_result", "content": "x"}), r"content\[0\].tool_use_id"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, r"tools\[0\].type"),
        ({"tools": [{"type": [], "name": "f"}]}, r"tools\[0\].type"),
        ({"tools": [{"name": "f"}]}, r"tools\[0\].input_schema"),
        ({"tools": [{"name": "f", "input_schema": {}, "defer_loading": True}]}, r"tools\[0\].defer_loading"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"thinking": {"type": []}}, "thinking.type"),
        ({"tool_choice": {"type": "all"}}, "tool_choice.type"),
        ({"tool_choice": {"type": ["any"]}}, "tool_choice.type"),
        ({"metadata": {"other": 1}}, "metadata.other"),
        ({"output_config": {"effort": "utmost"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, r"context_management.edits\[0\]"),
    ],
)  # fmt: skip
def test_what_chat_cannot_express_is_refused_by_name(body, field):
    with pytest.raises(InvalidInputError, match=f"^(.*){field}: "):
        to_chat(**body)


def test_whether_the_usage_is_wanted():
    assert wants_usage({"stream_options": {"include_usage": True}})
    assert not wants_usage({"stream_options": {"include_usage": False}})
    assert not wants_usage({"stream_options": {}})
    assert not wants_usage({})
    with pytest.raises(InvalidInputError, match=r"stream_options\.include_usage"):
        wants_usage({"stream_options": {"include_usage": "yes"}})
