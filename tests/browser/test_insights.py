"""Insights in a browser: found, leafed through, read with their evidence, set aside, erased."""

import base64
import json
import sqlite3

from filling import HOSTILE


def test_a_search_finds_by_words_and_can_be_kept(tab, ids):
    page = tab.open("/insights")
    page.get_by_label("Search by words and meaning").fill("ticket code")
    page.keyboard.press("Enter")
    page.wait_for_url("**/insights?q=ticket+code")
    page.wait_for_selector("main table")
    first = page.locator("tbody tr").first
    assert "ticket code" in first.inner_text()
    matches = [float(each) for each in page.locator("tbody td:last-child").all_inner_texts()]
    assert matches == sorted(matches, reverse=True)
    page.reload()
    page.wait_for_selector("main table")
    assert page.get_by_label("Search by words and meaning").input_value() == "ticket code"
    page.get_by_role("link", name="A ticket code is always").click()
    page.wait_for_url(f"**/insights/{ids['rule']}")
    assert page.locator("mark").all_inner_texts() == [
        "A ticket code is always the queue's prefix, a dash and the floor number."
    ]


def test_leafing_shows_each_insight_once(tab):
    page = tab.open("/insights?type=")
    seen = []
    while True:
        seen += page.locator("tbody th a").evaluate_all("all => all.map((a) => a.href)")
        older = page.get_by_role("link", name="Older")
        if not older.count():
            break
        before = page.url
        older.click()
        page.wait_for_function("before => location.href !== before", arg=before)
        page.wait_for_selector("main table")
    assert len(seen) == len(set(seen)) > 60
    page.get_by_role("link", name="Newest").click()
    page.wait_for_url("**/insights")
    page.wait_for_selector("main table")
    assert page.locator("tbody th a").first.evaluate("a => a.href") == seen[0]


def test_filters_hold_for_what_is_shown(tab):
    page = tab.open("/insights?standing=quarantined")
    assert "No insight is like that" in page.locator(".empty").inner_text()
    page.get_by_label("Type").select_option("language")
    page.get_by_label("Standing").select_option("active")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/insights?type=language&standing=active")
    page.wait_for_selector("main table")
    assert set(page.locator("tbody td:nth-child(2)").all_inner_texts()) == {"language"}


def test_wrong_addresses_are_answered_in_a_sentence(tab):
    for path, said in (
        ("/insights?standing=gone", "Standing must be one of active"),
        ("/insights?before=x", "Before must be a number"),
        ("/insights?q=" + "x" * 2001, "Q is longer than 2000 characters"),
        ("/provenance?id=nothing", "Ids stand in the lists"),
        ("/receipts/0", "Record 0 of the log is no erasure"),
        ("/selection/nothing", "The log has no record of how"),
    ):
        page = tab.open(path)
        assert said in page.get_by_role("alert").inner_text(), path


def test_a_hostile_source_is_text_and_nothing_else(tab, ids):
    page = tab.open("/insights")
    for _ in range(2):
        assert "taken" not in page.title()
        page = tab.open(f"/insights/{ids['hostile']}")
    shown = page.locator("pre.source").last.inner_text()
    assert '<script>document.title = "taken"</script>' in shown
    assert "{{constructor.constructor(" in shown
    assert "<img src=x onerror=" in shown
    assert "\u202e" not in shown
    assert "\N{REPLACEMENT CHARACTER}" in shown
    assert "<b>origin</b>" in page.locator("main").inner_text()
    assert page.locator("main img, main script, main b").count() == 0
    assert page.locator("mark").first.inner_text()[:30] in HOSTILE
    assert "taken" not in page.title()


def test_where_it_was_used_and_what_it_did(tab, ids):
    page = tab.open(f"/provenance?id={ids['helped']}")
    page.locator(".chain ul ul ul a").first.click()
    page.wait_for_url("**/insights/ins_*")
    page.get_by_role("heading", name="Where it was used").wait_for()
    assert ids["helped"] in page.locator("main").inner_text()
    assert page.locator("main svg[role=img]").count() == 1
    measured = page.get_by_role("region", name="Measured on each model").inner_text()
    assert "cheap" in measured
    assert "with" in measured


def standing_of(insight_id, command):
    """By another process: what the page has changed is kept."""
    done = command("insights", "show", insight_id, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["standing"]


def test_quarantine_and_release(tab, ids, command):
    path = f"/insights/{ids['valve']}"
    page = tab.open(path)
    page.get_by_role("button", name="Quarantine").click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_label("Why?").evaluate("at => at === document.activeElement")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.get_by_role("button", name="Quarantine").click()
    page.get_by_role("textbox", name="Why?").fill("the paste was <b>wrong</b>")
    tab.shoot("quarantine")
    page.get_by_role("button", name="Quarantine it").click()
    page.wait_for_url("**?done=quarantined")
    page.get_by_role("status").wait_for()
    assert "the paste was <b>wrong</b>" in page.locator("dl").first.inner_text()
    assert standing_of(ids["valve"], command) == "quarantined"
    listed = tab.open("/insights?standing=quarantined")
    assert listed.locator("tbody tr").count() == 1
    page = tab.open(path)
    page.get_by_role("button", name="Release").click()
    page.wait_for_url("**?done=released")
    page.get_by_role("status").wait_for()
    assert standing_of(ids["valve"], command) == "active"


def test_erasing_asks_first_and_gives_a_receipt_that_others_can_verify(
    tab, filled, command, tmp_path
):
    page = tab.open("/insights?q=grease+valve+11+of+line")
    page.locator("tbody a").first.click()
    page.wait_for_url("**/insights/ins_*")
    page.get_by_role("button", name="Erase").wait_for()
    insight_id = page.url.rsplit("/", 1)[1]
    content = page.locator("pre.source").first.inner_text().strip()
    page.get_by_role("button", name="Erase").click()
    assert "There is no undo" in page.get_by_role("dialog").inner_text()
    page.get_by_role("button", name="Erase it").click()
    assert page.url.endswith(insight_id), "it went without a reason"
    page.get_by_role("textbox", name="Why?").fill("nobody needs it")
    page.get_by_role("button", name="Erase it").click()
    page.wait_for_url("**/receipts/*")
    page.get_by_role("status").wait_for()
    tab.shoot("receipt")
    with page.expect_download() as evidence:
        page.get_by_role("link", name="Download the signed receipt").click()
    evidence.value.save_as(tmp_path / "receipt.json")
    with page.expect_download() as trust:
        page.get_by_role("link", name="Download the keys").click()
    trust.value.save_as(tmp_path / "trust.json")
    done = command(
        "verify", tmp_path / "receipt.json", "--trust", tmp_path / "trust.json", "--json"
    )
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["valid"] is True
    reason = base64.b64encode(b"nobody needs it").decode().rstrip("=")
    assert reason in (tmp_path / "receipt.json").read_text()
    assert tab.open(f"/insights/{insight_id}").get_by_role("alert").count() == 1
    with sqlite3.connect(filled[0] / "state.db") as db:
        for (text,) in db.execute("SELECT text FROM sources"):
            assert content.encode() not in bytes(text)
