"""``crossmodel report``: the figures are those of what the loop did; the page holds no surprises."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from ticket_codes import HANDBOOK, QUESTION

from crossmodel import CrossModel, Incident, NotFoundError, ProviderResponseError, TimePeriod
from crossmodel.desk.report_page import render
from crossmodel.domain.insight import Standing

HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&$tenant\x00"
CONFIG = """
[store]
url = "sqlite:///state.db"
[witness]
key_dir = "keys"
[[providers]]
id = "p"
kind = "fake"
[[models]]
id = "strong"
provider = "p"
quality = 0.9
input_price = 3
output_price = 15
"""


def last_hour():
    return TimePeriod.last(timedelta(hours=1), now=datetime.now(UTC) + timedelta(minutes=1))


@pytest.fixture
def used(settings):
    """A loop that was asked for a while, whose answers were scored."""

    async def use(**of):
        async with CrossModel.open(settings) as cm:
            taught = await cm.complete("How are ticket codes made?", model="strong", **of)
            answers = [await cm.complete(QUESTION, model="cheap", **of) for _ in range(4)]
            for answer, score in zip(answers, (1.0, 0.75, 0.5, 0.25), strict=True):
                await cm.feedback(answer.id, score, tenant=of.get("tenant"))
            return taught, answers

    return use


async def test_figures_are_those_of_what_the_loop_did(settings, used):
    taught, answers = await used()
    async with CrossModel.open(settings, with_models=False) as cm:
        report = await cm.performance(last_hour())
        spent = await cm.engine.store.read(lambda tx: tx.spent_usd(datetime.now(UTC).date()))
    everything = [taught, *answers]
    assert report.total.requests == 5
    assert set(report.models) == {"strong", "cheap"}
    assert report.total.cost_usd == pytest.approx(sum(a.cost_usd for a in everything))
    assert report.total.cost_usd == pytest.approx(sum(spent.values()))
    assert report.total.input_tokens == sum(a.usage.input_tokens for a in everything)
    assert report.total.output_tokens == sum(a.usage.output_tokens for a in everything)
    handed = sum(a.transfer.tokens for a in answers)
    assert report.transfers.tokens == handed > 0
    baseline = 0.0
    for answer in everything:
        read = answer.usage.input_tokens - (answer.transfer.tokens if answer.transfer else 0)
        baseline += (max(read, 0) * 3 + answer.usage.output_tokens * 15) / 1e6
    assert report.total.baseline_usd == pytest.approx(baseline)
    assert report.models["strong"].saved_usd == pytest.approx(0.0)
    assert (report.total.scores, report.total.mean_score) == (4, 0.625)
    assert (
        report.models["cheap"].score_interval[0] < 0.625 < report.models["cheap"].score_interval[1]
    )
    assert report.extractions.count == 1
    assert report.extractions.insights == len(taught.extraction.insights)
    assert report.transfers.success_rate == 1.0
    assert report.selections.count == 5
    assert report.total.latency_p99_ms is not None


async def test_a_changed_score_counts_once_and_where_its_request_is(settings, used):
    _, answers = await used()
    async with CrossModel.open(settings) as cm:
        await cm.feedback(answers[0].id, 0.0)
        await cm.feedback(answers[3].id, 0.5)
        report = await cm.performance(last_hour())
    assert (report.total.scores, report.total.mean_score) == (4, 0.4375)


async def test_scores_of_unknown_answers_count_nowhere(settings, used):
    await used()
    async with CrossModel.open(settings) as cm:
        with pytest.raises(NotFoundError):
            await cm.feedback("req_gone", 1.0)
        assert (await cm.performance(last_hour())).total.scores == 4


async def test_a_call_that_failed_is_an_error(settings, script):
    def fail(_request):
        raise ProviderResponseError("broken", provider="p", model="cheap", status=500)

    script["cheap"] = fail
    async with CrossModel.open(settings) as cm:
        with pytest.raises(ProviderResponseError):
            await cm.complete("Hello", model="cheap")
        total = (await cm.performance(last_hour())).total
    assert (total.requests, total.errors, total.error_rate, total.uncounted) == (1, 1, 1.0, 1)
    assert total.latency_p50_ms is None


async def test_what_was_answered_elsewhere_is_extraction_and_no_request(settings):
    async with CrossModel.open(settings) as cm:
        found = await cm.extract(HANDBOOK, source_model="elsewhere")
        report = await cm.performance(last_hour())
    assert report.total.requests == 0
    assert (report.extractions.count, report.extractions.insights) == (1, len(found.insights))


async def test_a_turn_without_insights_is_counted_as_one_that_was_read(settings, script):
    script["strong"] = lambda _request: "No."
    async with CrossModel.open(settings) as cm:
        await cm.complete("Well?", model="strong")
        assert (await cm.performance(last_hour())).extractions.count == 1


async def test_tenants_see_their_own(settings, used):
    await used(tenant="acme")
    async with CrossModel.open(settings, with_models=False) as cm:
        assert (await cm.report(last_hour())).performance.total.requests == 0
        mine = await cm.report(last_hour(), tenant="acme")
        assert mine.tenant == "acme"
        assert mine.performance.total.requests == 5
        assert [each.source_model for each in mine.reliability] == ["strong"]
        assert (await cm.report(last_hour())).reliability == ()


async def test_history_is_moved_while_a_loop_is_open(settings, used, tmp_path):
    await used()
    with closing(sqlite3.connect(tmp_path / "state.db")) as db:
        db.execute("UPDATE traffic SET start = start - 86400 * 400")
        db.commit()
    async with CrossModel.open(settings):
        pass
    for _ in range(100):  # whoever closes at once may not have come to it
        async with CrossModel.open(settings) as cm:
            await cm.engine.store.transact(lambda tx: tx.get_mark("x"))
        with closing(sqlite3.connect(tmp_path / "state.db")) as db:
            spans = {span for (span,) in db.execute("SELECT DISTINCT span FROM traffic")}
        if spans == {86400}:
            break
    assert spans == {86400}


async def test_a_report_says_what_it_rests_on(settings, used):
    await used()
    async with CrossModel.open(settings, with_models=False) as cm:
        made = await cm.report(last_hour())
    said = " ".join(made.assumptions)
    assert "Now that is strong, at 3 USD per million tokens read and 15 per million" in said
    assert f"({made.performance.transfers.tokens:,} at most" in said
    assert "Nobody counted" not in said
    assert made.incidents is None
    assert {each.effect.target_model for each in made.insights} <= {"cheap"}


async def test_incidents_are_those_of_the_period(settings, used):
    await used()
    now = datetime.now(UTC)
    known = [
        Incident(now - timedelta(days=3), now - timedelta(days=2), "errors", "long over"),
        Incident(now - timedelta(minutes=5), None, "latency", "p95 of 3 s"),
        Incident(now - timedelta(hours=2), now - timedelta(minutes=50), "disk", "full"),
    ]
    async with CrossModel.open(settings, with_models=False) as cm:
        made = await cm.report(last_hour(), incidents=known)
    assert [each.check for each in made.incidents] == ["disk", "latency"]
    page = Page(render(made))
    assert "p95 of 3 s" in page.text
    assert "goes on" in page.text
    assert made.to_dict()["incidents"][0]["duration_seconds"] == 70 * 60


class Page(HTMLParser):
    """Reads a page, and refuses tags that are not closed in order."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.texts = [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


async def test_the_page_is_whole_and_loads_nothing(settings, used):
    await used()
    async with CrossModel.open(settings, with_models=False) as cm:
        page = Page(render(await cm.report(last_hour())))
    names = [tag for tag, _ in page.tags]
    assert names.count("h1") == 1
    assert names.count("table") == names.count("caption")
    assert not {"script", "link", "img", "iframe", "form"} & set(names)
    assert not any(
        name in {"src", "href"} or name.startswith("on") for _, a in page.tags for name in a
    )
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    referred = {
        each for _, a in page.tags for each in (a.get("aria-labelledby") or "").split() if each
    }
    assert referred <= set(ids)
    assert all(a.get("scope") for tag, a in page.tags if tag == "th")
    policy = [a["content"] for _, a in page.tags if a.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    for said in ("dearest model", "Quality by outcome", "cheap", "strong", "0.625", "Calibration"):
        assert said in page.text


async def test_no_name_becomes_markup(settings, script):
    settings["models"].append(
        {"id": HOSTILE, "name": "evil", "provider": "p", "quality": 0.9, "input_price": 99}
    )
    script["evil"] = lambda _request: HANDBOOK + HOSTILE
    script["cheap"] = lambda _request: "BIL-7"
    async with CrossModel.open(settings) as cm:
        await cm.complete("How are ticket codes made?", model=HOSTILE, tenant=HOSTILE)
        answer = await cm.complete(QUESTION, model="cheap", tenant=HOSTILE)
        await cm.feedback(answer.id, 1.0, tenant=HOSTILE)
        made = await cm.report(
            last_hour(),
            tenant=HOSTILE,
            incidents=[Incident(datetime.now(UTC), None, HOSTILE, HOSTILE)],
        )
    assert HOSTILE in made.performance.models
    page = Page(render(made))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert "<script>alert(1)</script>" in page.text


async def test_an_empty_store_has_a_report_too(settings):
    async with CrossModel.open(settings) as cm:
        made = await cm.report(last_hour())
    page = Page(render(made))
    assert "No requests" in page.text
    assert "crossmodel feedback ID SCORE" in page.text
    json.dumps(made.to_dict(), allow_nan=False)


async def test_insights_that_were_erased_are_named_only(settings, used):
    settings["insight_transfer"] = {"uplift": {"holdout_rate": 0.5}}
    async with CrossModel.open(settings) as cm:
        await cm.complete("How are ticket codes made?", model="strong")
        for _ in range(30):
            answer = await cm.complete(QUESTION, model="cheap")
            await cm.feedback(answer.id, float(answer.transfer.arm == "insights"))
        made = await cm.report(last_hour())
        assert made.insights
        best = made.insights[0]
        assert best.content is not None
        lows = [each.effect.over_nothing.low for each in made.insights]
        assert lows == sorted(lows, reverse=True)
        await cm.delete([best.insight_id], "outdated")
        again = (await cm.report(last_hour())).insights
        assert all(each.content is None for each in again if each.insight_id == best.insight_id)
        listed = await cm.insights(standing=Standing.ACTIVE)
        assert best.insight_id not in {each.id for each in listed}


async def test_the_command_prints_writes_and_says_json(
    settings, used, crossmodel_command, tmp_path
):
    await used()
    (tmp_path / "crossmodel.toml").write_text(CONFIG)
    printed = crossmodel_command("report", "--period", "24h")
    assert printed.returncode == 0, printed.stderr
    for said in ("cheap", "0.625", "dearest model", "nobody watches"):
        assert said in printed.stdout
    found = crossmodel_command("report", "--json", "--html", "r.html")
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    assert document["total"]["requests"] == 5
    assert document["total"]["saved_usd"] == pytest.approx(
        document["total"]["baseline_usd"] - document["total"]["cost_usd"]
    )
    assert document["assumptions"]
    assert Page((tmp_path / "r.html").read_text("utf-8")).text.count("dearest model") > 1
    other = json.loads(crossmodel_command("report", "--tenant", "nobody", "--json").stdout)
    assert other["total"]["requests"] == 0


@pytest.mark.parametrize("period", ["", "30", "d", "3 d", "99999999999d", "2026-13-01..", "now"])
def test_a_period_that_is_none_is_refused(crossmodel_command, period):
    refused = crossmodel_command("report", "--period", period)
    assert refused.returncode == 2
    assert "is no period" in refused.stderr
