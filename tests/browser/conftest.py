"""A real browser, driven; where there is none, these tests skip and say so.

With ``CROSSMODEL_REQUIRE_BROWSER=1``, as in CI, they fail instead.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "integration"))
sys.path.insert(0, str(HERE))

from dashboard_process import DashboardProcess  # noqa: E402 - beside this file
from filling import ADMIN, VIEWER, fill, in_a_loop, write_settings  # noqa: E402 - likewise

ARTEFACTS = HERE / "artefacts"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 20_000


def missing(what):
    if os.environ.get("CROSSMODEL_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{what}, and CROSSMODEL_REQUIRE_BROWSER asks for it", pytrace=False)
    pytest.skip(f"{what}: the dashboard is not looked at")


@pytest.fixture(scope="module")  # while it runs, the thread has an event loop: others need that
def browser():
    found = os.environ.get("CROSSMODEL_BROWSER") or next(
        filter(None, map(shutil.which, BROWSERS)), None
    )
    if found is None:
        missing("there is no browser here (apt-get install chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("there is no playwright here (pip install playwright)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core, of the version that package.json names."""
    if not AXE.is_file():
        if shutil.which("npm") is None:
            missing("there is no axe-core here, and no npm to get it by")
        command = [
            "npm",
            "install",
            "--no-package-lock",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ]
        done = subprocess.run(
            command, cwd=HERE, capture_output=True, text=True, check=False, timeout=300
        )
        if done.returncode:
            missing(f"npm cannot get axe-core: {done.stderr.strip()[-300:]}")
    return AXE.read_text("utf-8")


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """A store that the loop has filled: its folder, and ids of what is in it."""
    folder = tmp_path_factory.mktemp("filled")
    return folder, in_a_loop(fill(folder))


@pytest.fixture(scope="session")
def ids(filled):
    return filled[1]


@pytest.fixture(scope="session")
def dashboard(filled):
    """A dashboard on this machine: nobody has to sign in."""
    with DashboardProcess(write_settings(filled[0])) as running:
        yield running


@pytest.fixture(scope="session")
def empty_dashboard(tmp_path_factory):
    with DashboardProcess(write_settings(tmp_path_factory.mktemp("empty"))) as running:
        yield running


@pytest.fixture(scope="session")
def guarded(filled):
    """A dashboard over the same store that asks who is there."""
    from crossmodel.dashboard import hash_password

    users = [
        {"name": "vera", "hash_env": "VERA_HASH"},
        {"name": "ada", "hash_env": "ADA_HASH", "role": "admin"},
        {"name": "otto", "hash_env": "ADA_HASH", "role": "admin", "tenant": "other"},
    ]
    config = write_settings(filled[0], filled[0] / "guarded", dashboard={"users": users})
    hashes = {"VERA_HASH": hash_password(VIEWER), "ADA_HASH": hash_password(ADMIN)}
    with DashboardProcess(config, **hashes) as running:
        yield running


class Watched:
    """A tab that notes what must not happen: errors, dialogs, and requests to anywhere else."""

    def __init__(self, context, base):
        self.base = base
        self.wrong = []
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("console", self._said)
        self.page.on("request", self._asked)
        self.page.on(
            "dialog",
            lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()),
        )

    def _said(self, message):
        is_status = "the server responded with a status of 4" in message.text  # those are asked for
        if message.type == "error" and not is_status:
            self.wrong.append(f"console: {message.text}")

    def _asked(self, request):
        if not request.url.startswith((self.base, "data:")):
            self.wrong.append(f"asked elsewhere: {request.url}")

    def open(self, path):
        self.page.goto(self.base + path)
        self.page.wait_for_selector("main h1")
        return self.page

    def shoot(self, name):
        ARTEFACTS.mkdir(exist_ok=True)
        safe = re.sub(r"[^a-z0-9-]+", "-", name.lower())
        self.page.screenshot(path=ARTEFACTS / f"{safe}.png", full_page=True)


@pytest.fixture
def open_tab(browser):
    """Opens a tab on a dashboard; in the end nothing must have gone wrong in any."""
    contexts, tabs = [], []

    def opened(dashboard, **options):
        context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        contexts.append(context)
        tabs.append(Watched(context, dashboard.url))
        return tabs[-1]

    yield opened
    wrong = [each for tab in tabs for each in tab.wrong]
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def tab(open_tab, dashboard):
    return open_tab(dashboard)


@pytest.fixture(scope="session")
def command(filled):
    """Runs ``crossmodel`` over the same store."""

    def run(*arguments, cwd=filled[0]):
        return subprocess.run(
            [sys.executable, "-m", "crossmodel", *map(str, arguments)],
            cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
            env=os.environ | {"COLUMNS": "200"},
        )  # fmt: skip

    return run
