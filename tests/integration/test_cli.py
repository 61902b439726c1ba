"""The command line as a user and as a script meet it: real processes, exit codes, JSON."""

import json
import sqlite3
from contextlib import closing

import pytest

SETTINGS = """
[store]
url = "sqlite:///state.db"
[[providers]]
id = "echo"
kind = "fake"
[[models]]
id = "strong"
provider = "echo"
quality = 0.9
capabilities = { coding = 0.9 }
[[models]]
id = "cheap"
provider = "echo"
quality = 0.5
capabilities = { coding = 0.5, math = 0.4 }
"""
ANSWER = """\
## Release tags

A release tag is always the product, a tilde and the year.

- Example: anvil in 2024 -> `anvil~2024`
- Example: rocket in 2025 -> `rocket~2025`
"""


@pytest.fixture
def cli(tmp_path, crossmodel_command):
    (tmp_path / "crossmodel.toml").write_text(SETTINGS)
    return crossmodel_command


def document(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ask_prints_the_answer_alone_on_standard_output(cli):
    done = cli("ask", "Say something", "--model", "cheap")
    assert (done.returncode, done.stdout) == (0, "Say something\n")
    assert "cheap" in done.stderr
    assert "req_" in done.stderr
    answer = document(cli("ask", "-", "--capability", "coding", "--json", stdin="From a pipe"))
    assert (answer["text"], answer["model"]) == ("From a pipe", "strong")
    assert answer["leaves"]


def test_extract_learns_from_files_and_from_standard_input(cli, tmp_path):
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "tags.md").write_text(ANSWER)
    (tmp_path / "answers" / "log.jsonl").write_text(
        json.dumps({"model": "big", "choices": [{"message": {"content": ANSWER + "\nMore."}}]})
    )
    done = cli("extract", "answers", "--source-model", "big")
    assert done.returncode == 0, done.stderr
    assert "2 answers" in done.stdout
    more = "\nTags of closed tickets must end with -done.\n"
    rows = document(cli("extract", "-", "--json", stdin=ANSWER + more))
    assert {i["kind"] for i in rows[0]["insights"]} >= {"rule", "example"}

    listed = document(cli("insights", "list", "--json", "--limit", "100"))
    assert {i["source_model"] for i in listed} == {"big", "unknown"}
    kind = listed[0]["type"]
    of_one_type = document(cli("insights", "list", "--json", "--limit", "100", "--type", kind))
    assert [i["id"] for i in of_one_type] == [i["id"] for i in listed if i["type"] == kind]
    found = document(cli("insights", "search", "release tag", "--json"))
    assert "release tag" in found[0]["content"]
    shown = document(cli("insights", "show", found[0]["id"], "--json"))
    span = shown["evidence"][0]
    assert shown["source"][span["start"] : span["end"]] == shown["content"]
    assert "release tag" in cli("insights", "show", found[0]["id"]).stdout
    assert "release tag" in cli("insights", "list").stdout

    report = document(cli("verify", "--json"))
    assert report["valid"]
    assert report["records"] == len(listed)


def test_what_cannot_be_read_is_named_and_the_rest_is_kept(cli, tmp_path):
    (tmp_path / "mixed.jsonl").write_text(
        '{broken\n{"output": "' + "It must be so, because it is." + '"}\n'
    )
    done = cli("extract", "mixed.jsonl")
    assert done.returncode == 1
    assert "mixed.jsonl:1: not JSON" in done.stderr
    assert "1 answers" in done.stdout


def test_rows_in_rows_out_without_any_store(cli, tmp_path):
    rows = [
        {"id": "a", "source_model": "big", "prompt": "?", "output": ANSWER},
        {
            "id": "b",
            "source_model": "big",
            "output": "\U0001f600 caf\u00e9 \u202eright to left\r\n" + ANSWER,
        },
        {"id": "c", "source_model": "big", "output": "Hm."},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert cli("extract", "--jsonl", "in.jsonl", "--out", "out.jsonl").returncode == 0
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in written] == ["a", "b", "c"]
    for before, after in zip(rows, written, strict=True):
        for insight in after["insights"]:
            assert set(insight) >= {
                "id",
                "type",
                "content",
                "confidence",
                "evidence",
                "links",
                "validation_status",
            }
            for span in insight["evidence"]:
                assert before["output"][span["start"] : span["end"]].strip()
    assert written[0]["insights"]
    assert not (tmp_path / "state.db").exists()


def test_select_and_models(cli):
    chosen = document(cli("select", "--capability", "coding", "--explain", "--json"))
    assert chosen["model"] == "strong"
    assert chosen["alternatives"] == ["cheap"]
    assert set(chosen["explanation"]["scores"]) == {"strong", "cheap"}
    shown = cli("select", "--capability", "math", "--explain").stdout
    assert "lacks capability math" in shown
    assert [m["id"] for m in document(cli("models", "--json"))] == ["strong", "cheap"]
    assert "strong" in cli("models").stdout
    refused = cli("select", "--capability", "math", "--quality", "0.6")
    assert refused.returncode == 1
    assert "quality_threshold 0.6 → 0.5 (admits cheap)" in refused.stderr


def test_verify_notices_an_edited_record(cli, tmp_path):
    assert cli("ask", "Say something").returncode == 0
    assert cli("verify").returncode == 0
    with closing(sqlite3.connect(tmp_path / "state.db")) as db, db:
        db.execute("UPDATE log_leaves SET statement = replace(statement, 'strong', 'weakly')")
    done = cli("verify")
    assert done.returncode == 1
    assert "is not what was hashed" in done.stdout
    assert not document_of_refusal(cli("verify", "--json"))["valid"]


def document_of_refusal(done):
    assert done.returncode == 1
    return json.loads(done.stdout)


def test_an_empty_log_is_not_valid(cli):
    assert "no records" in document_of_refusal(cli("verify", "--json"))["steps"][-1]["detail"]
    assert "crossmodel extract" in cli("insights", "list").stdout


def test_rows_may_replace_their_own_file(cli, tmp_path):
    row = {"id": "a", "source_model": "big", "output": ANSWER}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    assert cli("extract", "--jsonl", "rows.jsonl", "--out", "rows.jsonl").returncode == 0
    assert json.loads((tmp_path / "rows.jsonl").read_text())["insights"]
    piped = cli("extract", "--jsonl", "rows.jsonl", "--out", "/dev/stdout")
    assert piped.returncode == 1  # what was written holds no answers, and that is said
    assert "skipped rows.jsonl:1" in piped.stderr


def test_what_cannot_be_read_costs_nothing_that_was_written(cli, tmp_path):
    (tmp_path / "out.jsonl").write_text("precious")
    done = cli("extract", "--jsonl", "nowhere.jsonl", "--out", "out.jsonl")
    assert done.returncode == 2
    assert "no file or folder nowhere.jsonl" in done.stderr
    assert (tmp_path / "out.jsonl").read_text() == "precious"
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("ask", "x", "--model", "gone"), 2, "model not found: 'gone'"),
        (("ask", ""), 2, "messages must say something"),
        (("ask", "x", "--temperature", "nan"), 2, "temperature is NaN"),
        (("ask", "x", "--capability", "flying"), 2, "unknown capability 'flying'"),
        (("select", "--capability", "coding", "--cost", "-1"), 2, "cost_constraint must be more than 0"),
        (("extract",), 2, "name files or folders"),
        (("extract", "nowhere"), 2, "no file or folder nowhere"),
        (("extract", "--jsonl", "x"), 2, "belong together"),
        (("extract", "--jsonl", "x", "--out", "none/y.jsonl"), 2, "cannot write none/y.jsonl"),
        (("insights", "show", "ins_none"), 2, "there is no insight"),
        (("verify", "evidence.json"), 2, "--trust is needed"),
        (("verify", "none.json", "--trust", "none.json"), 2, "cannot read none.json"),
        (("models", "--config", "none.toml"), 2, "cannot read none.toml"),
        (("models", "install", "gpt"), 2, "must be one of smollm2"),
        (("nonsense",), 2, "No such command"),
    ],
)  # fmt: skip
def test_errors_are_one_line_with_an_exit_code_that_scripts_can_use(cli, arguments, code, message):
    done = cli(*arguments)
    assert done.returncode == code
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_settings_errors_name_the_key_and_start_nothing(cli, tmp_path):
    (tmp_path / "crossmodel.toml").write_text(SETTINGS.replace("quality = 0.9", "qualty = 0.9"))
    done = cli("ask", "x")
    assert done.returncode == 2
    assert "models[0].qualty: unknown key; did you mean 'quality'?" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["crossmodel.toml"]


def test_a_missing_provider_key_stops_asking_but_not_reading(cli, tmp_path):
    (tmp_path / "crossmodel.toml").write_text(
        SETTINGS.replace(
            'kind = "fake"',
            'kind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\napi_key_env = "NO_SUCH_KEY"',
        )
    )
    done = cli("ask", "x")
    assert done.returncode == 2
    assert "NO_SUCH_KEY is not set" in done.stderr
    assert cli("insights", "list").returncode == 0
    failed = cli("ask", "x", NO_SUCH_KEY="sk-something-secret")
    assert failed.returncode == 3
    assert "sk-something-secret" not in failed.stderr + failed.stdout


def test_hostile_text_is_shown_as_it_is(cli):
    hostile = (
        "[bold red]Never[/] trust \x1b[31mcolours\x1b[0m, because a rule must always be plain."
    )
    assert cli("extract", "-", stdin=hostile).returncode == 0
    shown = cli("insights", "list").stdout
    assert "\x1b" not in shown
    assert "[bold red]Never[/]" in shown


def test_help_and_version(cli):
    assert "crossmodel 0.1.0" in cli("--version").stdout
    for command in ("", "demo", "ask", "select", "extract", "insights", "verify", "models"):
        assert cli(*command.split(), "--help").returncode == 0
