"""What a strong model says through the gateway helps a cheap one that is asked through it."""

import json
import time

import pytest
from ticket_codes import HANDBOOK, QUESTION

from gateway.setting import CLIENT_KEYS

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
FACT = "BIL-3"
"""A word of the handbook that no question has."""


def ask(gateway, path, model, text, **more):
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 999}
    return gateway.ask(path, body | more, key=CLIENT_KEYS["school"])


@pytest.fixture(params=[CHAT, MESSAGES])
def path(request):
    return request.param


@pytest.fixture(scope="module")
def learned(gateway_process):
    """The handbook was said by a strong model, in a stream of the one dialect."""
    gateway = gateway_process
    before = gateway.metric("crossmodel_insights_extracted_total")
    answer = ask(gateway, MESSAGES, "claude/repeat@teacher", HANDBOOK, stream=True)
    assert answer.complete
    give_up = time.monotonic() + 30
    while gateway.metric("crossmodel_insights_extracted_total") == before:
        assert time.monotonic() < give_up, gateway.log.read_text()
        time.sleep(0.05)
    return answer.header("x-crossmodel-request-id")


@pytest.mark.parametrize("model", ["text@pupil", "claude/text@pupil"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.usefixtures("learned")
def test_the_cheap_model_is_handed_what_the_strong_one_said(gateway, upstream, path, model, stream):
    answer = ask(gateway, path, model, QUESTION, stream=stream, temperature=0.5)
    assert answer.complete
    assert int(answer.header("x-crossmodel-insights")) >= 1
    sent = upstream.last()["body"]
    assert FACT in sent
    told = json.loads(sent)
    assert told["temperature"] == 0.5
    assert told["messages"][-1]["content"] in (QUESTION, [{"type": "text", "text": QUESTION}])


@pytest.mark.parametrize(
    "given",
    [
        {"body": {"crossmodel": {"insights": False}}},
        {"headers": [("x-crossmodel-insights", "off")]},
    ],
)
@pytest.mark.usefixtures("learned")
def test_who_wants_none_gets_none(gateway, upstream, path, given):
    body = {"model": "text@pupil", "messages": [{"role": "user", "content": QUESTION}],
            "max_tokens": 999, **given.get("body", {})}  # fmt: skip
    answer = gateway.ask(path, body, given.get("headers", ()), key=CLIENT_KEYS["school"])
    assert answer.status == 200
    assert answer.header("x-crossmodel-insights") is None
    assert FACT not in upstream.last()["body"]


@pytest.mark.usefixtures("learned")
def test_other_tenants_get_nothing_of_it(gateway, upstream, path):
    body = {"model": "text@pupil", "max_tokens": 999,
            "messages": [{"role": "user", "content": QUESTION}]}  # fmt: skip
    answer = gateway.ask(path, body)
    assert answer.status == 200
    assert answer.header("x-crossmodel-insights") is None
    assert FACT not in upstream.last()["body"]


@pytest.mark.usefixtures("learned")
def test_the_teacher_is_not_taught(gateway, upstream, path):
    answer = ask(gateway, path, "repeat@teacher", QUESTION)
    assert answer.header("x-crossmodel-insights") is None
    assert FACT not in upstream.last()["body"]


def test_the_way_of_an_insight_can_be_traced_and_judged(gateway, learned):
    answer = ask(gateway, CHAT, "text@pupil", QUESTION)
    name = answer.header("x-crossmodel-request-id")
    told = gateway.ask("/v1/feedback", {"id": name, "score": 1.0}, key=CLIENT_KEYS["school"])
    assert told.status == 200
    traced = gateway.command("trace", name, "--tenant", "school", "--json")
    assert traced.returncode == 0, traced.stderr
    assert learned in traced.stdout
    node = json.loads(traced.stdout)["requests"][name]
    assert node["selection"]["predicate"]["model"] == "text@pupil"
    assert node["given"]
    (feedback,) = node["feedback"]
    assert feedback["predicate"]["score"] == 1.0
