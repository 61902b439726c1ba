"""The table ``[insight_transfer.uplift]``."""

import math

import pytest

from crossmodel.domain.transfer_config import InsightTransferConfig, UpliftConfig
from crossmodel.errors import ConfigurationError, InvalidInputError
from crossmodel.settings import load_settings


def test_it_loads_from_a_file_and_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "crossmodel.toml"
    path.write_text("[insight_transfer.uplift]\nholdout_rate = 0.2\nprior_effect = -0.1\n")
    assert load_settings(path).insight_transfer.uplift == UpliftConfig(
        holdout_rate=0.2, prior_effect=-0.1
    )
    monkeypatch.setenv("CROSSMODEL_INSIGHT_TRANSFER__UPLIFT__ENABLE", "false")
    monkeypatch.setenv("CROSSMODEL_INSIGHT_TRANSFER__UPLIFT__PADDING_RATE", "0.3")
    loaded = load_settings(path).insight_transfer.uplift
    assert (loaded.enable, loaded.holdout_rate, loaded.padding_rate) == (False, 0.2, 0.3)


def test_a_dictionary_loads_and_nothing_means_the_defaults():
    given = {"insight_transfer": {"uplift": {"padding_rate": 0.05, "enable": False}}}
    assert load_settings(given).insight_transfer.uplift == UpliftConfig(
        enable=False, padding_rate=0.05
    )
    assert load_settings({}).insight_transfer.uplift == UpliftConfig()
    assert InsightTransferConfig().uplift.holdout_rate == 0.1


@pytest.mark.parametrize(
    ("table", "path", "hint"),
    [
        ({"holdout": 0.1}, "insight_transfer.uplift.holdout", "did you mean 'holdout_rate'"),
        ({"holdout_rate": 1.5}, "insight_transfer.uplift.holdout_rate", "within 0..1"),
        ({"holdout_rate": 0.6, "padding_rate": 0.4}, "insight_transfer.uplift", "less than 1"),
        ({"prior_weight": 0}, "insight_transfer.uplift.prior_weight", "more than 0"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(table, path, hint):
    with pytest.raises(ConfigurationError, match=hint) as caught:
        load_settings({"insight_transfer": {"uplift": table}})
    assert caught.value.path.startswith(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"holdout_rate": -0.1},
        {"holdout_rate": math.nan},
        {"padding_rate": 1.0},
        {"retry_rate": 2.0},
        {"prior_effect": 1.1},
        {"prior_effect": math.nan},
        {"prior_weight": 0.0},
        {"prior_weight": math.inf},
        {"borrowed_share": -1.0},
        {"most_borrowed": math.inf},
    ],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        UpliftConfig(**wrong)
