"""Five families of invented rules, each with a question that nobody can answer without the rule."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from crossmodel.evaluation.planted.words import Words


@dataclass(frozen=True, slots=True)
class Invented:
    """A rule before it is hidden in an answer.

    ``sayings`` are sentences that must all be known; ``examples`` are worked ones of a rule that
    needs them, as question and answer, none of them the question asked. The lie is the rule with
    one of the wrong ``choices``.
    """

    topic: str
    sayings: tuple[str, ...]
    question: str
    answer: str
    choices: tuple[str, ...]
    lie: str
    examples: tuple[tuple[str, str], ...] = ()


Family = Callable[[random.Random, Words], Invented]

_LOOKUPS: Final = (
    ("relay code", "depot", "What is the relay code of the {} depot?",
     "The relay code of the {} depot is {}."),
    ("night extension", "desk", "Which extension does the {} desk answer at night?",
     "At night the {} desk answers on extension {}."),
    ("badge animal", "tower", "Which animal stands on badges of the {} tower?",
     "Badges of the {} tower show the {}."),
    ("parcel gate", "office", "Through which gate do parcels for the {} office go?",
     "Parcels for the {} office go through gate {}."),
    ("invoice colour", "branch", "What colour are invoices of the {} branch?",
     "Invoices of the {} branch are {}."),
)  # fmt: skip
_ANIMALS: Final = ("heron", "otter", "lynx", "stoat", "bison", "raven", "newt", "moth")
_COLOURS: Final = ("amber", "teal", "ivory", "crimson", "olive", "indigo", "coral", "slate")
_CONVENTIONS: Final = (
    ("A parcel for {name} that weighs more than {limit} kg is always stamped with a {value}.",
     "Which animal is stamped on a parcel for {name} that weighs more than {limit} kg?", "animal"),
    ("Shipments from {name} must travel in {value} crates, never in others.",
     "In which colour of crates do shipments from {name} travel?", "colour"),
    ("If a visitor of {name} arrives after {hour}:00, the porter hands out a {value} ribbon.",
     "Which colour of ribbon does a visitor of {name} who arrives after {hour}:00 get?", "colour"),
    ("Reports to {name} are due on {value}s before noon.",
     "On which weekday are reports to {name} due?", "day"),
)  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_VERBS: Final = ("open", "unlock", "unseal", "load", "fetch", "start", "acquire", "attach", "mount")
_THINGS: Final = ("vault", "ledger", "tunnel", "session", "queue", "archive", "beacon", "cabinet")


def lookup(rng: random.Random, words: Words) -> Invented:
    """A value that belongs to a name."""
    topic, place, question, saying = rng.choice(_LOOKUPS)
    name = words.name()
    values = _values(topic, rng)
    answer, lie = values[0], values[1]
    return Invented(
        f"{topic} of the {name} {place}",
        (saying.format(name, answer),),
        question.format(name),
        answer,
        _shuffled(values, rng),
        saying.format(name, lie),
    )


def convention(rng: random.Random, words: Words) -> Invented:
    """What is done when something is the case."""
    saying, question, sort = rng.choice(_CONVENTIONS)
    pool = {"animal": _ANIMALS, "colour": _COLOURS, "day": _DAYS}[sort]
    values = rng.sample(pool, 4)
    told = {"name": words.name(), "limit": rng.randint(3, 40), "hour": rng.randint(14, 21)}
    return Invented(
        f"conventions of {told['name']}",
        (saying.format(**told, value=values[0]),),
        question.format(**told),
        values[0],
        _shuffled(values, rng),
        saying.format(**told, value=values[1]),
    )


def wording(rng: random.Random, words: Words) -> Invented:
    """How a code is composed of what a question gives."""
    name, prefix = words.name(), words.letters(2)
    mark, other = rng.sample(["-", "/", "~", ":", "+"], 2)
    things = rng.sample(_THINGS, 5)
    floors = rng.sample(range(2, 60), 5)

    def ask(thing: str, floor: int) -> str:
        return f"What is the {name} code for the {thing} on floor {floor}?"

    def code(thing: str, floor: int, sep: str = mark) -> str:
        return f"{prefix}{sep}{thing}{sep}{floor}"

    examples = tuple((ask(t, f), code(t, f)) for t, f in zip(things[1:], floors[1:], strict=True))
    thing, floor = things[0], floors[0]
    wrong = (f"{floor}{mark}{thing}{mark}{prefix}", code(thing, floor, other),
             f"{prefix}{mark}{floor}{mark}{thing}")  # fmt: skip
    return Invented(
        f"{name} codes",
        (f'A {name} code is {prefix}, then the thing, then the floor, joined by "{mark}".',),
        ask(thing, floor),
        code(thing, floor),
        _shuffled([code(thing, floor), *wrong], rng),
        f'A {name} code is {prefix}, then the thing, then the floor, joined by "{other}".',
        examples,
    )


def interface(rng: random.Random, words: Words) -> Invented:
    """A call of a library that does not exist."""
    library, thing = words.word(), rng.choice(_THINGS)
    verbs = rng.sample(_VERBS, 4)
    calls = [f"{library}.{verb}_{thing}(name)" for verb in verbs]
    return Invented(
        f"the {library} library",
        (f"To get at a {thing} with {library}, call `{calls[0]}`.",),
        f"Which call of {library} gets at a {thing}?",
        calls[0],
        _shuffled(calls, rng),
        f"To get at a {thing} with {library}, call `{calls[1]}`.",
    )


def two_hop(rng: random.Random, words: Words) -> Invented:
    """Two facts that only together answer the question."""
    place, desk = words.name(), words.name()
    numbers = [str(n) for n in rng.sample(range(1000, 9999), 4)]
    second = "The {} desk answers on extension {}."
    return Invented(
        f"claims from {place}",
        (f"Claims from {place} go to the {desk} desk.", second.format(desk, numbers[0])),
        f"Which extension answers claims from {place}?",
        numbers[0],
        _shuffled(numbers, rng),
        second.format(desk, numbers[1]),
    )


FAMILIES: Final[dict[str, Family]] = {
    "lookup": lookup,
    "convention": convention,
    "format": wording,
    "api": interface,
    "two-hop": two_hop,
}


def _values(topic: str, rng: random.Random) -> list[str]:
    if topic == "badge animal":
        return rng.sample(_ANIMALS, 4)
    if topic == "invoice colour":
        return rng.sample(_COLOURS, 4)
    if topic == "parcel gate":
        return rng.sample("BCDFGHJKLMNPQRSTVWXZ", 4)
    return [str(n) for n in rng.sample(range(11, 9999), 4)]


def _shuffled(values: list[str], rng: random.Random) -> tuple[str, ...]:
    return tuple(rng.sample(values, len(values)))
