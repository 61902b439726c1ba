"""What clients may ask of the gateway itself."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.models import Feature, ModelCapability
from crossmodel.domain.selection import TaskRequirement
from crossmodel.errors import InvalidInputError
from crossmodel.gateway.wishes import NAMES, NONE, Wishes, wishes_of

ANY_TASK = TaskRequirement([ModelCapability.LANGUAGE])


def headers(**values):
    return [
        (b"x-crossmodel-" + name.replace("_", "-").encode(), value.encode())
        for name, value in values.items()
    ]


def test_nothing_asked_is_nothing_made():
    assert wishes_of(None, []) is NONE
    assert wishes_of({}, []) is NONE
    assert NONE.requirement(ANY_TASK) is ANY_TASK
    assert NONE.features == frozenset()


def test_headers_and_the_field_say_the_same():
    by_header = wishes_of(None, headers(
        task=" coding, math ,", complexity="0.5", quality_threshold="0.25", cost_constraint="1e-3",
        latency_constraint="inf", needs="tools,vision", conversation=" c ", insights="OFF",
        cache="no", timeout="2.5",
    ))  # fmt: skip
    by_field = wishes_of(
        {
            "task": ["coding", "math"], "complexity": 0.5, "quality_threshold": "0.25",
            "cost_constraint": 0.001, "latency_constraint": "inf", "needs": ["tools", "vision"],
            "conversation": "c", "insights": False, "cache": "false", "timeout": 2.5,
        },
        [],
    )  # fmt: skip
    assert by_header == by_field
    assert by_field.features == {Feature.TOOLS, Feature.VISION}
    task = by_field.requirement(ANY_TASK)
    assert task.required_capabilities == [ModelCapability.CODING, ModelCapability.MATH]
    assert (task.complexity, task.quality_threshold) == (0.5, 0.25)
    assert (task.cost_constraint, task.latency_constraint) == (0.001, math.inf)


def test_the_field_wins():
    given_both = wishes_of({"timeout": 5, "required_capabilities": "math"}, headers(timeout="9"))
    assert given_both.timeout == 5
    assert given_both.task == ("math",)


def test_what_is_not_said_of_a_task_is_as_for_any():
    task = Wishes(quality_threshold=0.7).requirement(ANY_TASK)
    assert task.required_capabilities == ANY_TASK.required_capabilities
    assert task.quality_threshold == 0.7


@pytest.mark.parametrize(
    ("ours", "message"),
    [
        ({"tsk": ["coding"]}, "did you mean 'task'"),
        ({"é" * 1000: 1}, "unknown"),
        ({"task": 5}, "crossmodel.task"),
        ({"task": [5]}, "crossmodel.task"),
        ({"needs": {"tools": True}}, "crossmodel.needs"),
        ({"complexity": True}, "crossmodel.complexity"),
        ({"complexity": "much"}, "crossmodel.complexity"),
        ({"complexity": None}, "crossmodel.complexity"),
        ({"complexity": 10**400}, "crossmodel.complexity"),
        ({"insights": 1}, "crossmodel.insights"),
        ({"cache": "perhaps"}, "crossmodel.cache"),
        ({"conversation": 5}, "crossmodel.conversation"),
        ({"conversation": "  "}, "conversation"),
        ({"conversation": "c" * 201}, "conversation"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": "nan"}, "timeout"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(ours, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        wishes_of(ours, [])
    assert len(str(caught.value)) < 400


def test_a_feature_that_nobody_has_is_named():
    with pytest.raises(InvalidInputError, match="telepathy"):
        _ = wishes_of({"needs": "telepathy"}, []).features


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
    | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)  # fmt: skip


@given(
    ours=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), values, max_size=4),
    shown=st.lists(st.tuples(st.sampled_from(NAMES).map(str.encode) | st.binary(max_size=9),
                             st.binary(max_size=20)), max_size=3),
)  # fmt: skip
def test_anything_is_a_wish_or_refused(ours, shown):
    try:
        made = wishes_of(ours, [(b"x-crossmodel-" + name, value) for name, value in shown])
    except InvalidInputError:
        return
    assert made.timeout is None or made.timeout > 0
    assert isinstance(made.insights, bool)
    assert isinstance(made.cache, bool)
