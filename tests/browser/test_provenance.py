"""Provenance in a browser: the chain, its records, the log's verification, what is taken along."""

import json
import shutil
import sqlite3

import pytest
from dashboard_process import DashboardProcess
from filling import VIEWER, write_settings


def test_the_chain_leads_from_the_answer_back_to_who_taught_it(tab, ids):
    page = tab.open("/provenance")
    page.get_by_label("Id of a request or insight").fill(ids["helped"])
    page.get_by_role("button", name="Show the chain").click()
    page.wait_for_url("**/provenance?id=req_*")
    page.get_by_role("heading", name="The same as a list").wait_for()
    boxes = page.locator("figure svg a").evaluate_all("all => all.map((a) => a.textContent)")
    kinds = {each.split()[0].removesuffix("chose").removesuffix("by") for each in boxes}
    assert len(boxes) >= 6
    assert any(each.startswith("Selectionchose cheap") for each in boxes), boxes
    assert any(each.startswith("Transfer") for each in boxes), kinds
    assert any(each.startswith("Answerby strong") for each in boxes)
    assert any(each.startswith("Insight ins_") for each in boxes)
    told = page.locator(".chain").inner_text()
    for said in (ids["helped"], ids["taught"], "Selection of cheap", "Answer of strong", "gave it"):
        assert said in told
    page.locator("figure svg a").first.click()
    assert page.evaluate("document.activeElement.id").startswith("record-")


@pytest.mark.parametrize("about", ["rule", "chosen"])
def test_each_kind_of_id_has_its_chain(tab, ids, about):
    page = tab.open(f"/provenance?id={ids[about]}")
    assert ids[about] in page.locator(".chain").inner_text()


def test_the_button_runs_the_real_verification(tab, ids):
    page = tab.open(f"/provenance?id={ids['helped']}")
    page.get_by_role("button", name="Verify the log").click()
    said = page.locator("#verdict").get_by_role("status")
    said.wait_for()
    assert "The log is valid" in said.inner_text()
    steps = page.get_by_role("region", name="Its steps")
    assert steps.get_by_text("passed").count() == steps.locator("tbody tr").count() > 3
    tab.shoot("verified")


def test_a_record_is_taken_along_and_verified_by_the_command(tab, ids, command, tmp_path):
    page = tab.open(f"/provenance?id={ids['helped']}")
    with page.expect_download() as trust:
        page.get_by_role("link", name="trust.json").click()
    trust.value.save_as(tmp_path / "trust.json")
    links = page.get_by_role("link", name="record-")
    assert links.count() >= 6
    for position in range(links.count()):
        with page.expect_download() as evidence:
            links.nth(position).click()
        path = tmp_path / evidence.value.suggested_filename
        evidence.value.save_as(path)
        assert b"ticket" not in path.read_bytes().lower(), "what was said is not for others"
    done = command("verify", path, "--trust", tmp_path / "trust.json", "--json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert report["valid"] is True
    assert report["steps"]


def test_an_edited_log_is_refused(open_tab, filled, ids, tmp_path):
    """Somebody edits the store's file: the chain and the verification both say so."""
    with (
        sqlite3.connect(filled[0] / "state.db") as kept,
        sqlite3.connect(tmp_path / "state.db") as db,
    ):
        kept.backup(db)
        db.execute(
            "UPDATE log_leaves SET statement = replace(statement, 'strong', 'strang') WHERE about = ?",
            (ids["taught"],),
        )
    shutil.copytree(filled[0] / "keys", tmp_path / "keys")
    with DashboardProcess(write_settings(tmp_path)) as running:
        tab = open_tab(running)
        page = tab.open(f"/provenance?id={ids['taught']}")
        assert (
            "Its statement is not the one that its leaf's hash is of"
            in page.get_by_role("alert").first.inner_text()
            or "is not the one" in page.locator("main").inner_text()
        )
        page.get_by_role("button", name="Verify the log").click()
        said = page.locator("#verdict").get_by_role("alert")
        said.wait_for()
        assert "The log is invalid" in said.inner_text()
        tab.shoot("refused")


def test_a_page_whose_session_is_over_verifies_nothing(open_tab, guarded):
    tab = open_tab(guarded)
    page = tab.page
    page.goto(guarded.url + "/provenance")
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill(VIEWER)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Verify the log").wait_for()
    other = page.context.new_page()
    other.goto(guarded.url + "/alerts")
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/sign-in")
    page.get_by_role("button", name="Verify the log").click()
    said = page.locator("#verdict").get_by_role("alert")
    said.wait_for()
    assert "Your session is over" in said.inner_text()
