"""Every answer that a client got is on the record, as it was given; and the record verifies.

It runs last, over all that the other tests have asked.
"""

import asyncio
import json

from crossmodel import CrossModel, NotFoundError
from gateway.asking import body_of, model_for
from gateway.process import Gateway
from gateway.setting import CLIENT_KEYS, ENVIRONMENT, main_settings

PATHS = ["/v1/chat/completions", "/v1/messages"]


def asked_all(gateway):
    """Ask in each way; the text that came, by the id of its request."""
    said = {}
    for path in PATHS:
        for stream in (False, True):
            for behaviour in ("text", "unicode", "text+split-7"):
                body = body_of(path, model_for(path, behaviour), stream=stream)
                answer = gateway.ask(path, body)
                assert answer.complete
                text = stream_text(answer) if stream else whole_text(answer.json())
                said[answer.header("x-crossmodel-request-id")] = text
    return said


def whole_text(answer):
    if "choices" in answer:
        return answer["choices"][0]["message"]["content"]
    return "".join(block["text"] for block in answer["content"])


def stream_text(answer):
    text = ""
    for _, data in answer.events():
        event = {} if data == "[DONE]" else json.loads(data)
        for choice in event.get("choices") or ():
            text += choice["delta"].get("content") or ""
        if event.get("type") == "content_block_delta":
            text += event["delta"]["text"]
    return text


async def hidden_values(cm, id_):
    """What the records of a request commit to, by name."""

    def read(tx):
        found = {}
        for leaf in tx.leaves_about("default", id_):
            subjects = json.loads(leaf.statement)["subject"]
            names = {each["digest"]["sha256"]: each["name"] for each in subjects}
            for digest, value in tx.get_commitments(leaf.index, list(names)).items():
                found[names[digest]] = value.value
        return found

    return await cm.engine.store.read(read)


async def on_record(cm, id_, tenants):
    """Whether a request's choice and outcome are on some tenant's record."""
    for tenant in tenants:
        try:
            chain = await cm.trace(id_, tenant=tenant)
        except NotFoundError:
            continue
        kinds = {record.kind for record in chain.requests[id_].records}
        return {"selection", "outcome"} <= kinds and not chain.problems
    return False


async def test_all_that_was_answered_is_on_the_record(gateway):
    said = asked_all(gateway)
    assert gateway.metric("crossmodel_records_lost_total") == 0
    for _ in range(30):  # the writer may still be starting: then there is nothing to verify
        done = gateway.command("verify", "--json")
        if "no records" not in done.stdout:
            break
        await asyncio.sleep(1.0)
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert report["valid"] is True
    assert report["records"] >= 2 * len(set(gateway.answered))
    async with CrossModel.open(gateway.config, with_models=False) as cm:
        for id_, text in said.items():
            assert (await hidden_values(cm, id_))["answer"].decode() == text
        missing = [
            id_
            for id_ in dict.fromkeys(gateway.answered)
            if not await on_record(cm, id_, ("default", "school"))
        ]
        assert not missing


def test_a_gateway_that_is_told_to_end_loses_nothing(upstream, tmp_path):
    gateway = Gateway(tmp_path, main_settings(upstream), ENVIRONMENT, CLIENT_KEYS["all"]).start()
    said = asked_all(gateway)
    assert gateway.stop() == 0
    assert gateway.command("verify").returncode == 0
    last = [*said][-1]
    traced = gateway.command("trace", last, "--json")
    assert traced.returncode == 0, traced.stderr
    node = json.loads(traced.stdout)["requests"][last]
    assert node["outcome"]["predicate"]["success"] is True
    assert node["selection"]["is_intact"]
    assert len(gateway.answered) == len(said)
