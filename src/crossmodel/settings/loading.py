"""From a file, a dictionary and the environment to checked settings."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from crossmodel.domain.config import ModelAssistedConfig
from crossmodel.errors import ConfigurationError, InvalidInputError
from crossmodel.settings.references import check_references, hint
from crossmodel.settings.whole import Settings

PREFIX: Final = "CROSSMODEL_"
NESTING: Final = "__"

_TYPES: Final[dict[str, Any]] = typing.get_type_hints(Settings)
"""The sections, in their order, and what each is made into."""

Problem = tuple[str, str]
"""The path of a key, and what is wrong with it."""


def load_settings(source: str | Path | Mapping[str, Any] | None = None) -> Settings:
    """Settings from a TOML file, a dictionary, or (``None``) the defaults; then the environment.

    Raises:
        ConfigurationError: naming the key's path and, for an unknown key, the nearest known one.
    """
    data = _read(source)
    if "providers" in data:  # the built-in model lives at the built-in provider
        data.setdefault("models", ())
    data = _overlaid(data, _from_environment())
    problems: list[Problem] = []
    sections: dict[str, Any] = {}
    for name, kind in _TYPES.items():
        if name in data:
            try:
                sections[name] = msgspec.convert(data[name], kind, strict=False)
            except msgspec.ValidationError as error:
                problems.append(_problem(name, error))
    problems += _unknown_keys(data, Settings, "")
    if problems:
        raise _first_of(problems)
    settings = Settings(**sections)
    check_references(settings)
    return settings


def assisted_by(settings: Settings, model: str) -> Settings:
    """The same settings with ``model`` as the one that assists extraction.

    Raises:
        ConfigurationError: if there is no such model; the message names the nearest.
    """
    extractor = dataclasses.replace(
        settings.insight_extractor, model_assisted=ModelAssistedConfig(model)
    )
    changed = dataclasses.replace(settings, insight_extractor=extractor)
    check_references(changed)
    return changed


def _read(source: str | Path | Mapping[str, Any] | None) -> dict[str, Any]:
    if source is None:
        return {}
    if isinstance(source, Mapping):
        if not all(isinstance(key, str) for key in source):
            raise ConfigurationError("every key must be a string")
        return dict(source)
    path = Path(source)
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8: {error.reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error


def _from_environment() -> dict[str, Any]:
    """What variables say, as a settings file would.

    A nested variable can only be meant for us; a plain one may be somebody's key.
    """
    said: dict[str, Any] = {}
    for variable in sorted(os.environ):  # a whole section comes before its keys
        name = variable.upper()
        if not name.startswith(PREFIX):
            continue
        section, *keys = name.removeprefix(PREFIX).lower().split(NESTING)
        if keys and section not in _TYPES:
            raise ConfigurationError(
                f"unknown section {section!r}{hint(section, _TYPES)}", path=variable
            )
        if section in _TYPES:
            value: Any = _variable(variable, is_section=not keys)
            for key in reversed(keys):
                value = {key: value}
            said = _overlaid(said, {section: value})
    return said


def _variable(variable: str, *, is_section: bool) -> Any:
    """A variable's value: JSON where it is a section, a table or a list, else its text."""
    text = os.environ[variable]
    if not is_section and not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        if not is_section:
            return text  # what takes no text will refuse it, with its path
        raise ConfigurationError(f"the variable {variable} cannot be read: {error}") from None


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both; where both have a table its keys are overlaid likewise, else ``above`` wins."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            value = _overlaid(known, value)  # noqa: PLW2901 - what stands there in the end
        merged[key] = value
    return merged


def _first_of(problems: list[Problem]) -> ConfigurationError:
    """The first problem in full, the paths of the others."""
    path, message = problems[0]
    others = ", ".join(dict.fromkeys(p for p, _ in problems[1:] if p != path))
    return ConfigurationError(f"{message} (also wrong: {others})" if others else message, path=path)


_SAID: Final = re.compile(r"(?s)(?P<what>.*?)(?: - at (?:`key` in )?`\$(?P<where>[^`]*)`)?")
_MISSING: Final = re.compile(r"Object missing required field `(?P<key>[^`]*)`")


def _problem(section: str, error: msgspec.ValidationError) -> Problem:
    said = _SAID.fullmatch(str(error))
    assert said is not None, "every part of it may be empty"
    path, message = f"{section}{said['where'] or ''}", said["what"]
    if missing := _MISSING.fullmatch(message):
        return f"{path}.{missing['key']}", "it is missing"
    cause = error.__cause__
    if isinstance(cause, InvalidInputError):
        key, _, rest = str(cause).partition(" ")
        if key.partition(".")[0] in _keys_of(_type_at(path)):
            return f"{path}.{key}", rest
        return path, str(cause)
    return path, message


def _unknown_keys(value: Any, kind: Any, path: str) -> Iterator[Problem]:
    """The keys that the types have no place for."""
    if isinstance(value, Mapping) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        for key, inner in value.items():
            below = f"{path}.{key}" if path else str(key)
            if key in hints:
                yield from _unknown_keys(inner, _without_none(hints[key]), below)
            else:
                yield below, f"unknown key{hint(str(key), hints)}"
    elif isinstance(value, list | tuple) and typing.get_origin(kind) is tuple:
        for position, inner in enumerate(value):
            yield from _unknown_keys(inner, typing.get_args(kind)[0], f"{path}[{position}]")


def _type_at(path: str) -> Any:
    """The type of what stands at a path of settings."""
    kind: Any = Settings
    for part in re.findall(r"[^.\[\]]+", path):
        if typing.get_origin(kind) is tuple:
            kind = typing.get_args(kind)[0]
        else:
            kind = _without_none(typing.get_type_hints(kind).get(part))
    return kind


def _keys_of(kind: Any) -> tuple[str, ...]:
    return tuple(typing.get_type_hints(kind)) if dataclasses.is_dataclass(kind) else ()


def _without_none(kind: Any) -> Any:
    return typing.get_args(kind)[0] if isinstance(kind, types.UnionType) else kind
