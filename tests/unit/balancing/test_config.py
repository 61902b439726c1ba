import math

import pytest

import crossmodel
from crossmodel.balancing import LoadBalancerConfig
from crossmodel.errors import InvalidInputError


def test_presets_are_the_references():
    config = crossmodel.LoadBalancerConfig()
    assert (config.load_balancing_strategy, config.health_check_interval) == ("round_robin", 30)
    assert (config.failover_threshold, config.circuit_breaker_enabled) == (3, True)
    config.configure_for_high_throughput()
    assert (config.load_balancing_strategy, config.failover_threshold) == ("least_connections", 2)
    assert config.health_check_interval == 10
    config.configure_for_low_latency()
    assert (config.health_check_interval, config.circuit_breaker_enabled) == (5, False)
    assert config.load_balancing_strategy == "fastest_response"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("load_balancing_strategy", "random"),
        ("load_balancing_strategy", None),
        ("load_balancing_strategy", ["round_robin"]),
        ("health_check_interval", 0),
        ("health_check_interval", math.nan),
        ("health_check_interval", math.inf),
        ("health_check_interval", "30"),
        ("failover_threshold", 0),
        ("failover_threshold", 2.5),
        ("failover_threshold", True),
        ("circuit_breaker_enabled", 1),
        ("cooldown_jitter", 1.1),
        ("retry_budget", -0.1),
        ("min_retries_per_second", math.inf),
        ("hedge_after_seconds", 0),
        ("max_attempts", 10**400),
        ("health_check_path", "health"),
        ("health_check_path", "/a b"),
        ("health_check_path", "/a\r\nHost: other"),
        ("health_check_path", "/ä"),
    ],
)
def test_a_bad_value_is_refused_when_made_and_when_assigned(name, value):
    with pytest.raises(InvalidInputError, match=name):
        LoadBalancerConfig(**{name: value})
    config = LoadBalancerConfig()
    with pytest.raises(InvalidInputError, match=name):
        setattr(config, name, value)
    assert config == LoadBalancerConfig()


def test_an_unknown_strategy_names_the_nearest_and_an_unknown_name_is_an_error():
    config = LoadBalancerConfig()
    with pytest.raises(InvalidInputError, match="mean 'least_connections'"):
        config.load_balancing_strategy = "leastconn"
    with pytest.raises(AttributeError):
        config.failover_treshold = 2
