"""The OpenAPI 3.1 document, made from the rows and structs that requests are checked with."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec

from crossmodel.gateway.control import problems
from crossmodel.gateway.control.operation import JSON, Answer, Operation
from crossmodel.gateway.control.problems import Problem

REF: Final = "#/components/schemas/{name}"

ADMIN_KEY: Final = "adminKey"
"""The name of the security scheme."""


def document_of(operations: Sequence[Operation[Any, Any]]) -> dict[str, Any]:
    """The document of these operations."""
    parameters: list[type[Any]] = list(dict.fromkeys(each.params for each in operations))
    contents: list[type[Any]] = [Problem, *_contents(operations)]
    _, components = msgspec.json.schema_components([*parameters, *contents], ref_template=REF)
    properties = {kind: components.pop(kind.__name__) for kind in parameters}
    refs = {kind: {"$ref": REF.format(name=kind.__name__)} for kind in contents}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _row(
            operation, properties[operation.params], refs
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "CrossModel control plane",
            "version": version("crossmodel"),
            "description": "Health, metrics and administration of a CrossModel gateway.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                ADMIN_KEY: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The key that the setting gateway.admin_key_env names.",
                }
            },
        },
    }


def _contents(operations: Sequence[Operation[Any, Any]]) -> list[type[Any]]:
    kinds: dict[type[Any], None] = {}
    for operation in operations:
        if operation.body is not None:
            kinds[operation.body] = None
        for answer in operation.answers:
            if answer.content is not None:
                kinds[answer.content] = None
    return list(kinds)


def _row(
    operation: Operation[Any, Any],
    params: dict[str, Any],
    refs: dict[type[Any], dict[str, str]],
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "security": [{ADMIN_KEY: []}] if operation.is_admin else [],
        "parameters": _parameters(operation, params),
        "responses": {str(answer.status): _answer(answer, refs) for answer in operation.answers},
    }
    if operation.body is not None:
        row["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": refs[operation.body]}},
        }
    for status in operation.statuses_of_refusals:
        row["responses"][str(status.value)] = {
            "description": status.phrase,
            "content": {problems.MEDIA_TYPE: {"schema": refs[Problem]}},
        }
    return row


def _parameters(operation: Operation[Any, Any], params: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, schema in params["properties"].items():
        row = {
            "name": name,
            "in": "path" if name in operation.path_parameters else "query",
            "required": name in params.get("required", ()),
            "schema": {key: value for key, value in schema.items() if key != "description"},
        }
        if "description" in schema:
            row["description"] = schema["description"]
        rows.append(row)
    return rows


def _answer(answer: Answer, refs: dict[type[Any], dict[str, str]]) -> dict[str, Any]:
    if answer.content is not None:
        schema: dict[str, Any] = dict(refs[answer.content])
    else:
        schema = {"type": "object" if answer.media_type == JSON else "string"}
    return {
        "description": answer.description,
        "content": {answer.media_type: {"schema": schema}},
    }
