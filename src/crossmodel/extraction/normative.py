"""Whether a sentence lays down a rule, and what that rule is about."""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match
# ruff: noqa: SIM905 - a list of words reads best as text

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from crossmodel.extraction.cues import (
    CONDITION,
    LANGUAGES,
    NORM,
    ORDER,
    PAST_WORDS,
    RULE,
    RULE_LABEL,
    TALE_WORDS,
)
from crossmodel.extraction.reading import Statement
from crossmodel.text.normalise import COLONS, has_colon
from crossmodel.text.segments import SegmentKind

_HOW_TO: Final = re.compile(
    r"""(?:to|for|when|if)\ [^`:\n]{3,160}?[,:]?\s*(?:you\ |we\ |please\ )?
        (?:can\ |should\ |must\ )?(?:use|call|write|run|type|enter|send|invoke)\b[^`.\n]{0,40}`
    |`[^`\n]+`\ (?:stores?|saves?|sets?|gets?|reads?|returns?|prints?|creates?|deletes?|removes?
        |adds?|sends?|opens?|closes?|updates?|takes?|expects?|requires?|accepts?|raises?)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_LABEL: Final = re.compile(
    rf"[*_]{{0,3}}{RULE_LABEL}"
    r"(?: ?#?\d{1,3})?(?: \([^)\n]{1,40}\))?[*_]{0,3} ?[:\uff1a][*_]{0,3}\s*(?=\S)",
    re.IGNORECASE,
)
_NOT_A_RULE: Final = re.compile(
    r"""[\W\d]*(?:so|thus|therefore|hence|then|now|next|first|second|finally|step|if\ we
      |we\ (?:must|should|can|need|have|get|also|now|then|could)
      |however,?\ (?:since|based|if|it|this|we)|but|for\ in|you['’]ve|i|he|she|there|since|because
      |suppose|assume|note\ that\ the\ question|and|yet|or
      |the\ (?:final\ )?(?:answer|output|response)\ (?:should|must)
      |this\ (?:is|means|would|function|code|program|approach|solution|was|will)|my|his|her)\b""",
    re.VERBOSE,
)
"""Beginnings of steps, of tales, and of talk about the answer."""
_MODAL: Final = re.compile(
    r"must|shall|should|always|never|may|ha(?:ve|s) to|need|cannot|only", re.IGNORECASE
)
_WORDING_ORDER: Final = frozenset(
    "abbreviate always avoid call capitalize format instead never prefer prefix say spell suffix"
    " write".split()
)
_PRONOUN: Final = re.compile(r"(?:it|they|this|these|those|that|both)\b", re.IGNORECASE)
_KEY_VALUE: Final = re.compile(
    r"(?P<key>[*_`\"“]{1,3}[^*`\"”\n]{1,80}[*_`\"”]{1,3}|[\w(][\w ()/&'’.+-]{0,60}?)"
    r"[*_]{0,2}\s*(?P<mark>::?|=|–|—|-(?= ))[*_]{0,2}\s+(?P<value>\S.*)$",
    re.DOTALL,
)
_MAPPING_MARK: Final = re.compile("[:\uff1a=–—-]")
_MAPPING_WORDS: Final = frozenset(
    """abbreviation abbreviations alias category channel code codes color colors colour colours
    convention conventions endpoint field fields format formats glossary guide guideline guidelines
    key keys label labels map mapping name names naming notation prefix prefixes queue queues
    region regions route routes routing rule rules standard standards status suffix suffixes symbol
    symbols tag tags team teams term terms terminology unit units word wording words""".split()
)
_STYLE_WORDS: Final = frozenset(
    "convention conventions format guide guideline guidelines policy rule rules standard standards"
    " style requirements naming must".split()
)
_WORDS_ONLY: Final = re.compile(r"[A-Za-z][A-Za-z '’/&-]*")
_SAYS_MORE: Final = re.compile(
    r"=|\\\(|\$\\|^(?:this|that|it|the given)\b|\b(?:is|are|was) given\b", re.IGNORECASE
)
"""Signs of a calculation or of talk in what would else be the value of a key."""
_CONNECTIVE: Final = re.compile(
    r"(?:(?:however|also|in (?:short|summary|general)|overall|additionally|moreover"
    r"|furthermore|note that|remember that|finally)\b,? ?)?"
    r"(?:(?:the|an?|all|every|each|our|any)\s+)?",
    re.IGNORECASE,
)
_LABELLED: Final = re.compile(
    r"^\W*[A-Za-z][\w ]{0,30}[*_]{0,3}:[*_]{0,3}\s+(?:no|yes)?\W*", re.IGNORECASE
)
"""A label, and a yes or no, before what a sentence is about."""
_UNQUOTED: Final = str.maketrans("", "", '`"“”')
_VALUE_WORDS: Final = 8
"""An explanation has more words than a value."""
_MAX_VALUE: Final = 240
_MAX_SUBJECT: Final = 80
_SUBJECT_WORDS: Final = 8
_LEAST_WORDS: Final = 4


def subject_of_rule(statement: Statement, scope: str) -> str | None:
    """What the statement's rule is about (``""`` if it does not say); ``None`` if it is no rule."""
    said = statement.text
    label = _LABEL.match(said) if has_colon(said) else None
    if label is not None:
        return _subject(statement, label.end()) if len(said) - label.end() >= _LEAST_WORDS else None
    about = _words_of(scope)
    mapping = _mapping(statement, about)
    if mapping is None and not _is_normative(statement, about):
        return None
    return mapping or _subject(statement)


def goes_on(statement: Statement) -> bool:
    """Whether it says more of what the sentence before it is about."""
    return _PRONOUN.match(statement.text) is not None and _norm(statement) is not None


@lru_cache(maxsize=1024)
def _words_of(scope: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]+", scope.lower()))


def _is_normative(statement: Statement, about: frozenset[str]) -> bool:
    said = statement.text
    tells_how = ("`" in said and _HOW_TO.match(said.lstrip("*_ ")) is not None) or (
        CONDITION.match(said) is not None
    )
    if not (tells_how or statement.hints & RULE) or said[-1] in f"{COLONS},":
        return False
    words = frozenset(statement.words())
    if not words.isdisjoint(TALE_WORDS) or said.count(" ") < _LEAST_WORDS - 1:
        return False
    if tells_how:
        return True
    if _NOT_A_RULE.match(statement.lower) or _PRONOUN.match(said.lstrip("*_ ")):
        return False
    if ORDER.match(statement.lower.lstrip("*_ ")):
        return (
            not words.isdisjoint(_WORDING_ORDER)
            or not about.isdisjoint(_STYLE_WORDS)
            or "`" in said
            or '"' in said
        )
    norm = _norm(statement)
    if norm is None or (norm.group() == "means" and words & LANGUAGES):
        return False  # the latter is a translation
    return words.isdisjoint(PAST_WORDS) or not _MODAL.match(norm.group())


@lru_cache(maxsize=1024)
def is_mapping(scope: str) -> bool:
    """Whether what stands under that heading or announcement maps keys to values."""
    return not _MAPPING_WORDS.isdisjoint(_words_of(scope))


def _mapping(statement: Statement, about: frozenset[str]) -> str | None:
    """The key of ``key: value``, where the value is what the key means or goes to."""
    is_listed = statement.segment.kind is SegmentKind.LIST_ITEM and statement.text[0] in '*_"“'
    is_mapping = is_listed or statement.text[0] == "`" or not _MAPPING_WORDS.isdisjoint(about)
    if not is_mapping or not _MAPPING_MARK.search(statement.text):
        return None
    pair = _KEY_VALUE.match(statement.text)
    if pair is None or len(pair["value"]) > _MAX_VALUE or statement.text.endswith(":"):
        return None
    key = pair["key"].strip('*_`"“” ')
    if not key or key.isdigit():
        return None
    if pair["mark"] == "=" and not (_WORDS_ONLY.fullmatch(key) and pair["value"][0].isalpha()):
        return None  # a calculation
    is_short = pair["value"].count(" ") < _VALUE_WORDS
    if _SAYS_MORE.search(pair["value"]):
        return None
    if pair["key"][0] == "`" or not about.isdisjoint(_MAPPING_WORDS) or (is_listed and is_short):
        return key
    return None


def _norm(statement: Statement) -> re.Match[str] | None:
    """Where it tells how something must be."""
    norm = NORM.search(statement.lower)
    while norm is not None and norm["form"] and statement.text[norm.start("form")].islower():
        norm = NORM.search(statement.lower, norm.end())  # "the format is simple" gives none
    return norm


def _subject(statement: Statement, begin: int = 0) -> str:
    """What the sentence is about: the words before its verb, if they are few."""
    norm = _norm(statement)
    said = statement.text[begin:]
    if norm is None or norm.start() < begin:
        return ""
    start = _CONNECTIVE.match(said)
    subject = said[start.end() if start else 0 : norm.start() - begin]
    subject = _LABELLED.sub("", subject)
    subject = subject.translate(_UNQUOTED).strip(" *_,:")
    return subject if len(subject) <= _MAX_SUBJECT and subject.count(" ") < _SUBJECT_WORDS else ""
