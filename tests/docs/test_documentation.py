"""Every command and every Python snippet of the documentation runs.

Blocks marked ``console`` hold commands after ``$ ``; blocks marked ``python`` are run whole,
``toml`` blocks are loaded as settings, and ``yaml`` is read. What installs the project or runs this
very suite is checked to exist, since it cannot run inside itself. A gateway that a page starts runs until the end, in a
folder of its own, and answers the blocks that ask it.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import tomllib
import urllib.request
from pathlib import Path

import pytest
import yaml
from serving import SPEAKS, Deploying, Serving
from upstreams import Upstream

from crossmodel.extraction import InsightExtractor
from crossmodel.extraction.logs import read_path
from crossmodel.settings import load_settings
from postgres_server import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples" / "README.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = [
    pytest.param(page, language, body, id=f"{page.stem}-{number}-{language}")
    for page in PAGES
    for number, (language, body) in enumerate(BLOCK.findall(page.read_text("utf-8")))
]

NEEDS = {
    "openssl": re.compile(r"^\$ openssl |watche[rd]", re.MULTILINE),
    "curl": re.compile(r"^\$ curl |(head|id)\.txt", re.MULTILINE),
}
"""Programs that an outsider has, and what needs them or what they have made."""

DATABASE = re.compile(r"postgresql://crossmodel@db\.example/crossmodel")
"""A database on a server; what moves into it has a folder of its own."""


def blocks(language):
    return [
        pytest.param(page, body, id=block.id)
        for block in BLOCKS
        for page, its_language, body in [block.values]
        if its_language == language
    ]


def commands(body):
    return [line[2:] for line in body.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder like a fresh clone's, with the examples and without a store."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


@pytest.fixture
def place(workshop, tmp_path):
    """Gives the folder of a block, and what its text is there: what moves has a place of its own."""
    servers = []

    def find(body):
        if not DATABASE.search(body):
            return workshop, body
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
        servers.append(PostgresServer())
        return tmp_path, DATABASE.sub(lambda _: f"'{servers[0].empty()}'", body)

    yield find
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def gateway_of(tmp_path_factory):
    """The gateway that a page starts; it is started once, and ends with the tests."""
    running = {}
    with Upstream() as upstream:

        def start(page):
            if page not in running:
                text = page.read_text("utf-8")
                command = re.search(r"^\$ (crossmodel serve.*)$", text, re.MULTILINE)[1]
                settings = ""
                if "--config" in command:
                    settings = next(b for name, b in BLOCK.findall(text) if name == "toml")
                folder = tmp_path_factory.mktemp(f"gateway-{page.stem}")
                running[page] = Serving(folder, command, settings, upstream)
            return running[page]

        yield start
        for each in running.values():
            each.stop()


@pytest.fixture(scope="module")
def deployment_of(tmp_path_factory):
    """What a page deploys, if it does; its commands run in one folder, in their order."""
    running = {}

    def find(page):
        text = page.read_text("utf-8")
        deploys, serves = (
            re.search(rf"^\$ crossmodel {command}", text, re.MULTILINE)
            for command in ("deploy", "serve")
        )
        if page not in running and deploys and not serves:  # where it is all that the page does
            settings = next(b for name, b in BLOCK.findall(text) if name == "toml")
            folder = tmp_path_factory.mktemp(f"deployment-{page.stem}")
            running[page] = Deploying(folder, settings)
        return running.get(page)

    yield find
    for each in running.values():
        each.stop()


def run(command, folder, environment=None):
    environment = environment or os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "120",
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("page", "body"), blocks("console"))
def test_commands_run(page, body, place, gateway_of, deployment_of):
    folder, body = place(body)
    found = commands(body)
    assert found, "a console block without a command"
    for program, needs in NEEDS.items():
        if needs.search(body) and not shutil.which(program):
            pytest.skip(f"there is no {program} here")
    running = deployment_of(page) or (gateway_of(page) if SPEAKS.search(body) else None)
    if running is not None:
        for command in commands(running.readdressed(body)):
            if not command.startswith("crossmodel serve"):  # it runs since gateway_of
                done = run(command, running.folder, running.environment)
                assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return
    for command in found:
        if command.startswith("crossmodel dashboard --listen"):
            look_at_the_dashboard(command, folder)
            continue
        make = re.fullmatch(r"make (\w+)", command)
        if make:
            assert re.search(rf"^{make[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            continue
        done = run(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def look_at_the_dashboard(command, folder):
    """It runs until it is told to end: here it answers once, on any free port."""
    command = re.sub(r"--listen \S+", "--listen 127.0.0.1:0", command)
    with (folder / "dashboard.log").open("w+") as log, subprocess.Popen(
        ["bash", "-c", f"exec {sys.executable} -m {command} --json"],
        cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True,
    ) as process:  # fmt: skip
        said = "".join(process.stdout.readline() for _ in range(3))
        try:
            with urllib.request.urlopen(json.loads(said)["url"]) as answer:
                assert answer.status == 200
        finally:
            process.terminate()
            assert process.wait(30) == 0
        log.seek(0)
        assert "Traceback" not in log.read()


@pytest.mark.slow
@pytest.mark.parametrize(("page", "body"), blocks("python"))
def test_python_runs(page, body, workshop, gateway_of, monkeypatch):
    if SPEAKS.search(body):
        gateway = gateway_of(page)
        done = subprocess.run(
            [sys.executable, "-c", gateway.readdressed(body)],
            cwd=gateway.folder, env=gateway.environment, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert done.stdout.strip(), "it has said nothing"
        return
    monkeypatch.chdir(workshop)
    if "await " in body or "async " in body:
        body = "async def main():\n" + textwrap.indent(body, "    ")
        namespace: dict = {}
        exec(compile(body, "docs", "exec"), namespace)
        asyncio.run(namespace["main"]())
    else:
        exec(compile(body, "docs", "exec"), {})


@pytest.mark.parametrize(("page", "body"), blocks("toml"))
def test_settings_load(page, body):
    load_settings(tomllib.loads(body))


@pytest.mark.parametrize(("page", "body"), blocks("yaml"))
def test_yaml_loads(page, body):
    assert isinstance(yaml.safe_load(body), dict | list)


def test_no_block_is_left_out():
    known = {"console", "python", "toml", "yaml", "text", "json"}
    assert {block.values[1] for block in BLOCKS} <= known
    assert blocks("console")
    assert blocks("python")


def test_the_insights_that_the_readme_counts_are_those_of_the_examples():
    extractor = InsightExtractor()
    answers = list(read_path(ROOT / "examples" / "answers"))
    found = sum(len(extractor.extract(row.output, "strong-model").insights) for row in answers)
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert len(answers) == 10
    assert "reads ten long, messy answers" in readme
    assert f"extracts and witnesses {found} insights" in readme


@pytest.mark.slow
def test_an_outsider_needs_the_five_lines_and_cryptography(tmp_path):
    """The lines of docs/verify.md in an environment of their own; pip's part is done by links."""
    page = (ROOT / "docs" / "verify.md").read_text("utf-8")
    lines = next(body for language, body in BLOCK.findall(page) if language == "text").splitlines()
    assert len(lines) == 5
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    keeper = next(b for language, b in BLOCK.findall(page) if language == "console")
    for command in commands(keeper)[:4]:
        done = run(command, tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    for line in lines:
        if " install " in line:
            link(line.split()[-1], tmp_path / "auditor")
            continue
        done = run(f"unset PYTHONPATH; {line.replace('venv ', 'venv --without-pip ')}", tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.splitlines()[-1] == "valid"
    alone = run("unset PYTHONPATH; auditor/bin/python -c 'import sqlalchemy'", tmp_path)
    assert "ModuleNotFoundError" in alone.stderr


def link(package, environment):
    """What ``pip install PACKAGE`` would bring, from what is installed here."""
    [target] = environment.glob("lib/python*/site-packages")
    if package == "crossmodel":
        (target / package).symlink_to(ROOT / "src" / package)
        return
    for installed in Path(sysconfig.get_path("platlib")).iterdir():
        if installed.name.startswith((package, "cffi", "_cffi_backend", "pycparser")):
            (target / installed.name).symlink_to(installed)
