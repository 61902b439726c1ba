"""The learned router on traffic that is made up, so that the truth is known."""

import gc
import io
import json
import math
import random
import types
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.domain.config import DialConfig, ModelSelectorConfig
from crossmodel.domain.models import ModelCapability, ModelCapabilityProfile
from crossmodel.domain.selection import Outcome, RequestContext, TaskRequirement
from crossmodel.errors import CrossModelError, InvalidInputError, ModelNotFoundError
from crossmodel.selection import ModelSelector
from crossmodel.selection.learned import (
    OutcomeTable,
    Trial,
    calibrate,
    dump_router,
    load_router,
    train_router,
)
from crossmodel.selection.learned.calibration import fit_calibration
from crossmodel.selection.learned.features import shape
from crossmodel.selection.learned.topics import Shares
from crossmodel.text.embedding import excerpt, open_embedder

HASHED = open_embedder("hashed")
TOPICS = {
    "sums": (
        "add up {} and {} and tell me the total of these numbers",
        {"big": 0.9, "small": 0.85},
    ),
    "poems": (
        "write a poem about the {} sea and the {} wind in four lines",
        {"big": 0.9, "small": 0.2},
    ),
    "code": (
        "def f({}): # implement quicksort for lists of {} in python",
        {"big": 0.5, "small": 0.8},
    ),
    "trivia": ("who was the {} king of the country that borders {}?", {"big": 0.7, "small": 0.4}),
}
COST = {"big": 1e-3, "small": 1e-5}
WORDS = [
    "red",
    "blue",
    "cold",
    "warm",
    "old",
    "new",
    "first",
    "last",
    "tall",
    "short",
    "loud",
    "calm",
    "grey",
    "green",
    "deep",
    "far",
]


def prompt_of(topic, rng):
    return (
        TOPICS[topic][0].format(*rng.choices(WORDS, k=2))
        + f" ({rng.choice(WORDS)} {rng.random():.3f})"
    )


def traffic(count, seed=0, *, labelled=True, topics=tuple(TOPICS), models=("big", "small")):
    rng = random.Random(seed)
    trials = []
    for number in range(count):
        topic = rng.choice(topics)
        prompt = prompt_of(topic, rng)
        for model in models:
            quality = float(rng.random() < TOPICS[topic][1][model])
            trials.append(
                Trial(
                    f"{seed}-{number}",
                    prompt,
                    model,
                    quality,
                    COST[model],
                    topic if labelled else "",
                )
            )
    return OutcomeTable.from_trials(trials)


@pytest.fixture(scope="module")
def router():
    return train_router(traffic(1200), HASHED)


def prompts_of(topic, seed=9, count=40):
    rng = random.Random(seed)
    return [prompt_of(topic, rng) for _ in range(count)]


def expected(router, topic):
    """Mean expected quality of each model on a topic."""
    quality, _ = router.predict(prompts_of(topic))
    return dict(zip(router.models, quality.mean(axis=0), strict=True))


def test_it_finds_out_which_model_is_good_at_what(router):
    for topic, (_, truth) in TOPICS.items():
        estimates = [router.estimate(prompt) for prompt in prompts_of(topic)]
        assert np.mean([each.topics[0][0] == topic for each in estimates]) > 0.9
        assert np.median([each.familiarity for each in estimates]) > 0.5
        quality = expected(router, topic)
        assert max(quality, key=quality.get) == max(truth, key=truth.get)
        assert quality == pytest.approx(truth, abs=0.12)
        for each in estimates:
            cost = dict(zip(each.models, each.cost_usd, strict=True))
            assert cost == pytest.approx(COST, rel=0.01)


def test_topics_are_found_where_nobody_named_them():
    router = train_router(traffic(1200, labelled=False), open_embedder("static"))
    for topic, (_, truth) in TOPICS.items():
        quality = expected(router, topic)
        assert max(quality, key=quality.get) == max(truth, key=truth.get)


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        " \n",
        "Übersetze den folgenden Vertrag: " + "Der Mieter haftet für Schäden aller Art. " * 30,
        "\0\ud800" * 50,
        "x" * 100_000,
        "SELECT a.*, b.total FROM a JOIN b USING (id) WHERE b.total > 10 GROUP BY 1;\n" * 5,
    ],
)
def test_out_of_distribution_means_prior(router, foreign):
    estimate = router.estimate(foreign)
    assert estimate.familiarity < 0.05
    assert estimate.quality == pytest.approx(estimate.prior, abs=0.02)


def test_a_nothing_prompt_is_exactly_the_prior(router):
    estimate = router.estimate("")
    assert estimate.familiarity == 0.0
    assert (estimate.quality == estimate.prior).all()


def test_little_evidence_stays_near_the_prior_and_much_moves():
    def gap(count):
        router = train_router(traffic(count, topics=("poems", "code")), HASHED)
        quality = expected(router, "poems")
        return quality["big"] - quality["small"]

    truth, prior = 0.9 - 0.2, (0.9 + 0.5) / 2 - (0.2 + 0.8) / 2
    gaps = [gap(12), gap(80), gap(1000)]
    assert abs(gaps[0] - prior) < abs(gaps[0] - truth)
    assert gaps[1:] == pytest.approx([truth, truth], abs=0.15)


def test_probabilities_come_true_as_often_as_they_say(router):
    test = traffic(3000, seed=7)
    quality, _ = router.predict(test.prompts)
    bins = np.array_split(np.argsort(quality, axis=None), 10)
    off = [abs(quality.flat[each].mean() - test.quality.flat[each].mean()) for each in bins]
    assert np.mean(off) < 0.04  # the expected calibration error


def test_training_gives_the_same_file_every_time():
    assert dump_router(train_router(traffic(100), HASHED)) == dump_router(
        train_router(traffic(100), HASHED)
    )


def test_domains_that_were_left_out_do_not_lose(router):
    assert router.report["left_out_topics"] == 4
    assert router.report["left_out_worst_difference"] >= -0.01


def test_caution_grows_where_others_were_misled_and_nowhere_else():
    rng = random.Random(4)
    skill = {"tax": ("ledger", (0.05, 0.95)), "audit": ("ledger", (0.95, 0.3))}
    skill |= {name: (name, (0.9, 0.5)) for name in ("poem", "song", "code", "law", "sport")}
    trials = [
        Trial(f"{topic}{number}", prompt, model, float(rng.random() < good), 1e-4, topic)
        for topic, (stem, truth) in skill.items()
        for number in range(120)
        for prompt in [" ".join(f"{stem}{rng.randrange(12)}" for _ in range(20))]
        for model, good in zip(("big", "small"), truth, strict=True)
    ]
    trained = train_router(OutcomeTable.from_trials(trials), HASHED)
    caution = dict(zip(trained.topics.names, trained.topics.caution.tolist(), strict=True))
    # an audit, had it never been seen, would be taken for tax and given to the wrong model
    assert caution.pop("tax") > 1
    assert max(caution.values()) < 0.1
    assert trained.report["left_out_worst_difference"] > -0.1


# --- learning on ---------------------------------------------------------------------------------


def test_feedback_moves_the_topic_it_came_from(router):
    mine = load_router(dump_router(router), embedders=lambda _: HASHED)
    poems, codes = expected(mine, "poems"), expected(mine, "code")
    for prompt in prompts_of("poems", seed=1, count=300):
        mine.update(prompt, "small", 1.0)
    assert expected(mine, "poems")["small"] > poems["small"] + 0.2
    assert expected(mine, "code")["small"] < codes["small"] + 0.1
    with pytest.raises(ModelNotFoundError, match="does not know 'other'"):
        mine.update("a poem", "other", 1.0)
    for wrong in (math.nan, -0.1, 1.1, "1"):
        with pytest.raises(InvalidInputError):
            mine.update("a poem", "small", wrong)


def test_a_new_model_is_useful_after_a_few_dozen_outcomes():
    router = train_router(traffic(1200), HASHED)
    router.add_model("new", prior=0.5, cost_usd=1e-4)

    def times_chosen():
        quality, _ = router.predict([p for topic in TOPICS for p in prompts_of(topic)])
        return np.mean(quality.argmax(axis=1) == router.models.index("new"))

    assert times_chosen() < 0.1
    rng = random.Random(2)
    for _ in range(40):
        prompt = prompt_of(rng.choice(list(TOPICS)), rng)
        router.update(prompt, "new", float(rng.random() < 0.97))
    assert times_chosen() > 0.6
    with pytest.raises(InvalidInputError, match="knows 'new' already"):
        router.add_model("new", prior=0.5)


# --- the file ------------------------------------------------------------------------------------


def test_a_router_comes_back_from_its_file_as_it_was(router):
    data = dump_router(router)
    again = load_router(data, embedders=lambda _: HASHED)
    prompts = traffic(50, seed=3).prompts
    for ours, theirs in zip(router.predict(prompts), again.predict(prompts), strict=True):
        assert (ours == theirs).all()
    assert again.report == router.report
    assert dump_router(again) == data


def test_no_prompt_is_in_the_file(router):
    with zipfile.ZipFile(io.BytesIO(dump_router(router))) as archive:
        whole = b"".join(archive.read(name) for name in archive.namelist())
    assert b"quicksort" not in whole
    assert b"king" not in whole


def edited(router, **arrays):
    with np.load(io.BytesIO(dump_router(router))) as file:
        content = {name: file[name] for name in file.files} | arrays
    out = io.BytesIO()
    np.savez_compressed(out, **{k: v for k, v in content.items() if v is not None})
    return out.getvalue()


def header(router, **changes):
    with np.load(io.BytesIO(dump_router(router))) as file:
        found = json.loads(file["header"].tobytes())
    return np.frombuffer(json.dumps(found | changes).encode(), dtype=np.uint8)


def test_files_that_are_no_routers_are_refused(router):
    pickled = io.BytesIO()
    np.savez(pickled, header=np.array([{"a": 1}], dtype=object))
    wrong = {
        "empty": b"",
        "noise": b"\0" * 100,
        "cut": dump_router(router)[:-200],
        "pickle": pickled.getvalue(),
        "another format": edited(router, header=header(router, format="x/9")),
        "unknown field": edited(router, header=header(router, extra=1)),
        "wrong models": edited(router, header=header(router, models=["one"])),
        "missing": edited(router, radii=None),
        "shape": edited(router, radii=np.ones(99)),
        "type": edited(router, radii=np.array(["a"] * 4)),
        "NaN": edited(router, radii=np.full(4, np.nan)),
    }
    for name, data in wrong.items():
        with pytest.raises(InvalidInputError, match="router file"):
            load_router(data, embedders=lambda _, name=name: HASHED)
    with pytest.raises(InvalidInputError, match="embedder must be one of"):
        load_router(edited(router, header=header(router, embedder="other")))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_clear_error(data):
    with pytest.raises(CrossModelError):
        load_router(data)


# --- the dial ------------------------------------------------------------------------------------


def test_dials_do_what_they_say_on_traffic_they_were_not_chosen_on(router):
    best = calibrate(DialConfig(cost_quality_tradeoff=0.0), router.traffic)
    least = calibrate(DialConfig(cost_quality_tradeoff=1.0), router.traffic)
    half = calibrate(DialConfig(cost_quality_tradeoff=0.5), router.traffic)
    assert least.reported.usd_per_1000 == pytest.approx(0.01, rel=0.05)
    assert least.price > half.price > best.price
    assert least.reported.usd_per_1000 < half.reported.usd_per_1000 < best.reported.usd_per_1000
    assert best.reported.quality > best.best_single.quality
    share = calibrate(DialConfig(least_quality_share=0.9), router.traffic)
    assert share.met
    assert share.reported.usd_per_1000 < best.reported.usd_per_1000
    limit = calibrate(DialConfig(most_usd_per_1000=0.4), router.traffic)
    assert limit.met
    assert limit.reported.usd_per_1000 <= 0.4
    impossible = calibrate(DialConfig(most_usd_per_1000=0.0), router.traffic)
    assert not impossible.met
    assert impossible.reported.usd_per_1000 == pytest.approx(0.01, rel=0.05)
    json.dumps(impossible.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"least_quality_share": 0.9, "most_usd_per_1000": 1.0},
        {"least_quality_share": 1.1},
        {"cost_quality_tradeoff": math.nan},
        {"most_usd_per_1000": -1.0},
        {"most_usd_per_1000": math.inf},
    ],
)
def test_a_dial_out_of_range_is_refused(fields):
    with pytest.raises(InvalidInputError):
        DialConfig(**fields)


# --- in the selector -----------------------------------------------------------------------------

CODING = TaskRequirement([ModelCapability.CODING])


def selector(router, *models, **config):
    made = ModelSelector(ModelSelectorConfig(strategy="learned", **config), router=router)
    for name, score in models:
        made.register_model(
            ModelCapabilityProfile(
                name, {"coding": score}, cost_per_token=1e-6, quality_score=score
            )
        )
    return made


def test_each_prompt_gets_the_model_that_is_good_at_it(router):
    made = selector(router, ("big", 0.9), ("small", 0.2))
    for topic, best in (("code", "small"), ("poems", "big")):
        chosen = [
            made.select_optimal_model(CODING, RequestContext(prompt=prompt))
            for prompt in prompts_of(topic)
        ]
        assert np.mean([each.model_id == best for each in chosen]) > 0.7
        certain = max(chosen, key=lambda each: each.explain().learned.familiarity)
        learned = certain.explain().learned
        assert learned.familiarity > 0.5
        assert max(learned.topics, key=learned.topics.get) == topic
        terms = learned.models[best]
        assert terms.evidence > 50
        assert certain.suitability_score == terms.worth == terms.expected_quality
        assert 0 < terms.uncertainty < 0.1


def test_explain_says_that_a_prompt_is_foreign(router):
    made = selector(router, ("big", 0.9), ("small", 0.2))
    chosen = made.select_optimal_model(CODING, RequestContext(prompt="¿Qué hora es en Lima ahora?"))
    learned = chosen.explain().learned
    assert chosen.model_id == "big"
    assert learned.familiarity < 0.05
    assert learned.models["big"].expected_quality == pytest.approx(
        learned.models["big"].prior, abs=0.02
    )
    json.dumps(chosen.explain().to_dict(), allow_nan=False)


def test_a_dial_makes_cost_count(router):
    dear = selector(router, ("big", 0.9), ("small", 0.2))
    cheap = selector(
        router, ("big", 0.9), ("small", 0.2), dial=DialConfig(cost_quality_tradeoff=1.0)
    )
    context = RequestContext(prompt=prompts_of("poems")[0])
    assert dear.select_optimal_model(CODING, context).model_id == "big"
    chosen = cheap.select_optimal_model(CODING, context)
    assert chosen.model_id == "small"
    assert chosen.explain().learned.dial == "cost_quality_tradeoff 1"


def test_models_that_the_router_does_not_know_go_by_their_capabilities(router):
    made = selector(router, ("big", 0.1), ("stranger", 0.99))
    chosen = made.select_optimal_model(CODING, RequestContext(prompt="def f(a): pass"))
    assert chosen.model_id == "stranger"
    terms = chosen.explain().learned.models["stranger"]
    assert (terms.expected_quality, terms.prior, terms.evidence) == (0.99, 0.99, 0.0)
    alone = selector(None, ("a", 0.3), ("b", 0.4))
    chosen = alone.select_optimal_model(CODING, RequestContext(prompt="anything"))
    assert chosen.model_id == "b"
    assert chosen.explain().learned.familiarity == 0.0


def test_hard_filters_come_first(router):
    made = selector(router, ("big", 0.9), ("small", 0.2))
    task = TaskRequirement(["coding"], quality_threshold=0.5)
    chosen = made.select_optimal_model(task, RequestContext(prompt=prompts_of("code")[0]))
    assert chosen.model_id == "big"


def test_feedback_teaches_the_router_new_models_included(router):
    mine = load_router(dump_router(router), embedders=lambda _: HASHED)
    made = selector(mine, ("big", 0.9), ("small", 0.2), ("new", 0.5))
    for number, prompt in enumerate(prompts_of("code", seed=6, count=60)):
        context = RequestContext(prompt=prompt)
        chosen = made.select_optimal_model(CODING, context)
        made.expect_feedback(f"r{number}", chosen, context)
        made.record_outcome(Outcome(f"r{number}", "new", success=True, score=1.0))
    assert "new" in mine.models
    again = [
        made.select_optimal_model(CODING, RequestContext(prompt=prompt)).model_id
        for prompt in prompts_of("code")
    ]
    assert again.count("new") > 30


class Counting:
    """An embedder that says how often it was asked."""

    name, dimensions = HASHED.name, HASHED.dimensions

    def __init__(self):
        self.asked = 0

    def embed(self, text):
        self.asked += 1
        return HASHED.embed(text)


def test_a_prompt_is_read_once_for_its_selection_and_its_feedback(router):
    counting = Counting()
    mine = load_router(dump_router(router), embedders=lambda _: counting)
    made = selector(mine, ("big", 0.9), ("small", 0.2))
    context = RequestContext(prompt=prompts_of("code")[0])
    chosen = made.select_optimal_model(CODING, context)
    made.expect_feedback("r", chosen, context)
    assert counting.asked == 1


def strings_within(root):
    """Every string that can be reached from an object."""
    seen, waiting, found = set(), [root], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type | types.ModuleType | types.FunctionType):
            continue
        seen.add(id(each))
        if isinstance(each, str):
            found.add(each)
        else:
            waiting.extend(gc.get_referents(each))
    return found


@pytest.mark.parametrize("strategy", ["learned", "weighted"])
def test_a_selector_keeps_no_prompt(router, strategy):
    made = ModelSelector(
        ModelSelectorConfig(strategy=strategy, cache_ttl_seconds=60), router=router
    )
    made.register_model(ModelCapabilityProfile("big", {"coding": 0.9}, quality_score=0.9))
    secret = "the vault opens at seven, says " + prompts_of("code")[0]
    chosen = made.select_optimal_model(CODING, RequestContext(prompt=secret))
    made.expect_feedback("r", chosen, RequestContext(prompt=secret))
    kept = strings_within(made)
    assert "big" in kept
    assert not [text for text in kept if "vault opens" in text and text is not secret]
    chosen.explain()
    assert secret not in strings_within((made.selection_history, made._cache, made._expected))


def test_the_cache_minds_the_prompt_where_it_matters_and_what_the_router_learned(router):
    mine = load_router(dump_router(router), embedders=lambda _: HASHED)
    made = selector(
        mine, ("big", 0.9), ("small", 0.2), cache_ttl_seconds=60, learning_prior=math.inf
    )
    code, poem = (RequestContext(prompt=prompts_of(topic)[0]) for topic in ("code", "poems"))
    first = made.select_optimal_model(CODING, code)
    assert made.select_optimal_model(CODING, code) is first
    assert made.select_optimal_model(CODING, poem) is not first
    made.expect_feedback("r", first, code)
    made.record_outcome(Outcome("r", "small", success=True, score=0.0))
    assert made.select_optimal_model(CODING, code) is not first
    weighted = ModelSelector(ModelSelectorConfig(cache_ttl_seconds=60))
    weighted.register_model(ModelCapabilityProfile("big", {"coding": 0.9}, quality_score=0.9))
    choice = weighted.select_optimal_model(CODING, code)
    assert weighted.select_optimal_model(CODING, poem) is choice


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ([], "no outcomes"),
        ([Trial("q", "p", "m", math.nan)], "'q', model 'm': quality is NaN"),
        ([Trial("q", "p", "m", 1.5)], r"within 0\.\.1"),
        ([Trial("q", "p", "m", 1.0, -1.0)], "cost_usd must be finite and not negative"),
        ([Trial("q", "p", "m", 1.0, math.inf)], "cost_usd must be finite"),
        ([Trial("q", "p", "m", 1.0), Trial("q", "p", "m", 0.0)], "two rows"),
        ([Trial("q", "p", "m", 1.0), Trial("q", "x", "n", 0.0)], "two prompts"),
    ],
)
def test_outcomes_that_make_no_sense_are_refused(trials, message):
    with pytest.raises(InvalidInputError, match=message):
        OutcomeTable.from_trials(trials)


def test_too_little_to_learn_from_is_refused():
    one = OutcomeTable.from_trials([Trial(f"q{n}", f"p{n}", "m", 1.0) for n in range(50)])
    with pytest.raises(InvalidInputError, match="at least 2 models"):
        train_router(one, HASHED)
    with pytest.raises(InvalidInputError, match="number of queries"):
        train_router(traffic(5), HASHED)


TEXTS = st.text(max_size=40) | st.sampled_from(["", "same", "\ud800", "a" * 5000])


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            TEXTS, st.sampled_from(["", "x", "y"]), st.floats(0, 1), st.none() | st.floats(0, 9)
        ),
        min_size=10,
        max_size=40,
    ),
    TEXTS,
)
def test_whatever_the_outcomes_the_figures_are_probabilities(rows, prompt):
    trials = [
        Trial(str(number), text, model, quality, cost, domain)
        for number, (text, domain, quality, cost) in enumerate(rows)
        for model in ("a", "b")[: 1 + number % 2]
    ]
    router = train_router(OutcomeTable.from_trials(trials), HASHED)
    quality, cost = router.predict([prompt, ""])
    assert ((quality >= 0) & (quality <= 1)).all()
    assert ((cost >= 0) & np.isfinite(cost)).all()
    assert load_router(dump_router(router)).predict([prompt, ""])[0].tolist() == quality.tolist()


# --- parts ---------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=400),
    st.floats(0, 1),
)
def test_calibration_rises_and_stays_within_0_and_1(pairs, share):
    x, y = np.array(pairs).T
    calibration = fit_calibration(x[:, None], y[:, None])
    grid = np.linspace(0, 1, 101)[None, :]
    level = np.array([[share, 1 - share]])
    applied = calibration.apply(grid, Shares(level, level))
    assert (np.diff(applied[0]) > 0).all()
    assert 0 <= applied.min() <= applied.max() <= 1


@given(st.text(max_size=3000))
def test_texts_of_any_kind_have_a_vector_and_a_shape(text):
    assert np.isfinite(shape(text)).all()
    for name in ("hashed", "static"):
        vector = open_embedder(name).embed(text)
        assert vector.shape == (256,)
        length = float(np.linalg.norm(vector))
        assert length == pytest.approx(1, abs=1e-3) or length == 0


def test_minilm_knows_what_words_mean():
    embed = open_embedder("minilm").embed
    password, login, pizza = map(
        embed,
        ("How do I reset my password?", "I forgot my login credentials", "The best pizza in Rome"),
    )
    assert password @ login > password @ pizza + 0.4
    assert all(np.linalg.norm(each) == pytest.approx(1, abs=1e-5) for each in (password, pizza))
    for nothing in ("", " \n", "?!"):
        assert not embed(nothing).any()
    assert np.isfinite(embed("\0\ud800 word " * 1000)).all()


def test_a_router_may_read_with_minilm():
    trained = train_router(traffic(60), open_embedder("minilm"))
    again = load_router(dump_router(trained))
    assert again.embedder.name == "minilm"
    prompts = traffic(5, seed=3).prompts
    assert (again.predict(prompts)[0] == trained.predict(prompts)[0]).all()


def test_a_long_text_costs_no_more_than_a_page():
    text = "".join(f"word{n} " for n in range(100_000))
    assert len(excerpt(text)) == 1501
    assert excerpt(text).startswith("word0 ")
    assert excerpt(text).endswith("word99999 ")
