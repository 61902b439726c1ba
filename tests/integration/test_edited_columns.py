"""SQLite keeps anything in any column: whatever somebody wrote there, a method answers or refuses."""

import sqlite3
from contextlib import closing, suppress

import pytest

from crossmodel import CrossModel, CrossModelError

COLUMNS = {
    "log_leaves.statement": ("'x'", "7"),
    "log_leaves.leaf_hash": ("'x'", "7"),
    "log_signatures.signature": ("'x'", "7"),
    "log_nodes.hash": ("'x'", "7"),
    "checkpoints.root": ("'x'", "7"),
    "checkpoints.note": ("x'00ff'", "7"),
    "commitments.salt": ("'x'", "7"),
    "commitments.value": ("'x'", "7"),
    "snapshots.body": ("'x'", "7"),
    "sources.text": ("'x'", "7"),
}


@pytest.mark.parametrize(
    ("column", "value"), [(name, value) for name, values in COLUMNS.items() for value in values]
)
async def test_an_edited_column_ends_nothing_in_a_crash(settings, tmp_path, column, value):
    settings["cross_model_vif"] = {"witness_generation": {"sign_each": True}}
    async with CrossModel.open(settings) as cm:
        for number in range(20):  # so that there are nodes
            answer = await cm.complete(f"Question {number}?", model="strong", seed=1)
        rotation = await cm.rotate_keys()
        chain = await cm.trace(answer.id)
        size = (await cm.log_head()).size
    table, name = column.split(".")
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
        changed = connection.execute(f"UPDATE {table} SET {name} = {value}").rowcount
    assert changed
    try:
        async with CrossModel.open(settings) as cm:
            for method in (
                lambda: cm.witness(2, disclose=["all"]),
                lambda: cm.rotation_evidence(rotation),
                lambda: cm.log_consistency(rotation + 1, size),
                lambda: cm.attestations(chain),
                lambda: cm.trace(answer.id),
                lambda: cm.replay(answer.id),
                lambda: cm.export_log(lambda _: None, disclose=["all"]),
                cm.keys,
            ):
                with suppress(CrossModelError):
                    await method()
            report = await cm.verify()
    except CrossModelError:  # refused on opening
        return
    assert report.is_valid == (table in {"snapshots", "sources"})  # which are no part of the log
