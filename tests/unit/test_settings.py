"""Settings load whole or not at all, and say which key is wrong."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.presets import DEVELOPMENT_CONFIG, PRODUCTION_CONFIG
from crossmodel.errors import ConfigurationError
from crossmodel.settings import (
    DEFAULT_MODEL,
    Settings,
    load_settings,
)

SECTIONS = [each.name for each in fields(Settings)]
INTERFACE = """
[gateway]
listen = "127.0.0.1:8080"
control = "127.0.0.1:8081"
[store]
url = "sqlite:///crossmodel.db"
[[providers]]
id = "mock"
kind = "openai"
base_url = "http://127.0.0.1:9100/v1"
api_key_env = "MOCK_KEY"
[[models]]
id = "ok"
provider = "mock"
name = "ok"
quality = 0.7
capabilities = { reasoning = 0.7, coding = 0.6 }
input_price = 0.15
output_price = 0.60
latency_ms = 300
context_window = 128000
[[keys]]
name = "bench"
key_env = "CROSSMODEL_KEY"
"""


def test_the_interface_file_loads(tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSMODEL_KEY", "secret-of-a-client")
    file = tmp_path / "crossmodel.toml"
    file.write_text(INTERFACE)
    settings = load_settings(file)
    model = settings.models[0]
    assert (model.id, model.provider, model.name) == ("ok", "mock", "ok")
    assert model.blended_price_per_token == pytest.approx((0.75 * 0.15 + 0.25 * 0.60) / 1e6)
    assert settings.providers[0].base_url == "http://127.0.0.1:9100/v1"
    assert settings.keys[0].key_env == "CROSSMODEL_KEY"
    assert "secret-of-a-client" not in repr(settings)


def test_nothing_configured_means_the_local_model():
    settings = load_settings()
    assert settings.models == (DEFAULT_MODEL,)
    assert settings.providers[0].kind == "local"
    assert load_settings({"providers": [{"id": "p", "kind": "fake"}]}).models == ()


def test_the_references_dictionaries_load_as_they_stand():
    production = load_settings(PRODUCTION_CONFIG)
    selector = production.model_selector
    assert selector.weights.capability_weight == 0.4
    assert (
        selector.enforced_thresholds() == PRODUCTION_CONFIG["model_selector"]["quality_thresholds"]
    )
    assert selector.cost_optimization.budget_constraints == {
        "daily_budget": 100.0,
        "monthly_budget": 3000.0,
    }
    extractor = production.insight_extractor
    assert extractor.confidence_config.minimum_confidence_threshold == 0.6
    assert extractor.confidence_config.enable_confidence_calibration is True
    assert extractor.validation_config.strict_validation is True
    assert extractor.max_insights_per_extraction == 50
    assert production.insight_transfer.quality_validation.minimum_quality_threshold == 0.7
    assert production.insight_transfer.transfer_protocols.default_protocol == "standard"
    vif = production.cross_model_vif
    assert vif.provenance_tracking.retention_period_days == 365
    assert vif.witness_generation.cryptographic_algorithm == "RSA-2048"

    development = load_settings(DEVELOPMENT_CONFIG)
    assert development.model_selector.weights.cost_weight == 0.1
    assert development.insight_extractor.remove_duplicates is False
    assert development.insight_extractor.max_insights_per_extraction == 100


@pytest.mark.parametrize(
    ("data", "path", "hint"),
    [
        ({"stoer": {}}, "stoer", "store"),
        ({"model_selectr": {}}, "model_selectr", "model_selector"),
        (
            {"model_selector": {"weights": {"cost_wight": 1}}},
            "model_selector.weights.cost_wight",
            "cost_weight",
        ),
        (
            {"insight_extractor": {"confidence_config": {"minimum_confidence": 1}}},
            "insight_extractor.confidence_config.minimum_confidence",
            "minimum_confidence_threshold",
        ),
        (
            {"models": [{"id": "a", "provider": "local", "input_prize": 1}]},
            "models[0].input_prize",
            "input_price",
        ),
        (
            {"models": [{"id": "a", "provider": "local", "capabilities": {"codeing": 1}}]},
            "models[0].capabilities.codeing",
            "coding",
        ),
        (
            {"model_selector": {"quality_thresholds": {"maths": 0.5}}},
            "model_selector.quality_thresholds.maths",
            "math",
        ),
        (
            {"model_selector": {"cost_optimization": {"budget_constraints": {"dayly_budget": 1}}}},
            "model_selector.cost_optimization.budget_constraints.dayly_budget",
            "daily_budget",
        ),
        ({"models": [{"id": "a", "provider": "lcoal"}]}, "models[0].provider", "local"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(data, path, hint):
    with pytest.raises(ConfigurationError) as caught:
        load_settings(data)
    assert caught.value.path == path
    assert f"did you mean '{hint}'" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"model_selector": {"weights": {"cost_weight": "much"}}}, "model_selector.weights.cost_weight"),
        ({"model_selector": {"weights": {"cost_weight": float("nan")}}}, "model_selector.weights.cost_weight"),
        ({"model_selector": {"weights": {"cost_weight": -1}}}, "model_selector.weights.cost_weight"),
        ({"model_selector": {"max_alternatives": float("inf")}}, "model_selector.max_alternatives"),
        ({"models": [{"id": "a"}]}, "models[0].provider"),
        ({"models": [{"id": "a", "provider": "local", "quality": 2}]}, "models[0].quality"),
        ({"models": [{"id": "", "provider": "local"}]}, "models[0].id"),
        ({"models": {}}, "models"),
        ({"models": [{"id": "a", "provider": "local"}] * 2}, "models[1].id"),
        ({"gateway": {"listen": "8080"}}, "gateway.listen"),
        ({"gateway": {"listen": "h:99999"}}, "gateway.listen"),
        ({"store": {"url": "mysql://x"}}, "store.url"),
        ({"store": None}, "store"),
        ({"providers": [{"id": "a", "kind": "local", "timeout_seconds": 0}]}, "providers[0].timeout_seconds"),
        ({"loop": {"teacher_quality": 1.5}}, "loop.teacher_quality"),
        (
            {"cross_model_vif": {"witness_generation": {"cryptographic_algorithm": "RSA-512"}}},
            "cross_model_vif.witness_generation.cryptographic_algorithm",
        ),
        ({"insight_transfer": {"token_budget": -1}}, "insight_transfer.token_budget"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_its_path(data, path):
    with pytest.raises(ConfigurationError) as caught:
        load_settings(data)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")


def test_all_other_wrong_keys_are_listed_too():
    with pytest.raises(ConfigurationError, match=r"^gateway\.listen: .* \(also wrong: nope\)"):
        load_settings({"nope": 1, "gateway": {"listen": "x"}, "store": {}})


def test_the_environment_wins_over_the_file(monkeypatch):
    monkeypatch.setenv("CROSSMODEL_STORE__URL", "sqlite:///other.db")
    monkeypatch.setenv("CROSSMODEL_MODEL_SELECTOR__WEIGHTS__COST_WEIGHT", "0.9")
    settings = load_settings(
        {"store": {"url": "sqlite:///a.db"}, "model_selector": {"weights": {"quality_weight": 0.1}}}
    )
    assert settings.store.url == "sqlite:///other.db"
    weights = settings.model_selector.weights
    assert (weights.cost_weight, weights.quality_weight) == (0.9, 0.1)


def test_a_variable_may_hold_a_section_a_table_or_a_list_as_json(monkeypatch):
    monkeypatch.setenv("CROSSMODEL_LOOP", '{"tenant": "a", "teacher_quality": 0.3}')
    monkeypatch.setenv("CROSSMODEL_LOOP__TENANT", "b")
    monkeypatch.setenv("crossmodel_model_selector__quality_thresholds", '{"math": 0.5}')
    monkeypatch.setenv("CROSSMODEL_KEYS", '[{"name": "k", "key_env": "K"}]')
    settings = load_settings({"model_selector": {"quality_thresholds": {"coding": 0.1}}})
    assert (settings.loop.tenant, settings.loop.teacher_quality) == ("b", 0.3)
    assert settings.model_selector.quality_thresholds == {"coding": 0.1, "math": 0.5}
    assert [key.name for key in settings.keys] == ["k"]


def test_every_wrong_section_is_named_and_a_missing_key_too():
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"loop": {"teacher_quality": "x"}, "models": [{"id": "a"}], "nope": 1})
    assert str(caught.value).startswith("loop.teacher_quality: ")
    assert "(also wrong: models[0].provider, nope)" in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("CROSSMODEL_STOER__URL", "CROSSMODEL_STOER__URL"),
        ("CROSSMODEL_STORE__URI", "store.uri"),
        ("CROSSMODEL_LOOP__TEACHER_QUALITY", "loop.teacher_quality"),
        ("CROSSMODEL_MODELS", ""),
    ],
)
def test_a_wrong_variable_is_an_error_too(monkeypatch, variable, path):
    monkeypatch.setenv(variable, "[nonsense")
    with pytest.raises(ConfigurationError) as caught:
        load_settings({})
    assert caught.value.path == path


def test_files_that_cannot_be_read_are_one_clear_error(tmp_path):
    for content, message in ((b"a = ", "not valid TOML"), (b"\xff", "not UTF-8")):
        file = tmp_path / "bad.toml"
        file.write_bytes(content)
        with pytest.raises(ConfigurationError, match=message):
            load_settings(file)
    with pytest.raises(ConfigurationError, match="cannot read"):
        load_settings(tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match="cannot read"):
        load_settings(tmp_path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.text(max_size=6) | st.sampled_from([*SECTIONS, "weights", "id", "url"]),
        inner, max_size=4,
    ),
    max_leaves=15,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*SECTIONS, "nope"]), values))
def test_any_dictionary_loads_whole_or_is_a_configuration_error(data):
    try:
        loaded = load_settings(data)
    except ConfigurationError as error:
        assert str(error)
    else:
        assert isinstance(loaded, Settings)


def test_licences_retries_and_playbooks_are_settings():
    given = {
        "insight_transfer": {
            "export": {"licences": {"big": "CC0", "*": "MIT"}},
            "retries": {"attempts": 5},
            "playbook": {"max_items": 4},
        }
    }
    transfer = load_settings(given).insight_transfer
    assert [transfer.export.licence_of(model) for model in ("big", "any")] == ["CC0", "MIT"]
    assert (transfer.retries.attempts, transfer.playbook.max_items) == (5, 4)
    with pytest.raises(ConfigurationError, match=r"insight_transfer\.export\.licences\.big"):
        load_settings({"insight_transfer": {"export": {"licences": {"big": " "}}}})
    with pytest.raises(ConfigurationError, match=r"retries\.attempt.*did you mean 'attempts'"):
        load_settings({"insight_transfer": {"retries": {"attempt": 5}}})


def with_key(**changes):
    row = {"name": "ci", "key_env": "CI_KEY"} | changes
    return {"models": [{"id": "small", "provider": "local"}], "keys": [row]}


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"name": ""}, "keys[0].name", "not empty"),
        ({"name": "a\nb"}, "keys[0].name", "printable"),
        ({"key_env": " "}, "keys[0].key_env", "not empty"),
        ({"models": ["smal"]}, "keys[0].models[0]", "did you mean 'small'"),
        ({"models": ["small", "small"]}, "keys[0].models", "twice"),
        ({"requests_per_minute": 0}, "keys[0].requests_per_minute", "whole number from 1"),
        ({"tokens_per_minute": -5}, "keys[0].tokens_per_minute", "whole number from 1"),
        ({"concurrent": 0}, "keys[0].concurrent", "whole number from 1"),
        ({"burst": 9}, "keys[0].burst", "requests_per_minute"),
        ({"daily_budget": -1}, "keys[0].daily_budget", "not negative"),
        ({"monthly_budget": float("nan")}, "keys[0].monthly_budget", "NaN"),
        ({"expires_at": "2031-01-01T00:00:00"}, "keys[0].expires_at", "no time zone"),
        ({"daily_buget": 1}, "keys[0].daily_buget", "daily_budget"),
    ],
)
def test_a_wrong_limit_of_a_key_is_named_by_its_path(changes, path, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_settings(with_key(**changes))
    assert caught.value.path == path


def test_two_keys_cannot_share_a_name():
    rows = with_key()
    rows["keys"].append({"name": "ci", "key_env": "OTHER"})
    with pytest.raises(ConfigurationError, match="'ci' is there twice") as caught:
        load_settings(rows)
    assert caught.value.path == "keys[1].name"


def test_limits_of_keys_are_read_from_a_file(tmp_path):
    file = tmp_path / "crossmodel.toml"
    file.write_text(
        INTERFACE + 'tenant = "red"\nmodels = ["ok"]\nrequests_per_minute = 60\nburst = 5\n'
        "tokens_per_minute = 1000\nconcurrent = 4\ndaily_budget = 1\nmonthly_budget = 9.5\n"
        "expires_at = 2031-01-01T00:00:00+01:00\n"
    )
    key = load_settings(file).keys[0]
    assert (key.tenant, key.models, key.burst, key.monthly_budget) == ("red", ("ok",), 5, 9.5)
    assert key.expires_at.isoformat() == "2031-01-01T00:00:00+01:00"
