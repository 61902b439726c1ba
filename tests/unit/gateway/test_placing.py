"""A context in a client's JSON: where it goes, and that nothing else changes by a byte."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.gateway.placing import question_of, with_system, with_user
from crossmodel.wire.dialect import Dialect

CONTEXT = '[notes 1]\nthe "lesson" \u00fc\n[/notes 1]'


def fields(document):
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])


def plain(body):
    return json.loads(msgspec.json.encode(body))


def rewrite(question):
    return f"{CONTEXT}\n\n{question}"


ODD = b'{"role" : "user",  "content": "caf\\u00e9", "n": 1.0e0, "z": [ 1 ,2]}'


def test_the_system_turn_of_chat_grows_and_all_else_stays_byte_for_byte():
    tools = b'[{"type":"function", "x":1.50}]'
    system = b'{"content":"Be brief.", "role":"developer","cache":{"a" :1}}'
    raw = b'{"model":"m","tools":' + tools + b',"messages":[' + ODD + b" ," + system + b"]}"
    changed = with_system(fields(raw), Dialect.CHAT, CONTEXT)
    assert bytes(changed["tools"]) == tools
    first, second = msgspec.json.decode(changed["messages"], type=list[msgspec.Raw])
    assert bytes(first) == ODD
    assert b'"cache":{"a" :1}' in bytes(second)
    assert json.loads(bytes(second))["content"] == f"Be brief.\n\n{CONTEXT}"
    assert list(changed) == ["model", "tools", "messages"]


@pytest.mark.parametrize(
    ("dialect", "before", "after"),
    [
        (
            Dialect.CHAT,
            {"messages": [{"role": "user", "content": "q"}]},
            {"messages": [{"role": "system", "content": CONTEXT}, {"role": "user", "content": "q"}]},
        ),
        (
            Dialect.CHAT,
            {"messages": [{"role": "system", "content": [{"type": "text", "text": "s"}]}]},
            {
                "messages": [
                    {
                        "role": "system",
                        "content": [{"type": "text", "text": "s"}, {"type": "text", "text": CONTEXT}],
                    }
                ]
            },
        ),
        (
            Dialect.CHAT,
            {"messages": [{"role": "system", "content": None}]},
            {"messages": [{"role": "system", "content": CONTEXT}]},
        ),
        (Dialect.MESSAGES, {"messages": []}, {"messages": [], "system": CONTEXT}),
        (Dialect.MESSAGES, {"system": ""}, {"system": CONTEXT}),
        (Dialect.MESSAGES, {"system": "s"}, {"system": f"s\n\n{CONTEXT}"}),
        (
            Dialect.MESSAGES,
            {"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
            {
                "system": [
                    {"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}},
                    {"type": "text", "text": CONTEXT},
                ]
            },
        ),
        (Dialect.RESPONSES, {"input": "q"}, {"input": "q", "instructions": CONTEXT}),
        (
            Dialect.RESPONSES,
            {"input": "q", "instructions": "s"},
            {"input": "q", "instructions": f"s\n\n{CONTEXT}"},
        ),
    ],
)  # fmt: skip
def test_the_end_of_what_the_system_says(dialect, before, after):
    assert plain(with_system(fields(before), dialect, CONTEXT)) == after


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.mark.parametrize(
    ("dialect", "before", "path"),
    [
        (Dialect.CHAT, {"messages": [{"role": "user", "content": "q"}]}, ["messages", 0, "content"]),
        (
            Dialect.CHAT,
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "q"}, IMAGE]},
                    {"role": "assistant", "content": "a", "tool_calls": [{"id": "1"}]},
                    {"role": "tool", "content": "t"},
                ]
            },
            ["messages", 0, "content", 0, "text"],
        ),
        (
            Dialect.CHAT,
            {"messages": [{"role": "user", "content": "q"}, {"role": "user", "content": [IMAGE]}]},
            ["messages", 0, "content"],
        ),
        (
            Dialect.MESSAGES,
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "q"}]},
                    {"role": "assistant", "content": "a"},
                    {"role": "user", "content": [{"type": "tool_result", "content": "r"}]},
                ]
            },
            ["messages", 0, "content", 0, "text"],
        ),
        (Dialect.RESPONSES, {"input": "q"}, ["input"]),
        (
            Dialect.RESPONSES,
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "q"}]},
                    {"type": "function_call_output", "output": "o", "role": "user"},
                ]
            },
            ["input", 0, "content", 0, "text"],
        ),
    ],
)  # fmt: skip
def test_the_last_text_of_the_user_is_the_question_and_is_rewritten(dialect, before, path):
    assert question_of(fields(before), dialect) == "q"
    changed = plain(with_user(fields(before), dialect, rewrite))
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    assert holder[path[-1]] == rewrite("q")
    holder[path[-1]] = "q"
    assert changed == before


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize(
    "document",
    [
        {},
        {"prompt": "q"},
        {"messages": None, "input": None},
        {"messages": [], "input": []},
        {"messages": 7, "input": {"a": 1}},
        {"messages": ["q"], "input": [["q"]]},
        {"messages": [{"role": "user", "content": 7}], "input": [{"role": "user", "content": {}}]},
        {"messages": [{"role": "user"}], "input": [{"role": "user", "content": [7]}]},
        {"messages": [{"role": "assistant", "content": "q"}], "input": [{"role": 7}]},
        {"messages": [{"role": "user", "content": [IMAGE]}], "input": [{"type": "x"}]},
    ],
)
def test_who_asks_nothing_that_can_be_read_has_no_question(dialect, document):
    assert question_of(fields(document), dialect) == ""


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_PARTS = st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": _TEXT}, optional={"x": _JSON})
    | st.fixed_dictionaries({"type": st.just("image_url"), "image_url": _JSON}),
    max_size=4,
)
_TURN = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "assistant", "tool", "developer", "other"]),
        "content": _TEXT | _PARTS | st.none(),
    },
    optional={"tool_calls": _JSON, "name": _TEXT},
)
_BODY = st.fixed_dictionaries(
    {"messages": st.lists(_TURN, max_size=5)}, optional={"tools": _JSON, "\u00fc": _JSON}
)


def _spaced(document, seed):
    """The same JSON in another spelling."""
    return json.dumps(document, ensure_ascii=seed, separators=(" ,", " : ")).encode()


@given(_BODY, st.booleans())
def test_one_turn_changes_and_no_byte_of_the_others(document, seed):
    body = fields(_spaced(document, seed))
    before = [bytes(each) for each in msgspec.json.decode(body["messages"], type=list[msgspec.Raw])]
    for changed in (
        with_system(body, Dialect.CHAT, CONTEXT),
        with_user(body, Dialect.CHAT, rewrite),
    ):
        assert {k: bytes(v) for k, v in changed.items() if k != "messages"} == {
            k: bytes(v) for k, v in body.items() if k != "messages"
        }
        after = msgspec.json.decode(changed["messages"], type=list[msgspec.Raw])
        after = [bytes(each) for each in after]
        if len(after) > len(before):
            assert json.loads(after.pop(0)) == {"role": "system", "content": CONTEXT}
            assert after == before
        else:
            differing = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
            assert len(differing) <= 1
            for pair in differing:
                old, new = map(json.loads, pair)
                said, now = old.pop("content"), new.pop("content")
                assert old == new
                texts = [now] if isinstance(now, str) else [part.get("text") or "" for part in now]
                assert sum(CONTEXT in text for text in texts) == 1
                assert said is None or type(said) is type(now)


@given(_BODY)
def test_the_question_is_what_is_rewritten(document):
    body = fields(document)
    seen = []
    changed = with_user(body, Dialect.CHAT, lambda question: seen.append(question) or "CHANGED")
    assert (seen or [""]) == [question_of(body, Dialect.CHAT)]
    assert question_of(changed, Dialect.CHAT) == ("CHANGED" if seen else "")


@given(st.dictionaries(st.sampled_from(["messages", "input", "system", "instructions"]), _JSON))
def test_hostile_bodies_raise_nothing_but_what_is_said(document):
    for dialect in Dialect:
        body = fields(document)
        question_of(body, dialect)
        for change in (with_system, with_user):
            try:
                change(body, dialect, CONTEXT if change is with_system else rewrite)
            except (msgspec.MsgspecError, KeyError):
                continue
