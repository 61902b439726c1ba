"""A person's say over insights, as a user meets it: quarantine, release, and deletion for good."""

import json
import subprocess
import sys

import pytest

SETTINGS = """
[store]
url = "sqlite:///state.db"
[insight_transfer.trust]
source_trust = { rumour = 0.1 }
[[providers]]
id = "echo"
kind = "fake"
[[models]]
id = "strong"
provider = "echo"
quality = 0.9
"""
ANSWER = """\
## Release tags

A release tag is always the product, a tilde and the year.

- Example: anvil in 2024 -> `anvil~2024`
- Example: rocket in 2025 -> `rocket~2025`

## Relays

The relay code of Tavor must always be written qzxwvoplian-47 on the label.
"""
SECRET = "qzxwvoplian"


@pytest.fixture
def cli(tmp_path, crossmodel_command):
    (tmp_path / "crossmodel.toml").write_text(SETTINGS)

    def document(*arguments, **options):
        done = crossmodel_command(*arguments, "--json", **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    crossmodel_command.document = document
    return crossmodel_command


@pytest.fixture
def learned(cli):
    cli.document("extract", "-", "--source-model", "strong", stdin=ANSWER)
    return {i["id"]: i for i in cli.document("insights", "list", "--limit", 100)}


def holding(insights, word):
    return [i for i, insight in insights.items() if word in insight["content"]]


def test_quarantine_and_release(cli, learned):
    ids = holding(learned, "tilde")
    assert {i["trust"] for i in learned.values()} == {0.9}
    done = cli("insights", "quarantine", *ids, "--reason", "nobody does so any more")
    assert done.returncode == 0, done.stderr
    assert f"quarantined {len(ids)}" in done.stdout
    listed = cli.document("insights", "list", "--standing", "quarantined")
    assert sorted(i["id"] for i in listed) == sorted(ids)
    shown = cli.document("insights", "show", ids[0])
    assert (shown["standing"], shown["standing_reason"]) == (
        "quarantined",
        "nobody does so any more",
    )
    assert "nobody does so any more" in cli("insights", "show", ids[0]).stdout
    assert cli.document("insights", "quarantine", *ids, "--reason", "again") == {"changed": []}
    assert cli.document("insights", "release", *ids) == {"changed": ids}
    assert cli.document("insights", "list", "--standing", "quarantined") == []
    assert cli.document("insights", "show", ids[0])["standing_reason"] == "released by a person"


def test_a_source_that_is_not_trusted_is_known_as_such(cli):
    cli.document("extract", "-", "--source-model", "rumour", stdin=ANSWER)
    assert {i["trust"] for i in cli.document("insights", "list")} == {0.1}


def test_deletion_leaves_no_byte_and_a_receipt_that_anyone_can_verify(cli, learned, tmp_path):
    ids = holding(learned, SECRET)
    assert ids
    trust = tmp_path / "trust.json"
    code = (
        "import asyncio, sys; from crossmodel import CrossModel\n"
        "async def main():\n"
        "    async with CrossModel.open('crossmodel.toml', with_models=False) as cm:\n"
        "        open('trust.json', 'wb').write(cm.trust_file())\n"
        "        open('before.json', 'wb').write(await cm.witness(0))\n"
        "asyncio.run(main())"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    refused = cli("insights", "delete", *ids, "--reason", "asked for", stdin="")
    assert refused.returncode == 2
    assert "say --yes" in refused.stderr
    receipt = cli.document(
        "insights", "delete", *ids, "--reason", "Mx. Doe asked for it", "--yes",
        "--receipt", "receipt.json",
    )  # fmt: skip
    assert sorted(receipt["insights"]) == sorted(ids)
    assert receipt["scrubbed"]
    assert receipt["counts"]["passages"] >= 1
    assert receipt["counts"]["commitments"] >= 1
    for path in tmp_path.glob("state.db*"):
        assert SECRET.encode() not in path.read_bytes()
    assert SECRET not in (tmp_path / "receipt.json").read_text()
    for evidence in ("receipt.json", "before.json"):
        report = cli.document("verify", evidence, "--trust", trust)
        assert report["valid"]
    assert report["records"] == 1
    assert cli.document("verify")["valid"]
    assert cli("insights", "show", ids[0]).returncode == 2
    for other in set(learned) - set(ids):
        shown = cli.document("insights", "show", other)
        span = shown["evidence"][0]
        assert shown["source"][span["start"] : span["end"]] == shown["content"]
        assert "*****" in shown["source"]
        assert len(shown["source"]) == len(ANSWER)


@pytest.mark.parametrize(
    "command",
    [
        ("quarantine", "--reason", "x"),
        ("release",),
        ("delete", "--reason", "x", "--yes"),
    ],
)
def test_one_unknown_id_and_nothing_is_done(cli, learned, command):
    ids = list(learned)
    name, *options = command
    done = cli("insights", name, ids[0], "ins_none", ids[1], *options)
    assert done.returncode == 2
    assert "there is no insight 'ins_none'" in done.stderr
    assert {i["id"]: i for i in cli.document("insights", "list", "--limit", 100)} == learned


def test_what_is_refused_erases_nothing(cli, learned):
    ids = holding(learned, SECRET)
    for options, message in (
        (("--reason", " "), "reason must be"),
        (("--reason", learned[ids[0]]["content"]), "must not quote"),
        (("--reason", "x", "--receipt", "none/receipt.json"), "cannot write none/receipt.json"),
    ):
        done = cli("insights", "delete", *ids, "--yes", *options)
        assert done.returncode == 2
        assert message in " ".join(done.stderr.split())
    assert cli("insights", "delete", *ids, "--yes").returncode == 2
    assert cli("insights", "list", "--standing", "banished").returncode == 2
    assert len(cli.document("insights", "list", "--limit", 100)) == len(learned)
