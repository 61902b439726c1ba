"""What all pages have in common: they can be read, reached and used by everybody, offline."""

import re

import pytest

PAGES = {
    "/": "Overview",
    "/models": "Models",
    "/selection": "Selection",
    "/selection/{chosen}": "Decision",
    "/insights": "Insights",
    "/insights?q=ticket": "Insights",
    "/insights/{rule}": "Insight",
    "/insights/{hostile}": "Insight",
    "/transfer": "Transfer",
    "/provenance": "Provenance",
    "/provenance?id={helped}": "Provenance",
    "/budgets": "Budgets",
    "/alerts": "Alerts",
    "/insights/no-such-insight": "Insight",
    "/nowhere": "There is no such page",
}
SERIOUS = ("serious", "critical")


def rules_broken(page, axe):
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"], "axe has looked at nothing"
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_whole_and_breaks_no_serious_rule(  # noqa: PLR0917 - fixtures, by name
    open_tab, dashboard, axe, ids, path, theme
):
    tab = open_tab(dashboard, color_scheme=theme)
    page = tab.open(path.format(**ids))
    assert page.locator("h1").all_inner_texts() == [PAGES[path]]
    assert page.title().endswith(" · CrossModel")
    assert page.locator("main").count() == 1
    assert page.locator("html").get_attribute("lang") == "en-US" or path == "/nowhere"
    tab.shoot(f"{theme}-{path}")
    assert rules_broken(page, axe) == []


@pytest.mark.parametrize("path", [path for path in PAGES if "{" not in path and "no" not in path])
def test_each_empty_page_says_what_to_do(open_tab, empty_dashboard, axe, command, path):
    tab = open_tab(empty_dashboard)
    page = tab.open(path)
    said = page.locator(".empty").first
    assert said.inner_text().strip()
    tab.shoot(f"empty-{path}")
    assert rules_broken(page, axe) == []
    for line in page.locator(".empty pre").all_inner_texts():
        for words in re.findall(r"^crossmodel ([a-z ]+)", line, re.MULTILINE):
            name = words.split()[0]
            assert name == "health" or command(name, "--help").returncode == 0, line


def test_a_wide_page_fits_a_narrow_screen(browser, dashboard, axe, ids):
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    for path in (
        "/",
        "/insights",
        f"/provenance?id={ids['helped']}",
        f"/selection/{ids['chosen']}",
    ):
        page.goto(dashboard.url + path)
        page.wait_for_selector("main h1")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, f"{path} scrolls sideways: {width}"
        assert rules_broken(page, axe) == []
    context.close()


def test_the_keyboard_skips_to_the_content_and_reaches_everything(tab, ids):
    page = tab.open(f"/insights/{ids['rule']}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('content').contains(document.activeElement)")
    page.evaluate("document.activeElement.blur(); window.getSelection().removeAllRanges()")
    page = tab.open(f"/insights/{ids['rule']}")
    wanted = page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, input, select')]
        .filter((each) => each.checkVisibility()).map((each, at) => (each.dataset.at = at))"""
    )
    assert len(wanted) > 12
    reached = set()
    for _ in range(3 * len(wanted)):
        page.keyboard.press("Tab")
        at, outline = page.evaluate(
            """() => {
              const at = document.activeElement;
              return [at.dataset.at, getComputedStyle(at).outlineStyle];
            }"""
        )
        if at is not None:
            assert outline != "none", f"the focus does not show on {at}"
            reached.add(int(at))
    assert reached == set(wanted)


def test_the_theme_follows_the_system_until_it_is_chosen_and_is_remembered(open_tab, dashboard):
    tab = open_tab(dashboard, color_scheme="dark")
    page = tab.open("/")

    def ground():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    dark = ground()
    page.emulate_media(color_scheme="light")
    assert ground() == "rgb(255, 255, 255)"
    page.get_by_label("Theme").select_option("dark")
    assert ground() == dark
    tab.open("/insights")
    assert page.get_by_label("Theme").input_value() == "dark"
    assert ground() == dark
    page.get_by_label("Theme").select_option("system")
    tab.open("/models")
    assert ground() == "rgb(255, 255, 255)"


def test_the_navigation_leads_everywhere_and_says_where_one_is(tab):
    page = tab.open("/")
    names = page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()
    assert len(names) == 8
    for name in names:
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
        page.wait_for_function("name => document.title.startsWith(name)", arg=name)
        here = page.locator("nav [aria-current=page]")
        assert here.all_inner_texts() == [name]
