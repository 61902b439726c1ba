"""What a request's body says, as the gateway reads it."""

import json

import pytest

from crossmodel.domain.models import Feature
from crossmodel.gateway.peek import peek

FORMAT = {"type": "json_schema", "schema": {}}


@pytest.mark.parametrize(
    ("more", "features"),
    [
        ({}, set()),
        ({"stream": True}, {Feature.STREAMING}),
        ({"stream": False}, set()),
        ({"tools": [{"type": "function"}]}, {Feature.TOOLS}),
        ({"tools": []}, set()),
        ({"response_format": {"type": "json_object"}}, set()),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, {Feature.JSON_SCHEMA}),
        ({"text": {"format": FORMAT}}, {Feature.JSON_SCHEMA}),
        ({"output_config": {"format": FORMAT}}, {Feature.JSON_SCHEMA}),
        ({"output_format": FORMAT}, {Feature.JSON_SCHEMA}),
        ({"messages": [{"content": [{"type": "image_url"}]}]}, {Feature.VISION}),
        ({"messages": [{"content": 'say "image_url"'}]}, set()),
    ],
)
def test_what_a_model_must_be_able_to_do_is_seen(more, features):
    assert peek(json.dumps({"model": "m", **more}).encode()).features == features
