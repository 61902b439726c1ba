"""Figures of routers by hand, bad files, and the whole judgement on traffic with a known truth."""

import io
import json
import math
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.errors import InvalidInputError
from crossmodel.evaluation.routing import baselines, chart, generalisation, judge, metrics
from crossmodel.evaluation.routing.metrics import Outcomes, Point, Predictions
from crossmodel.evaluation.routing.reading import read_outcomes, write_predictions
from crossmodel.selection.learned import OutcomeTable, Trial, train_router
from crossmodel.text.embedding import HashedEmbedder

# --- figures -------------------------------------------------------------------------------------


def test_the_hull_is_concave_and_never_falls():
    points = [
        Point(1, 0.2),
        Point(2, 0.3),
        Point(3, 0.8),
        Point(4, 0.7),
        Point(5, 0.9),
        Point(1, 0.1),
    ]
    assert metrics.hull(points) == [Point(1, 0.2), Point(3, 0.8), Point(5, 0.9)]


def test_aiq_is_the_mean_height_of_the_hull():
    points = [Point(1, 0.2), Point(3, 0.8), Point(5, 0.9)]
    assert metrics.aiq(points, 1, 5) == pytest.approx((0.5 * 2 + 0.85 * 2) / 4)
    assert metrics.aiq(points, 3, 3) == 0.9
    assert metrics.aiq([Point(2, 0.5)], 1, 3) == 0.5
    assert metrics.aiq([Point(1, 0.5), Point(2, 0.7)], 1, 3) == pytest.approx((0.6 + 0.7) / 2)


def test_quality_at_a_cost_is_read_off_the_hull():
    points = [Point(1, 0.2), Point(3, 0.8)]
    assert metrics.quality_at(points, 2) == pytest.approx(0.5)
    assert metrics.quality_at(points, 9) == 0.8
    assert math.isnan(metrics.quality_at(points, 0.5))


TRUTH = Outcomes(
    quality=np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]),  # weak, strong
    cost=np.array([[1.0, 10.0]] * 4),
)


def predicted(*gains):
    return Predictions(np.array([[0.0, gain] for gain in gains]), TRUTH.cost)


def test_apgr_and_cpt_follow_the_order_of_predicted_gains():
    # weak 0.5, strong 0.75; calls in the order of the queries: gains +1, 0, +1, -1
    shares = metrics.recovered(TRUTH, predicted(4, 3, 2, 1))
    assert shares == pytest.approx([0, 1, 1, 2, 1])
    assert metrics.apgr(TRUTH, predicted(4, 3, 2, 1)) == pytest.approx(1.0)
    assert metrics.cpt(TRUTH, predicted(4, 3, 2, 1), 0.5) == 25.0
    assert metrics.cpt(TRUTH, predicted(1, 3, 2, 4), 0.5) == 75.0 + 25.0
    alike = Outcomes(np.ones((3, 2)), np.array([[1.0, 2.0]] * 3))
    assert metrics.apgr(alike, Predictions(np.ones((3, 2)), alike.cost)) is None
    assert metrics.cpt(alike, Predictions(np.ones((3, 2)), alike.cost), 0.5) is None


def test_regret_brier_and_ece():
    sure = Predictions(TRUTH.quality, TRUTH.cost)
    assert metrics.regret(TRUTH, sure) == 0.0
    assert metrics.brier(TRUTH, sure) == 0.0
    assert metrics.ece(TRUTH, sure) == 0.0
    half = Predictions(np.full((4, 2), 0.5), TRUTH.cost)
    assert metrics.regret(TRUTH, half) == pytest.approx(0.5)  # the first column wins the tie
    assert metrics.brier(TRUTH, half) == 0.25
    assert metrics.ece(TRUTH, half) == pytest.approx(abs(0.5 - 5 / 8))


@st.composite
def worlds(draw):
    n, m = draw(st.integers(2, 12)), draw(st.integers(2, 4))
    grid = st.lists(st.lists(st.floats(0, 1), min_size=m, max_size=m), min_size=n, max_size=n)
    quality, cost, guess = (np.array(draw(grid)) for _ in range(3))
    return Outcomes(quality, cost + 0.01), guess


@given(worlds())
def test_no_router_is_above_the_oracle(world):
    truth, guess = world
    best = metrics.aiq_of(truth, Predictions(truth.quality, truth.cost))
    assert metrics.aiq_of(truth, Predictions(guess, truth.cost)) <= best + 1e-6
    low = truth.singles()[truth.cheapest].quality
    assert low - 1e-9 <= metrics.aiq_of(truth, Predictions(guess, truth.cost)) <= 1


@given(worlds(), st.floats(0.01, 2), st.floats(0, 1))
def test_a_point_under_the_hull_changes_nothing(world, cost, share):
    truth, guess = world
    points = metrics.sweep(truth, Predictions(guess, truth.cost))
    top = metrics.quality_at(points, cost)
    if math.isnan(top):
        return
    more = [*points, Point(cost, top * share)]
    assert metrics.aiq(more, 0.01, 1) == pytest.approx(metrics.aiq(points, 0.01, 1), abs=1e-9)


# --- files ---------------------------------------------------------------------------------------

ROWS = [
    {"query_id": "1", "prompt": "p", "model": "a", "quality": 1.0, "cost_usd": 0.1, "domain": "d"},
    {"query_id": "1", "prompt": "p", "model": "b", "quality": 0.5, "cost_usd": None, "domain": "d"},
    {
        "query_id": "2",
        "prompt": "Ü\u2028x",
        "model": "a",
        "quality": 0.0,
        "cost_usd": 0.0,
        "domain": "",
    },
]


def written(folder, kind, rows):
    path = folder / f"outcomes.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", "utf-8")
    else:
        names = list(rows[0])
        cells = [names, *([row[name] for name in names] for row in rows)]
        quoted = [
            ["" if c is None else '"' + str(c).replace('"', '""') + '"' for c in r] for r in cells
        ]
        path.write_text("\n".join(",".join(row) for row in quoted) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_every_kind_of_file_gives_the_same_table(tmp_path, kind):
    table = read_outcomes(written(tmp_path, kind, ROWS))
    assert table.query_ids == ("1", "2")
    assert table.prompts == ("p", "Ü\u2028x")
    assert table.domains == ("d", "")
    assert table.models == ("a", "b")
    assert table.quality.tolist()[0] == [1.0, 0.5]
    assert table.quality[1, 0] == 0.0
    assert np.isnan(table.quality[1, 1])
    assert table.cost_usd[0, 0] == 0.1
    assert np.isnan(table.cost_usd[0, 1])


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_without_ids_equal_prompts_are_one_query_and_are_averaged(tmp_path, kind):
    rows = [{k: v for k, v in row.items() if k not in {"query_id", "domain"}} for row in ROWS]
    rows.append(rows[0] | {"quality": 0.0, "cost_usd": 0.3})
    table = read_outcomes(written(tmp_path, kind, rows))
    assert len(table) == 2
    assert table.quality[0, 0] == 0.5
    assert table.cost_usd[0, 0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quality": math.nan}, "row 1: quality is NaN"),
        ({"quality": 1.5}, r"row 1: quality must lie within 0\.\.1"),
        ({"quality": None}, "row 1: quality must be a number"),
        ({"quality": "good"}, "row 1: quality must be a number"),
        ({"cost_usd": -1.0}, "row 1: cost_usd must be finite"),
        ({"cost_usd": math.inf}, "row 1: cost_usd must be finite"),
        ({"prompt": ""}, "row 1: prompt must be"),
        ({"model": " "}, "row 1: model must be"),
        ({"model": "b"}, "there are two rows"),
        ({"prompt": "other"}, "stands for two prompts"),
    ],
)
def test_rows_that_are_wrong_are_named(tmp_path, change, message):
    rows = [ROWS[0] | change, *ROWS[1:]]
    path = tmp_path / "outcomes.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows).replace("NaN", '"NaN"'), "utf-8")
    if (change.get("quality") is not None and change["quality"] != change["quality"]) or change.get(
        "cost_usd"
    ) == math.inf:
        path = written(tmp_path, "parquet", rows)
    with pytest.raises(InvalidInputError, match=message) as caught:
        read_outcomes(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"x", r"read from \.parquet, \.csv, \.jsonl, not from '\.txt'"),
        ("a.parquet", b"PAR1 not", "no parquet file"),
        (
            "a.csv",
            b"prompt,model,qualty,cost_usd\n",
            "no column 'quality'; the nearest there is 'qualty'",
        ),
        ("a.csv", b"prompt,model,quality,cost_usd\n", "holds no outcomes"),
        ("a.csv", b"prompt,model,quality,cost_usd\na,b,1\n", "row 1: 3 values under 4 columns"),
        ("a.csv", b"", "no column 'prompt'"),
        ("a.csv", b"\xff\xfe", "not UTF-8"),
        ("a.jsonl", b"{\n", r"a\.jsonl:1:"),
        ("a.jsonl", b"[1]\n", r"a\.jsonl:1:"),
    ],
)
def test_files_that_are_wrong_are_a_clear_error(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=message):
        read_outcomes(path)


def test_a_file_that_is_not_there(tmp_path):
    for kind in ("parquet", "csv", "jsonl"):
        with pytest.raises(InvalidInputError, match="cannot read"):
            read_outcomes(tmp_path / f"none.{kind}")


def test_predictions_are_written_long():
    file = io.BytesIO()
    quality, cost = np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    write_predictions(file, ["x", "y"], ["a", "b"], quality, cost)
    assert pq.read_table(io.BytesIO(file.getvalue())).to_pylist()[2] == {
        "query_id": "y", "model": "a", "predicted_quality": 0.3, "predicted_cost": 3.0,
    }  # fmt: skip


# --- the judgement -------------------------------------------------------------------------------

SKILL = {
    "sum": (0.9, 0.8, 0.1),
    "poem": (0.9, 0.2, 0.7),
    "code": (0.3, 0.9, 0.2),
    "fact": (0.6, 0.5, 0.4),
}
MODELS = ("dear", "middle", "cheap")
PRICE = (1e-3, 1e-4, 1e-5)


def world(count=400, seed=0):
    rng = random.Random(seed)
    trials = []
    for number in range(count):
        domain = rng.choice(list(SKILL))
        prompt = (
            f"{domain} {' '.join(rng.choices([f'{domain}{n}' for n in range(30)], k=8))} {number}"
        )
        for model, skill, price in zip(MODELS, SKILL[domain], PRICE, strict=True):
            trials.append(
                Trial(
                    f"q{seed}-{number}", prompt, model, float(rng.random() < skill), price, domain
                )
            )
    return OutcomeTable.from_trials(trials)


class Knows:
    """A router that knows the truth of one table."""

    def __init__(self, table):
        self.models = tuple(reversed(table.models))  # another order than the table's
        self._truth = dict(zip(table.prompts, table.quality[:, ::-1], strict=True))
        self._cost = dict(zip(table.prompts, table.cost_usd[:, ::-1], strict=True))

    def predict(self, prompts):
        return (
            np.array([self._truth[p] for p in prompts]),
            np.array([self._cost[p] for p in prompts]),
        )


class Guesses:
    """A router that knows nothing."""

    def __init__(self, table):
        self.models = table.models

    def predict(self, prompts):
        rng = np.random.default_rng(len(prompts))
        return rng.random((len(prompts), 3)), np.full((len(prompts), 3), 1e-4)


def test_who_knows_the_truth_is_the_oracle_and_who_guesses_is_random():
    table = world()
    knows = judge.judge_trained(table, Knows(table))
    ours, oracle = knows.line(judge.ROUTER), knows.line("oracle")
    assert ours.aiq == pytest.approx(oracle.aiq, abs=1e-6)
    assert (ours.regret, ours.brier, ours.ece) == (0.0, 0.0, 0.0)
    assert ours.aiq_low <= ours.aiq <= ours.aiq_high
    assert ours.ms > 0
    assert knows.verdict.startswith("CrossModel is at or above")
    assert knows.tuned.quality_share > 0.95
    assert knows.tuned.cost_share < 0.5
    guesses = judge.judge_trained(table, Guesses(table))
    assert guesses.line(judge.ROUTER).aiq == pytest.approx(guesses.line("random").aiq, abs=0.08)
    assert "beats CrossModel" in guesses.verdict or "is above CrossModel" in guesses.verdict
    assert guesses.query_ids == table.query_ids
    json.dumps(knows.to_dict(), allow_nan=False)


def test_baselines_find_what_there_is_to_find():
    found = judge.judge_training(world(800), Guesses)
    order = ["random", "static", "kNN", "oracle"]
    assert [found.line(name).aiq for name in order] == sorted(found.line(n).aiq for n in order)
    for name in ("kNN", "TF-IDF+logistic"):
        assert found.line(name).aiq == pytest.approx(found.line(judge.SEES_LABEL).aiq, abs=0.05)
    assert found.line("best single").quality == max(p.quality for p in found.singles.values())
    assert 100 < found.judged_queries < 220
    picture = chart.quality_against_cost(found)
    assert picture.count("<polyline") == 7
    assert picture.count("<circle") == 3 + 1


def test_training_never_sees_what_is_judged():
    table, seen = world(), []

    def train(part):
        seen.append(set(part.query_ids))
        return Guesses(part)

    found = judge.judge_training(table, train)
    assert not seen[0] & set(found.query_ids)
    seen.clear()
    for each, ids in zip(generalisation.leave_one_domain_out(table, train), seen, strict=True):
        assert ids == {
            q for q, d in zip(table.query_ids, table.domains, strict=True) if d != each.domain
        }
    curve = generalisation.label_curve(table, train, sizes=(50, 100, 10_000))
    assert [each.queries for each in curve] == [50, 100]


def test_leaving_domains_out_compares_with_the_static_choice():
    table = world()
    found = generalisation.leave_one_domain_out(table, lambda _: Knows(table))
    assert {each.domain for each in found} == set(SKILL)
    for each in found:
        assert each.router >= each.static
    code = next(each for each in found if each.domain == "code")
    assert code.static == pytest.approx(0.3, abs=0.1)  # without code, the dear one is best


def test_a_new_model_is_found_out_after_a_few_dozen_outcomes():
    table = world(600)
    found = generalisation.new_model(
        table, lambda t: train_router(t, HashedEmbedder()), "dear", sizes=(0, 40, 160, 9999)
    )
    assert [step.outcomes for step in found.steps] == [0, 40, 160]
    gain = found.trained - found.without
    assert gain > 0.05
    assert found.steps[1].quality > found.without + gain / 2
    assert found.steps[2].aiq > found.steps[0].aiq
    with pytest.raises(InvalidInputError, match="'absent' cannot join"):
        generalisation.new_model(table, train_router, "absent")
    with pytest.raises(InvalidInputError, match="'dear' cannot join"):
        generalisation.new_model(table.without("cheap"), train_router, "dear")


def test_unknown_costs_and_missing_answers_are_counted():
    table = world(200)
    table.cost_usd[0, 0] = table.cost_usd[3, 1] = np.nan
    table.quality[5, 2] = np.nan
    found = judge.judge_trained(table, Knows(table))
    assert (found.filled_costs, found.incomplete_queries) == (2, 1)
    assert found.judged_queries == 199
    assert found.query_ids == table.query_ids  # predictions are of all
    assert found.predictions.quality.shape == (200, 3)


def test_a_router_of_other_models_is_refused():
    table = world(50)
    router = Knows(table)
    router.models = ("dear", "cheap", "other")
    with pytest.raises(InvalidInputError, match="does not know middle"):
        judge.judge_trained(table, router)
    with pytest.raises(InvalidInputError, match="leaving domains out needs two"):
        generalisation.leave_one_domain_out(world(20), Guesses)
    with pytest.raises(InvalidInputError, match="needs 5000 queries"):
        generalisation.label_curve(table, Guesses, sizes=(5000,))


def test_baselines_learn_from_answers_that_are_missing():
    table = world(300)
    rng = np.random.default_rng(0)
    table.quality[rng.random(table.quality.shape) < 0.5] = np.nan
    test = world(100, seed=1)
    for make in judge.PREDICTORS.values():
        assert np.isfinite(make(table)(test)).all()
    constant = OutcomeTable.from_trials(
        [Trial(str(n), f"p {n}", m, 1.0) for n in range(20) for m in ("a", "b")]
    )
    assert (baselines.logistic(constant)(constant) == 1.0).all()
