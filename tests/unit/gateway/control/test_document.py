import json

import pytest

from crossmodel.domain.models import ModelCapability
from crossmodel.gateway.control.app import RESOURCES, document
from crossmodel.gateway.control.models import CapabilityPatch

EVERY = [(path, method) for path, of in document()["paths"].items() for method in of]


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_leads_somewhere_and_nothing_is_unused():
    found = document()
    used = {name.removeprefix("#/components/schemas/") for name in references(found)}
    assert used == set(found["components"]["schemas"])
    json.dumps(found)


def test_every_operation_is_in_it_under_a_name_of_its_own():
    assert len(EVERY) == len(RESOURCES) + 1
    names = [document()["paths"][path][method]["operationId"] for path, method in EVERY]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("path", "method"), EVERY)
def test_admin_operations_need_the_key_and_the_others_do_not(path, method):
    row = document()["paths"][path][method]
    assert row["security"] == ([{"adminKey": []}] if path.startswith("/admin/") else [])
    placeholders = {piece.split("}")[0] for piece in path.split("{")[1:]}
    given = {each["name"] for each in row["parameters"] if each["in"] == "path"}
    assert given == placeholders
    assert all(each["required"] for each in row["parameters"] if each["in"] == "path")


def test_insights_are_never_shown_without_naming_a_tenant():
    for path, method in EVERY:
        if path.startswith("/admin/v1/insights"):
            rows = document()["paths"][path][method]["parameters"]
            assert [row["required"] for row in rows if row["name"] == "tenant"] == [True], path


def test_each_capability_can_be_changed():
    assert set(CapabilityPatch.__struct_fields__) == {str(each) for each in ModelCapability}
