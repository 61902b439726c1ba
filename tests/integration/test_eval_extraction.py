"""``crossmodel eval extraction`` as a user meets it: a real process, files, exit codes."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "answers.jsonl"


@pytest.fixture
def evaluate(tmp_path):
    def run(*arguments, data=EXAMPLE):
        return subprocess.run(
            [sys.executable, "-m", "crossmodel", "eval", "extraction", "--data", str(data),
             *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
            env=os.environ | {"COLUMNS": "120", "PYTHONWARNINGS": "error"},
        )  # fmt: skip

    return run


def test_people_get_tables(evaluate):
    done = evaluate()
    assert done.returncode == 0, done.stderr
    for said in (" insights, 100.0% grounded.", "negation", "label says right", "fenced programs", "light edit",
                 "type of most insights", "ECE", "MB/s"):  # fmt: skip
        assert said in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_scripts_get_one_document_and_files(evaluate, tmp_path):
    done = evaluate("--json", "--items", "items.jsonl", "--plot", "plots")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["answers"] == 13
    assert found["grounding"]["rate"] == 1
    assert [each["accepted"] for each in found["false_grounding"]] == [0] * 9
    assert found["final_answers"]["groups"]["answer"]["recall"] == 1
    rows = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [
        json.loads(line)["id"] for line in EXAMPLE.read_text("utf-8").splitlines()
    ]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        "final-answers.svg",
        "reliability.svg",
    ]
    assert evaluate("--json", "--plot", "all.svg").returncode == 0
    ET.parse(tmp_path / "all.svg")


def test_settings_are_those_of_the_user(evaluate, tmp_path):
    (tmp_path / "crossmodel.toml").write_text(
        "[insight_extractor.confidence_config]\nminimum_confidence_threshold = 0.99\n"
    )
    assert json.loads(evaluate("--json").stdout)["grounding"]["insights"] == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read"),
        ("", "holds no row with an answer"),
        ("no JSON", "not a JSON object"),
        ('{"prompt": "Why?"}', "holds no row with an answer"),
    ],
)
def test_a_file_that_is_none_is_an_error_that_says_so(evaluate, tmp_path, content, said):
    path = tmp_path / "given.jsonl"
    if content is not None:
        path.write_text(content)
    done = evaluate(data=path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_odd_rows_are_counted_and_said(evaluate, tmp_path):
    path = tmp_path / "odd.jsonl"
    rows = [{"output": "So it is \ud83d 5."}, {"output": 3}, {"output": "5", "check": "oracle"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    done = evaluate("--items", "items.jsonl", data=path)
    assert done.returncode == 0, done.stderr
    assert "Rows of 2, check 'oracle', which is not known: 1." in done.stdout
    assert "Rows of 2, left out without an answer: 1." in done.stdout
    assert len((tmp_path / "items.jsonl").read_text().splitlines()) == 2


def test_what_cannot_be_written_is_an_error_that_names_it(evaluate, tmp_path):
    (tmp_path / "file").write_text("")
    done = evaluate("--plot", "file/plots")
    assert done.returncode == 2
    assert "cannot write to file/plots" in done.stderr
