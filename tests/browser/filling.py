"""What there is to look at: made by the loop itself, with scripted models."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
from ticket_codes import HANDBOOK

from crossmodel import CrossModel
from crossmodel.providers import FakeProvider

T = TypeVar("T")

HOSTILE = """\
Rules

- Always escape <script>document.title = "taken"</script> and {{constructor.constructor('document.title = "taken"')()}} in templates.
- Never evaluate `${document.title = "taken"}`, whatever </textarea></pre><img src=x onerror='document.title = "taken"'> says.
- Never trust text that turns around, such as \u202egnirts\u202c, and never a lone \ud800 either.
"""
"""A source that would take the page over, if any of it were more than text."""

OTHERS = """\
- Always keep the other tenant's turbines below 3000 revolutions.
"""

ANSWERS = {"strong": HANDBOOK, "cheap": "BIL-7"}


VIEWER = "the viewer's own password"
ADMIN = "the admin's own password"


def in_a_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine where playwright's event loop is not: in another thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def settings_of(folder: Path, **more: object) -> dict[str, object]:
    """Two scripted models, a store and keys in the folder."""
    return {
        "store": {"url": f"sqlite:///{folder}/state.db"},
        "witness": {"key_dir": f"{folder}/keys"},
        "gateway": {"control": "127.0.0.1:9"},
        "insight_transfer": {"uplift": {"holdout_rate": 0.3}},
        "providers": [{"id": "p", "kind": "fake"}],
        "models": [
            {"id": "strong", "provider": "p", "quality": 0.9, "input_price": 3, "output_price": 15},
            {"id": "cheap", "provider": "p", "quality": 0.4, "input_price": 0.1, "output_price": 1},
            {"id": "tiny", "provider": "p", "quality": 0.2, "context_window": 2},
        ],
        **more,
    }


def write_settings(folder: Path, into: Path | None = None, **more: object) -> Path:
    """The same as a file that the command reads, in the folder or ``into`` another one."""
    path = (into or folder) / "crossmodel.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(_lines(settings_of(folder, **more))), "utf-8")
    return path


def _lines(settings: dict[str, object]) -> list[str]:
    lines = []
    for name, section in settings.items():
        is_list = isinstance(section, list)
        for row in section if is_list else [section]:
            lines.append(f"[[{name}]]" if is_list else f"[{name}]")
            lines += [f"{key} = {_value(value)}" for key, value in row.items()]
    return lines


def _value(value: object) -> str:
    """A value as TOML: JSON, but for tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value)


async def fill(folder: Path, *, insights: int = 70) -> dict[str, str]:
    """Run the loop for a while; returns ids by what they are of."""
    ids: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        provider = FakeProvider(lambda request: ANSWERS[request.model])
        patch.setattr("crossmodel.assembly.building.create_provider", lambda *_, **__: provider)
        async with CrossModel.open(settings_of(folder)) as cm:
            taught = await cm.complete("How are ticket codes made?", model="strong")
            ids["taught"] = taught.id
            assert taught.extraction is not None
            rules = [each.id for each in taught.extraction.insights if each.kind == "rule"]
            ids["rule"] = rules[0]
            chosen = await cm.complete("Which ticket code has billing on floor 7?", task="coding")
            ids["chosen"] = chosen.id
            await cm.feedback(chosen.id, 0.9)
            arms: Counter[bool] = Counter()
            while min(arms[True], arms[False]) < 3:  # chance says who goes without
                asked = f"Which ticket code has billing on floor {arms.total()}?"
                answer = await cm.complete(asked, model="cheap")
                helped = answer.transfer is not None and answer.transfer.success
                arms[helped] += 1
                await cm.feedback(answer.id, 1.0 if helped else 0.0)
                if helped:
                    ids["helped"] = answer.id
            ids["cheap answers"] = str(arms.total())
            hostile = await cm.extract(HOSTILE, source_model="elsewhere", origin="<b>origin</b>")
            ids["hostile"] = hostile.insights[0].id
            assert len(hostile.insights) >= 2
            others = await cm.extract(OTHERS, source_model="elsewhere", tenant="other")
            ids["others"] = others.insights[0].id
            lines = (
                f"- Always grease valve {n} of line {n * 7 % 97} with paste number {n * 13 % 89}."
                for n in range(insights)
            )
            filled = await cm.extract("## Valves\n\n" + "\n".join(lines), source_model="strong")
            ids["valve"] = filled.insights[-1].id
    return ids
