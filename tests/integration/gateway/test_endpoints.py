"""What can be asked besides conversations, how models are chosen, and who may ask how much."""

import json
from threading import Thread

import anthropic
import openai
import pytest
from upstreams.clients import request

from gateway.asking import ASKED, body_of, listed, settled
from gateway.setting import CLIENT_KEYS

SAYS = {"text@cheap": "text@cheap", "text@best": "text@best", "claude/text@middle": "text"}
"""The models that the key ``chooser`` may use, and what their providers call them."""


# --- models


async def test_chats_client_lists_models(any_chat):
    page = await settled(any_chat.models.list())
    ids = [model.id for model in page.data]
    assert ids[:3] == ["auto", "auto:cheap", "auto:best"]
    assert {"text", "claude/text"} < set(ids)
    assert page.data[0].owned_by == "crossmodel"
    assert page.data[ids.index("claude/text")].owned_by == "claude"


async def test_messages_client_lists_models(any_claude):
    page = await settled(any_claude.models.list())
    assert [model.type for model in page.data] == ["model"] * len(page.data)
    assert page.has_next_page() is False
    assert (page.first_id, page.last_id) == (page.data[0].id, page.data[-1].id)
    assert page.data[0].created_at.year == 1970


@pytest.mark.parametrize("name", ["text", "claude/text", "text+split-1", "auto:best"])
async def test_a_model_is_told_by_its_name(any_chat, any_claude, name):
    assert (await settled(any_chat.models.retrieve(name))).id == name
    assert (await settled(any_claude.models.retrieve(name))).id == name


async def test_a_model_that_is_not_there_is_not_found(any_chat, any_claude):
    with pytest.raises(openai.NotFoundError, match="texd"):
        await settled(any_chat.models.retrieve("texd"))
    with pytest.raises(anthropic.NotFoundError, match="texd"):
        await settled(any_claude.models.retrieve("texd"))


def test_a_key_sees_the_models_that_it_may_use(gateway):
    with gateway.openai(CLIENT_KEYS["chooser"]) as client:
        ids = {model.id for model in client.models.list()}
        assert ids == {"auto", "auto:cheap", "auto:best", *SAYS}
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("text")
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="text", messages=ASKED)
    assert caught.value.code == "model_not_found"
    with gateway.claude(CLIENT_KEYS["chooser"]) as client, pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="text", messages=ASKED, max_tokens=9)


# --- the other paths


async def test_embeddings(any_chat, upstream):
    raw = await settled(
        any_chat.embeddings.with_raw_response.create(model="text", input=["a", "b"], dimensions=4)
    )
    answer = await settled(raw.parse())
    assert [len(each.embedding) for each in answer.data] == [4, 4]
    assert answer.usage.prompt_tokens == 2
    assert raw.headers["x-crossmodel-model"] == "text"
    assert upstream.last()["target"] == "/v1/embeddings"


async def test_completions(any_chat):
    whole = await settled(any_chat.completions.create(model="text", prompt="Say something."))
    chunks = await listed(
        any_chat.completions.create(model="text", prompt="Say something.", stream=True)
    )
    assert whole.choices[0].text.startswith("You said 'Say something.'")
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text


@pytest.mark.parametrize("model", ["text", "text+split-7", "text+reasoning"])
async def test_responses(any_chat, model):
    whole = await settled(any_chat.responses.create(model=model, input="Say something."))
    events = await listed(
        any_chat.responses.create(model=model, input="Say something.", stream=True)
    )
    assert whole.output_text.startswith("You said 'Say something.'")
    said = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(said) == whole.output_text
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage == whole.usage


async def test_tokens_are_counted_for_nothing(any_claude, upstream):
    raw = await settled(
        any_claude.messages.with_raw_response.count_tokens(model="claude/text", messages=ASKED)
    )
    assert (await settled(raw.parse())).input_tokens > 1
    assert float(raw.headers["x-crossmodel-cost"].partition(";")[0]) == 0
    assert upstream.last()["target"] == "/v1/messages/count_tokens"


async def test_tokens_are_estimated_where_nobody_counts_them(any_claude, upstream):
    raw = await settled(
        any_claude.messages.with_raw_response.count_tokens(model="text", messages=ASKED)
    )
    assert (await settled(raw.parse())).input_tokens > 1
    assert raw.headers["x-crossmodel-estimate"] == "true"
    assert upstream.seen()["total"] == 0


def test_a_model_is_only_asked_for_what_it_can_be_asked(chat):
    with pytest.raises(openai.BadRequestError, match="/v1/embeddings"):
        chat.embeddings.create(model="claude/text", input="a")
    with pytest.raises(openai.BadRequestError, match="/v1/responses"):
        chat.responses.create(model="claude/text", input="a")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 404), ("/v1/nothing", "POST", 404), ("/v1/chat/completions", "GET", 405),
        ("/v1/models", "POST", 405), ("/v1/feedback", "GET", 405),
    ],
)  # fmt: skip
def test_what_there_is_not_cannot_be_asked(gateway, path, method, status):
    answer = gateway.ask(path, {} if method == "POST" else None, method=method)
    assert answer.status == status
    assert answer.json()["error"]["message"]
    assert (answer.header("allow") is not None) == (status == 405)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"model": 1}', b'{"messages": []}', b"\xff{}", b'{"model": "texd"}'],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_question_that_is_none_is_refused(gateway, upstream, path, body):
    answer = gateway.ask(path, body)
    assert answer.status == (404 if b"texd" in body else 400)
    assert answer.json()["error"]["message"]
    assert upstream.seen()["total"] == 0


# --- feedback


def test_feedback_is_kept(gateway, chat):
    raw = chat.chat.completions.with_raw_response.create(model="text", messages=ASKED)
    name = raw.headers["x-crossmodel-request-id"]
    answer = gateway.ask("/v1/feedback", {"id": name, "score": 0.75})
    assert (answer.status, answer.json()) == (200, {"id": name, "score": 0.75})
    traced = json.loads(gateway.command("trace", name, "--json").stdout)
    assert "0.75" in json.dumps(traced)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"id": "req_nobody", "score": 1}, 404), ({"id": "req_nobody", "score": 2}, 400),
        ({"id": "x"}, 400), ({"id": 1, "score": 1}, 400), ([], 400), (b"\xff", 400),
        (b'{"id": "x", "score": NaN}', 400), (b"[" * 60_000, 400), (b" " * 70_000, 400),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_feedback_that_makes_no_sense_is_refused(gateway, told, status):
    answer = gateway.ask("/v1/feedback", told)
    assert answer.status == status
    assert answer.json()["error"]["message"]


def test_whose_answer_it_is_not_has_no_say_in_it(gateway, chat):
    raw = chat.chat.completions.with_raw_response.create(model="text", messages=ASKED)
    name = raw.headers["x-crossmodel-request-id"]
    told = {"id": name, "score": 1.0}
    assert gateway.ask("/v1/feedback", told, key=CLIENT_KEYS["school"]).status == 404


# --- the choice


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [("auto:cheap", "text@cheap"), ("auto:best", "text@best"), ("auto", None)],
)
async def test_the_gateway_chooses(gateway, upstream, asked, chosen):
    with gateway.openai(CLIENT_KEYS["chooser"]) as client:
        raw = client.chat.completions.with_raw_response.create(model=asked, messages=ASKED)
        answer = raw.parse()
    told = raw.headers["x-crossmodel-model"]
    assert told in SAYS if chosen is None else told == chosen
    assert raw.headers["x-crossmodel-selection"].startswith(f"{asked}; algorithm=")
    assert json.loads(upstream.last()["body"])["model"] == SAYS[told]
    assert answer.model == SAYS[told]


def test_what_is_asked_of_the_model_decides(gateway):
    with gateway.openai(CLIENT_KEYS["chooser"]) as client:
        for given in (
            {"extra_body": {"crossmodel": {"quality_threshold": 0.7}}},
            {"extra_headers": {"x-crossmodel-quality-threshold": "0.7"}},
            {"extra_body": {"crossmodel": {"quality_threshold": 0.7}},
             "extra_headers": {"x-crossmodel-quality-threshold": "0"}},
        ):  # fmt: skip
            raw = client.chat.completions.with_raw_response.create(
                model="auto:cheap", messages=ASKED, **given
            )
            assert raw.headers["x-crossmodel-model"] == "text@best", given
    with gateway.claude(CLIENT_KEYS["chooser"]) as client:
        raw = client.messages.with_raw_response.create(
            model="auto:cheap", messages=ASKED, max_tokens=9,
            extra_body={"crossmodel": {"task": ["coding"], "quality_threshold": 0.5}},
        )  # fmt: skip
        assert raw.headers["x-crossmodel-model"] == "claude/text@middle"


def test_what_is_for_the_gateway_is_not_sent_on(chat, upstream):
    chat.chat.completions.create(
        model="text", messages=ASKED,
        extra_body={"crossmodel": {"complexity": 0.1, "conversation": "c"}},
        extra_headers={"x-crossmodel-task": "coding, math"},
    )  # fmt: skip
    seen = upstream.last()
    assert "crossmodel" not in seen["body"]
    assert "x-crossmodel" not in str(seen["headers"])


@pytest.mark.parametrize(
    "given",
    [
        {"extra_body": {"crossmodel": {"complexety": 1}}},
        {"extra_headers": {"x-crossmodel-complexety": "1"}},
        {"extra_body": {"crossmodel": {"complexity": "high"}}},
        {"extra_body": {"crossmodel": {"complexity": 2}}},
        {"extra_body": {"crossmodel": []}},
        {"extra_body": {"crossmodel": {"task": ["cooking"]}}},
        {"extra_headers": {"x-crossmodel-timeout": "-1"}},
        {"extra_body": {"crossmodel": {"needs": ["telepathy"]}}},
        {"extra_body": {"crossmodel": {"insights": "perhaps"}}},
    ],
)
@pytest.mark.parametrize("model", ["text", "auto"])
def test_wishes_that_make_no_sense_are_refused(chat, claude, upstream, model, given):
    with pytest.raises(openai.BadRequestError):
        chat.chat.completions.create(model=model, messages=ASKED, **given)
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model=model, messages=ASKED, max_tokens=9, **given)
    assert upstream.seen()["total"] == 0


def test_nobody_who_can_answer_is_an_error_that_says_so(gateway):
    with gateway.openai(CLIENT_KEYS["chooser"]) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(
                model="auto", messages=ASKED, extra_body={"crossmodel": {"quality_threshold": 0.99}}
            )
        assert caught.value.code == "no_available_model"
        with pytest.raises(openai.BadRequestError, match="auto:cheap"):
            client.chat.completions.create(model="auto:fast", messages=ASKED)


def test_a_conversation_stays_with_its_model(gateway):
    with gateway.openai(CLIENT_KEYS["chooser"]) as client:

        def ask(quality, conversation):
            raw = client.chat.completions.with_raw_response.create(
                model="auto:cheap", messages=ASKED,
                extra_body={
                    "crossmodel": {"conversation": conversation, "quality_threshold": quality}
                },
            )  # fmt: skip
            return raw.headers["x-crossmodel-model"]

        assert ask(0.7, "mine") == "text@best"
        assert ask(0.0, "mine") == "text@best"
        assert ask(0.0, "yours") == "text@cheap"


# --- keys and limits


@pytest.mark.parametrize("key", ["cmk-nobody", "x" * 600, CLIENT_KEYS["expired"]])
async def test_without_a_key_nothing_is_answered(gateway, upstream, key):
    with gateway.openai(key) as client, pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(model="text", messages=ASKED)
    assert caught.value.code == "invalid_api_key"
    with gateway.claude(key) as client, pytest.raises(anthropic.AuthenticationError) as other:
        client.messages.create(model="text", messages=ASKED, max_tokens=9)
    assert other.value.body["error"]["type"] == "authentication_error"
    with gateway.openai(key) as client, pytest.raises(openai.AuthenticationError):
        client.models.list()
    assert upstream.seen()["total"] == 0
    assert key not in gateway.log.read_text()


def test_a_rate_is_held(gateway):
    with gateway.openai(CLIENT_KEYS["slow"]) as client:
        client.chat.completions.create(model="text", messages=ASKED)
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="text", messages=ASKED)
    assert caught.value.code == "rate_limit_exceeded"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
    assert caught.value.response.headers["x-should-retry"] == "true"
    with gateway.claude(CLIENT_KEYS["slow"]) as client, pytest.raises(anthropic.RateLimitError):
        client.messages.create(model="text", messages=ASKED, max_tokens=9)


def test_a_rate_of_tokens_is_held(gateway):
    with gateway.openai(CLIENT_KEYS["wordy"]) as client:
        client.chat.completions.create(model="long-50", messages=ASKED)
        with pytest.raises(openai.RateLimitError) as caught:  # what it had too much must be earned
            client.chat.completions.create(model="text", messages=ASKED)
    assert "tokens" in caught.value.body["message"]
    assert int(caught.value.response.headers["retry-after"]) > 1


def test_a_budget_is_held(gateway, upstream):
    poor = CLIENT_KEYS["poor"]
    with (
        gateway.openai(poor, max_retries=3) as client,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        client.chat.completions.create(model="text", messages=ASKED)
    assert caught.value.code == "insufficient_quota"
    assert caught.value.response.headers["x-should-retry"] == "false"
    with gateway.claude(poor, max_retries=3) as client:
        with pytest.raises(anthropic.RateLimitError):
            client.messages.create(model="text", messages=ASKED, max_tokens=9)
        client.messages.count_tokens(model="claude/text", messages=ASKED)  # it costs nothing
    assert upstream.seen()["total"] == 1


def test_only_so_many_at_once(gateway, upstream):
    answers = []
    body = body_of("/v1/chat/completions", "long-2000+slow-20", stream=True)
    key = CLIENT_KEYS["alone"]
    with gateway.connect() as client:
        client.send(request("POST", "/v1/chat/completions", body, [("x-api-key", key)]))
        client.read_until(b"w1 ")
        asked = body_of("/v1/chat/completions", "text")
        second = gateway.ask("/v1/chat/completions", asked, key=key)
        assert second.status == 429
        assert second.json()["error"]["code"] == "rate_limit_exceeded"
        assert second.header("retry-after") == "1"
    upstream.idle()
    gateway.wait_until_idle()
    assert gateway.ask("/v1/chat/completions", asked, key=key).status == 200
    body["model"] = "drop-3"
    for _ in range(3):  # a stream that breaks off gives its place back
        gateway.ask("/v1/chat/completions", body, key=key)
    threads = [
        Thread(target=lambda: answers.append(gateway.ask("/v1/chat/completions", asked, key=key)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} <= {200, 429}
    assert gateway.ask("/v1/chat/completions", asked, key=key).status == 200
