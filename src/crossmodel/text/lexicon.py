"""Words that :mod:`crossmodel.text.facts` knows: English, and only what it cannot do without."""

# ruff: noqa: SIM905 - a list of words reads best as text

from __future__ import annotations

import re
from typing import Final

EMPTY: Final = frozenset(
    """a an the this that these those its it their there they them his her our your my we you i
    he she as at by in into on onto with within via through under over upon to from of for and
    or but so then than if when whenever unless while before after one each every any all both
    just only also too very quite still even now here such some""".split()
)
"""Words that say nothing by themselves."""

GENERIC: Final = frozenset(
    """be is are was were been being am do does did done doing has have had having go goes going
    gone went leave leaves leaving left use uses used using call calls called calling write
    writes written writing put puts putting set sets setting send sends sent sending make
    makes made get gets got give gives given take takes taken taking keep keeps kept hold
    holds held must should shall may can could will would might need needs needed ought always
    ever usually generally simply lie lies stand stands equal equals mean means read reads
    show shows spell spells spelled spelt mark marks marked note noted named form forms formed
    consist consists carry carries carried bear bears run runs travel travels ship ships
    shipped route routes routed pass passes passed belong belongs come comes instead exactly
    ones rule rules""".split()
)
"""Verbs and adverbs that one speaker uses and another does not, for the same."""

VERBS: Final = frozenset(
    """is are was were be = must should shall may can cannot could will would might do does don't
    doesn't never always has have had go goes leave leaves use uses used call calls write
    writes put puts send sends make makes take takes keep keeps hold holds start starts begin
    begins end ends equal equals mean means read reads lie lies stand stands run runs travel
    travels carry carries belong belongs come comes consist consists need needs expire expires
    last lasts cost costs open opens close closes return returns accept accepts allow allows
    require requires serve serves contain contains store stores sort sorts increase increases
    decrease decreases rise rises fall falls grow grows shrink shrinks count counts wait waits
    retry retries print prints get gets give gives isn't aren't mustn't shouldn't can't
    won't""".split()
)
"""What a claim begins to say something with."""

BEING: Final = frozenset("is are was were be been being".split())

ASIDES: Final = frozenset("to for when if in on at after before from under".split())
"""With these a claim begins that first says what it is about."""

SCOPES: Final = frozenset(
    "of for from when whenever if unless where while whose during between under".split()
)
"""What stands behind these is what the claim is about, wherever they stand."""

MEANS: Final = frozenset("with by through via as in into".split())
"""What stands behind these is what a claim says, where none of its words is a verb."""

ENDS: Final = VERBS | {
    "with",
    "by",
    "through",
    "via",
    "to",
    "at",
    "into",
    "in",
    "as",
    "then",
    ";",
    "|",
}
"""These end what began with a word of ``SCOPES``."""

PURPOSES: Final = frozenset(
    """open close read write store save load delete remove create make get fetch send start stop
    run list find build seal unseal update add move copy rename check test sign log lock
    unlock print convert parse format sort count return accept refuse reject cancel connect
    deploy publish install release ship retry reset clear mark flag escape join
    split merge""".split()
)
"""After "to" these say what something is for; other words there say where it goes."""

SLOTS: Final = frozenset(
    """gate gates desk queue shelf room floor code codes key port door bay lane team tag label
    prefix suffix colour color channel branch folder mode level button tab drawer line dock
    box bin rack class region zone stage sector hall street page counter pier ramp depot
    locker letter track platform tray belt warehouse office table column field version option
    method function command call flag header topic bucket cluster profile tier grade group
    hangar""".split()
)
"""What follows these nouns is their value, whatever word it is."""

_CLASSES: Final = {
    "colour": """red green blue yellow black white orange purple grey gray brown pink violet amber
        cyan magenta crimson teal""",
    "day": "monday tuesday wednesday thursday friday saturday sunday weekdays weekends",
    "month": "january february march april june july august september october november december",
    "sign": """dot dash comma colon semicolon tilde underscore slash backslash space hyphen hash
        asterisk star plus minus pipe bar caret bang exclamation apostrophe quote quotes bracket
        brackets parentheses braces tab newline dots dashes commas colons underscores slashes
        hyphens spaces tabs ampersand percent arrow""",
    "case": "upper uppercase lower lowercase capitals small camelcase snake kebab title",
    "place": "left right top bottom front back north south east west inside outside above below",
    "order": "first last second third fourth fifth ascending descending alphabetical chronological",
    "unit": """second seconds minute minutes hour hours day days week weeks month months year years
        millisecond milliseconds metre metres meter meters km kilometres kilometers mile miles cm
        mm inch inches foot feet gram grams kg kilograms pound pounds litre litres liter liters
        bytes kilobytes megabytes gigabytes kb mb gb celsius fahrenheit kelvin euros dollars cents
        percent""",
    "direction": """more less most least maximum minimum max min increase increases increasing
        decrease decreases decreasing rise rises fall falls grow grows shrink shrinks higher lower
        larger smaller greater fewer""",
    "truth": "true false yes no on off enabled disabled null none zero",
    "rank": "allowed forbidden optional required mandatory public private",
    "state": "stopped started empty full broken intact",
    "language": "english german french spanish italian latin greek",
}
VALUE_WORDS: Final = {
    word: kind for kind, words in reversed(_CLASSES.items()) for word in words.split()
}
"""Words that are values, each with what it is a value of."""

NUMBERS: Final = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
    if word not in {"zero", "one"}
} | {"twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "hundred": "100"}

_SAME: Final = {
    "packag": "parcel", "begin": "start", "finish": "end", "directory": "folder", "colour": "color",
    "permit": "allow", "remov": "delet", "eras": "delet", "identifier": "id",
}  # fmt: skip
"""Stems that stand for one another."""
_ENDING: Final = re.compile(r"(?:ies|(?<=[sxz])es|(?<=[cs]h)es|(?<![su])s|ing|ed)$")
_LEAST_STEM: Final = 3


def stem(word: str) -> str:
    """The word without its ending; empty for one that says nothing."""
    if word in EMPTY or word in GENERIC:
        return ""
    bare = _ENDING.sub("", word)
    if word.endswith("ies"):
        bare += "y"
    bare = bare if len(bare) >= _LEAST_STEM else word
    if word.endswith(("ing", "ed")) and len(bare) > _LEAST_STEM and bare[-1] == bare[-2]:
        bare = bare[:-1]
    bare = bare.removesuffix("e")
    return _SAME.get(bare, bare)
