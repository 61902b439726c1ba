"""The pages of figures: decisions, transfer, models, budgets, overview."""

import subprocess
import sys

from dashboard_process import DashboardProcess
from filling import write_settings


def test_decisions_are_listed_filtered_and_explained(tab, ids):
    page = tab.open("/selection")
    stamps = page.locator("tbody time").evaluate_all("all => all.map((t) => t.dateTime)")
    assert stamps == sorted(stamps, reverse=True)
    assert len(stamps) == min(50, int(ids["cheap answers"]) + 2)
    page.get_by_label("Model").select_option("strong")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/selection?model=strong")
    page.wait_for_selector("main table")
    assert set(page.locator("tbody td:nth-child(2)").all_inner_texts()) == {"strong"}
    page.get_by_role("link", name=ids["chosen"]).click()
    page.get_by_role("heading", name="The scores").wait_for()
    terms = page.get_by_role("region", name="Each term with its weight")
    assert terms.locator("tbody th").all_inner_texts() == ["strong", "cheap"]
    first = terms.locator("tbody tr").first.locator("td").all_inner_texts()
    heads = terms.locator("thead th").all_inner_texts()[1:]
    weights = [float(each.rsplit(" ", 1)[1]) for each in heads[:-1]]
    total = sum(w * float(term) for w, term in zip(weights, first[:-1], strict=True))
    assert abs(total - float(first[-1])) < 0.002, "the terms do not add up to the total"
    rejected = page.get_by_role("region", name="By the log")
    assert "tiny" in rejected.inner_text()
    assert page.locator("ol li").all_inner_texts() == ["cheap"]


def test_a_named_model_was_no_decision(tab, ids):
    page = tab.open(f"/selection/{ids['taught']}")
    assert "The caller named the model" in page.locator(".empty").inner_text()


def test_the_arms_stand_side_by_side(tab):
    page = tab.open("/transfer")
    arms = page.get_by_role("region", name="Mean score in each arm").first
    assert arms.locator("thead th").all_inner_texts()[2:] == ["Nothing", "Padding", "Insights"]
    assert "0.000 of" in arms.inner_text()
    assert "1.000 of" in arms.inner_text()
    effect = page.get_by_role("region", name="The difference that the insights make").first
    assert "95 % interval" in effect.inner_text()
    assert page.locator("svg[role=img]").count() >= 1


def test_models_stand_in_a_map_with_their_figures(tab, ids):
    page = tab.open("/models")
    chart = page.locator("svg[role=img]").first
    assert {"strong", "cheap", "tiny"} <= set(chart.locator("text").all_text_contents())
    figures = page.get_by_role("region", name="The last 30 days")
    row = figures.locator("tr", has_text="cheap")
    assert f"of {ids['cheap answers']}" in row.inner_text()
    assert "not reachable" in page.locator(".empty").first.inner_text()
    assert page.get_by_role("region", name="All that is known").locator("tbody tr").count() >= 1
    assert page.locator("figure", has_text="Calibration of strong").count() == 1


def test_the_breakers_are_those_of_the_running_gateway(open_tab, tmp_path):
    config = write_settings(
        tmp_path,
        gateway={"listen": "127.0.0.1:0", "control": "127.0.0.1:0", "insights": False},
        providers=[{"id": "p", "kind": "openai", "base_url": "http://127.0.0.1:9/v1"}],
    )
    with subprocess.Popen(
        [sys.executable, "-m", "crossmodel", "serve", "--config", config, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path, text=True,
    ) as gateway:  # fmt: skip
        try:
            lines = [gateway.stdout.readline() for _ in range(4)]
            control = next(line for line in lines if "control_url" in line).split('"')[3]
            told = write_settings(tmp_path, tmp_path / "told", dashboard={"gateway": control})
            with DashboardProcess(told) as running:
                page = open_tab(running).open("/models")
                endpoints = page.get_by_role("region", name="As the running gateway has them")
                assert endpoints.locator("tbody tr").count() == 3
                assert endpoints.get_by_text("closed").count() == 3
                overview = open_tab(running).open("/")
                assert "endpoints are well" in overview.locator("main").inner_text()
        finally:
            gateway.terminate()
            gateway.wait(30)


def test_budgets_say_what_was_spent(open_tab, tab, filled, tmp_path):
    page = tab.open("/budgets")
    table = page.get_by_role("region", name="In the present day and month")
    assert table.locator("tbody tr").count() == 4
    assert "$0.00" in table.locator("tbody tr").first.inner_text()
    budgets = "budget_constraints = {daily_budget = 0.0001, monthly_budget = 50.0}"
    config = write_settings(filled[0], filled[0] / "limited")
    with config.open("a") as file:
        file.write(f"\n[model_selector.cost_optimization]\n{budgets}\n")
    with DashboardProcess(config) as running:
        rows = open_tab(running).open("/budgets").locator("tbody tr").all_inner_texts()
        [daily] = [each for each in rows if each.startswith("everyone") and "$0.000100" in each]
        assert "used up" in daily


def test_the_overview_sums_up_and_compares_with_the_dearest_model(tab, ids):
    page = tab.open("/")
    figures = dict(
        zip(
            page.locator("dt").all_inner_texts(),
            page.locator("dd").all_inner_texts(),
            strict=True,
        )
    )
    assert figures["Requests"] == str(int(ids["cheap answers"]) + 2)
    assert figures["Failed"] == "0.0 % (0)"
    dollars = {
        name: float(figures[name].split()[0].lstrip("$"))
        for name in ("Spent", "With the dearest model", "Saved")
    }
    assert dollars["Spent"] > 0
    assert abs(dollars["With the dearest model"] - dollars["Spent"] - dollars["Saved"]) < 2e-6
    assert "as if it had been asked for the same tokens" in page.locator("main").inner_text()
    page.get_by_label("Period").select_option("1h")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/?period=1h")
    page.wait_for_selector("dd")
    assert page.get_by_label("Period").input_value() == "1h"
