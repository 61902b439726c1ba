"""Words and phrases that show what a sentence does: one table, read from the top.

The first row that fits a sentence claims it, so no sentence is found twice. Rules, examples and
final answers come before this table: see :mod:`crossmodel.extraction.rules`.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match
# ruff: noqa: SIM905 - a list of words reads best as text

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final, NamedTuple

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.text.literals import Literals

_R, _C, _A = InsightType.REASONING, InsightType.CREATIVITY, InsightType.ANALYSIS
_CODE, _MATH, _L = InsightType.CODING, InsightType.MATH, InsightType.LANGUAGE


class Cue(NamedTuple):
    """A sentence in lower case that fits one of ``patterns`` is of this sort."""

    insight_type: InsightType
    kind: InsightKind
    patterns: tuple[re.Pattern[str], ...]


def _cue(insight_type: InsightType, kind: InsightKind, *patterns: str) -> Cue:
    return Cue(insight_type, kind, tuple(map(re.compile, patterns)))


CUES: Final = (
    _cue(
        _CODE, InsightKind.CLAIM,
        r"\binvariants?\b",
        r"\b(?:time|space) complexity\b",
        r"\bo\([^()\n]{1,40}(?:\([^()\n]{0,20}\))?[^()\n]{0,20}\)",
    ),
    _cue(
        _CODE, InsightKind.RISK,
        r"\bedge cases?\b",
        r"\boff-by-one\b",
        r"\bpitfalls?\b",
        r"\braises? (?:an? )?`?\w*(?:error|exception)",
        r"\bthrows? (?:an? )?`?\w*(?:error|exception)",
        r"\b(?:integer|stack|buffer) overflow\b",
        r"\bdeadlocks?\b",
        r"\brace condition",
        r"\bmemory leak",
        r"\binfinite (?:loop|recursion)",
        r"\bundefined behaviou?r",
        r"\bnull (?:pointer|reference)",
        r"\b(?:sql|code|command) injection",
    ),
    _cue(
        _L, InsightKind.TRANSLATION,
        (
            r"""["“'`*][^"”`*\n]{1,120}["”'`*] (?:\([^)\n]{1,60}\) )?(?:means|translates (?:to"""
            r"""|as|into)|is translated as|is the \w+ (?:word|term) for)\b"""
        ),
        (
            r"\b(?:is|are|translates?)\b[^.\n]{1,80}\bin (?:french|german|spanish|italian|latin"
            r"|japanese|chinese|english|dutch|portuguese|russian|arabic|hindi|korean)\b"
        ),
        (
            r"""\bin (?:french|german|spanish|italian|latin|japanese|chinese|english|dutch"""
            r"""|portuguese|russian|arabic|hindi|korean),? [^.\n]{1,80}\b(?:is|are|means) """
            r"""["“'`*]"""
        ),
        r"""\b(?:correct )?translation\b[^\n]{0,120}\bis:? ["“'`*]""",
    ),
    _cue(
        _MATH, InsightKind.METHOD,
        (
            r"\b(?:us(?:e|es|ed|ing)|appl(?:y|ies|ied|ying)|by|recall|employ(?:s|ing)?|according "
            r"to) (?:the|that|an?) (?:[\w'’\-–]+ ){0,4}(?:theorem|formula|law|identity|method"
            r"|principle|inequality|lemma|algorithm|equation|rule)s?\b"
        ),
        (
            r"\b(?:using|apply(?:ing)?|by) (?:[\w'’\-–]+ ){1,2}(?:theorem|formula|law|identity"
            r"|principle|inequality|lemma)s?\b"
        ),
        r"\b(?:theorem|formula|law|principle|lemma) (?:\w+ ){0,3}?(?:states?|says|gives|tells)\b",
        r"\b(?:the|this) (?:[\w'’\-–]+ ){0,3}(?:formula|equation|law) (?:for|of)\b",
    ),
    _cue(
        _MATH, InsightKind.DEFINITION,
        (
            r"^[\W\d]*\b(?:so |now,? )?let (?!us\b|me\b|'s\b)[`$\\(]{0,3}\w{1,20}\W{0,4} ?(?:be"
            r"|denote|=|represent)"
        ),
        r"\bdenote[sd]?\b",
        r"\bwhere \$?\w\$? is the\b",
    ),
    _cue(
        _L, InsightKind.DEFINITION,
        r"\b(?:is|are) defined as\b",
        r"\brefers? to (?:an?|the|any|how|when|what)\b",
        r"\bis a term\b",
        r"\bis (?:\w+ )?an? (?:noun|verb|adjective|adverb|pronoun|preposition|conjunction)\b",
        r"\b(?:is|are) (?:also |commonly )?known as\b",
        (
            r'^[\W\d]*["“`*][^"”`*\n]{1,60}["”`*]+:? (?:means|is (?:an?|the) (?:word|term|type'
            r'|kind))\b'
        ),
    ),
    _cue(
        _A, InsightKind.RECOMMENDATION,
        (
            r"\b(?:i|we|it is|is|are|strongly|highly) (?:would )?(?:recommend(?:ed)?|advis(?:e"
            r"|able))\b"
        ),
        r"\bi (?:would )?suggest\b",
        r"\bi(?:['’]d| would) (?:avoid|choose|go with|opt for|pick|start with|use)\b",
        r"\bbest practices?\b",
        r"\bit (?:is|would be) (?:best|better|wise|advisable|preferable)\b",
        r"\b(?:you|teams?|companies|organi[sz]ations?|users|developers|we|one) should (?!be able)",
        r"\bshould consider\b",
        r"^[\W\d]*\bconsider (?:using|adding|\w+ing)\b",
        r"\bcould (?:have )?(?:be |been )?improved?\b",
        r"\ba (?:better|more efficient|safer|simpler) (?:approach|way|option|choice|solution)\b",
    ),
    _cue(
        _A, InsightKind.RISK,
        r"\b(?:risks?|drawbacks?|downsides?|limitations?|caveats?|dangers?)\b",
        r"\bvulnerab",
        r"\bdangerous\b",
        r"\b(?:may|might|can|could|will) (?:also )?fail\b",
        r"\bprone to\b",
        (
            r"\b(?:made|makes|contains?|has) (?:an?|the|several|some) (?:\w+ )?(?:mistakes?"
            r"|errors?|flaw)"
        ),
        r"\b(?:is|are|was) (?:in(?:correct|accurate|complete)|wrong|flawed)\b",
    ),
    _cue(
        _A, InsightKind.COMPARISON,
        r"\bcompared (?:to|with)\b",
        r"\bwhereas\b",
        r"^[\W\d]*\bunlike\b",
        r"\bin contrast\b",
        r"\bversus\b",
        r"\bvs\b",
        r"\btrade-? ?offs?\b",
        r"\bat the (?:cost|expense) of\b",
        (
            r"\b(?:faster|slower|cheaper|simpler|safer|better|worse|stronger|weaker|larger"
            r"|smaller|higher|lower|easier|harder)(?: to \w+)? than\b"
        ),
        r"\b(?:more|less) (?!than)\w+ than\b",
    ),
    _cue(
        _C, InsightKind.IDEA,
        (
            r"\b(?:another|one|an? alternative|a different) (?:\w+ )?(?:idea|option|approach|way"
            r"|concept)\b"
        ),
        r"^[\W\d]*\b(?:idea|concept)\b[^:\n]{0,20}:",
        r"^[\W\d]*\bimagine (?:an?|the|that|if)\b",
        r"^[\W\d]*\balternatively\b",
        r"\b(?:analogy|analogous to|metaphor(?:ically)?)\b",
        r"\bthink of (?:\w+ ){1,5}(?:as|like) an?\b",
        r"\b(?:is|are|acts?|works?) (?:a bit |much |just |rather )?like (?:an?|the)\b",
        r"\brhyme schemes?\b",
        r"\bsyllables?\b",
        r"\biambic\b",
        r"\bstanzas?\b",
        r"\binspired by\b",
    ),
    _cue(
        _A, InsightKind.FINDING,
        r"\b(?:shows?|indicates?|suggests?|reveals?|demonstrates?) (?:that|an?|the|how)\b",
        r"\b(?:we|they|study|studies|researchers|analysis) (?:have )?found (?:that|an?|no)\b",
        r"\bevidence (?:that|of|for|suggests)\b",
        r"\bon average\b",
        r"\bcorrelate[sd]\b",
        r"^[\W\d]*\boverall,",
        r"\b(?:in|de)creased (?:by|from|to)\b",
        r"\d ?(?:%|percent) (?:of (?:all|people|users|respondents)\b|(?:more|less|fewer) likely)",
        (
            r"\b(?:response|answer|solution|code|explanation|translation) is (?:\w+ )?(?:correct"
            r"|accurate|clear|helpful|relevant)"
        ),
    ),
    _cue(
        _R, InsightKind.CONCLUSION,
        r"^[\W\d]*\b(?:tl;? ?dr|bottom line|in short|short answer)\b",
        (
            r"^[\W\d]*\b(?:so|therefore|thus|hence|consequently|in conclusion|in summary|as a "
            r"result|to conclude|it follows|this (?:means|implies|shows)|which (?:means"
            r"|implies))\b(?! (?:that )?(?:let|we (?:need|have|must|can (?:write|use|find|set"
            r"|solve))))"
        ),
        r", (?:so|therefore|thus|hence)\b",
        r"\b(?:therefore|consequently|it follows that|we (?:can )?conclude)\b",
    ),
    _cue(
        _R, InsightKind.CLAIM,
        r"\bbecause\b",
        r"^[\W\d]*\bsince\b",
        r", since\b",
        r"\bdue to\b",
        r"\bimplies\b",
        r"^[\W\d]*\bgiven that\b",
        r"\bthe reason\b",
        r"\bmisconception\b",
        r"\bcaused by\b",
        r"\bleads? to\b",
    ),
    _cue(
        _R, InsightKind.STEP,
        r"\bcombining\b",
        r"\beliminat(?:e|es|ed|ing)\b",
        r"\brules? out\b",
        r"\bcontradict(?:s|ion)\b",
        r"\bonly (?:remaining|possible|option|way|one|choice)\b",
    ),
)  # fmt: skip

_DONE: Final = r"""(?:always\ |never\ |only\ )?(?:required|mandatory|forbidden|prohibited
    |(?:not\ )?(?:allowed|permitted)|limited\ to|restricted\ to|reserved\ for|written|formatted
    |spelled|spelt|abbreviated|encoded|prefixed|suffixed|preceded|followed\ by|separated\ by|joined
    |sorted|numbered|named|called|routed|assigned|sent\ to|stored\ (?:in|as|under)|capitalized
    |marked|tagged|labell?ed|rounded|counted\ as|handled\ by|replaced\ (?:by|with)|measured\ in)"""
_BEFORE_TALE: Final = "".join(
    rf"(?<!{said}\ {{0}})" for said in ("almost", "have", "has", "['’]ve", "['’]s", "there\\ is")
)
"""What stands before "always" or "never" where these tell what has been."""
NORM: Final = re.compile(
    rf"""(?<![a-z0-9_])(?:
      must(?:\ not|n't|n’t)?|(?<!we\ )shall(?:\ not)?|should(?:\ not|n't|n’t)?
    |may\ (?:only|not)|always{_BEFORE_TALE.format("always")}|never{_BEFORE_TALE.format("never")}
    |ha(?:s|ve)\ to\ be|ha(?:s|ve)\ the\ form|can\ only\b
    |cannot\ (?:be|contain|end|exceed|follow|have|run|start|use)\b|only\ (?:if|when|for)
    |needs?\ to\ (?:be|respect|follow|come|precede|agree|match|start|end)\b
    |(?:is|are|gets?|be)\ {_DONE}
    |(?:start|begin|end)s?\ (?:with|in)\b|consists?\ of|stands?\ for
    |go(?:es)?\ to\b|belongs?\ to|maps?\ to|defaults?\ to|takes?\ the\ form|means|denotes
    |(?:words|codes|letters|prefixes|suffixes|names|values|labels|tags|colou?rs|levels|units)
        \ (?:are|is):[ ]
    |(?:format|pattern|syntax|template|convention|prefix|suffix|separator|signature)
        (?:\ (?:for|of|to)\ [^.:\n]{{1,60}}?)?\ (?:is|are):?
        (?=\ (?:an?|the|always|never)\b|\ (?P<form>[`"“'<\[*a-z0-9]))
    |(?:code|default|name|symbol|abbreviation|unit|queue|channel|word|term|label|tag|order)
        \ (?:for|of|when)\ [^.:\n]{{1,60}}?\ (?:is|are)\b)""",
    re.VERBOSE,
)
"""What a sentence says that tells how something must be, is called, or where it goes."""
ORDER: Final = re.compile(
    r"""\b(?:always|never|do\ not|don['’]t|avoid|prefer|spell|prefix|suffix|capitali[sz]e|append
    |(?:use|write|put|add|pass|call|send|route|assign|name|store|round|sort|replace|separate|start
        |end|begin|keep|place|say|offer)\b[^.\n]{1,120}
        \b(?:for|when|as|instead|before|after|with|to|in|under|by|never|only))\b""",
    re.VERBOSE,
)
"""How a sentence begins that tells the reader what to do."""

GIVES: Final = re.compile(
    r"""\ (?:becomes?|turns?\ into|maps?\ to
        |(?:is|are|gets?)\ (?:converted|translated|mapped)\ (?:in)?to
        |(?:(?:is|are|gets|would\ be|should\ be)\ )?
            (?:written|encoded|formatted|rendered|spelled|spelt|abbreviated)(?:\ as)?
        |gives?|yields?|returns?|produces?|evaluates?\ to|outputs?|prints?|results?\ in)[ ]""",
    re.VERBOSE,
)
"""What stands between an input and its output."""
WOULD_BE: Final = re.compile(
    r" (?:would be|will be|becomes|gets|is then) (?=\S*\d|\S*[A-Z]\S?[A-Z])"
)
CONDITION: Final = re.compile(
    r"^\W*(?:if|when|whenever|unless)\b[^→⇒\n]{3,200}(?:→|⇒|[-=]>)", re.IGNORECASE
)
"""A condition and what to do then: a rule, whatever the arrow looks like."""
_EXAMPLE: Final = re.compile(
    r"\b(?:e\.g|(?:eg|ex|example|instance)\b|(?:so|thus),? [\"“`])|, so \S"
)
_ANSWER: Final = re.compile(r"\b(?:answers?|choice|option|solution)\b")

_HINTS: Final = 4
RULE, OUTPUT, EXAMPLE, ANSWER = (1 << bit for bit in range(_HINTS))
"""Hints that a sentence is a rule, pairs an input with its output, announces an example, or names
an answer. A sentence without the hint is none; one with it may be."""
_CHOICES: Final = tuple((cue, pattern) for cue in CUES for pattern in cue.patterns)
CLAIM: Final = ((1 << len(_CHOICES)) - 1) << _HINTS
"""The hints of all rows of the table: each of their patterns has one."""


def hints(lower: str) -> list[tuple[int, int]]:
    """Where a text in lower case holds hints, and which: in order, several hints as one number."""
    return _literals().find(lower)


def classify(lower: str, hinted: int) -> Cue | None:
    """The row that claims a sentence, given in lower case with its hints, if one does."""
    for cue, pattern in _choices(hinted & CLAIM):
        if pattern.search(lower):
            return cue
    return None


@cache
def _literals() -> Literals:
    return Literals(
        {
            RULE: [NORM, ORDER],
            OUTPUT: [GIVES, WOULD_BE],
            EXAMPLE: [_EXAMPLE],
            ANSWER: [_ANSWER],
            **{1 << bit: [pattern] for bit, (_, pattern) in enumerate(_CHOICES, _HINTS)},
        }
    )


@lru_cache(maxsize=4096)
def _choices(hinted: int) -> tuple[tuple[Cue, re.Pattern[str]], ...]:
    return tuple(each for bit, each in enumerate(_CHOICES, _HINTS) if hinted >> bit & 1)


LANGUAGES: Final = frozenset(
    {
        "arabic", "chinese", "dutch", "english", "french", "german", "hindi", "italian", "japanese",
        "korean", "latin", "portuguese", "russian", "spanish",
    }
)  # fmt: skip

LABEL_PAIRS: Final = {
    "q": ("a",), "question": ("answer", "a"), "input": ("output", "result", "expected output"),
    "example input": ("example output",), "sample input": ("sample output",),
    "before": ("after",), "request": ("response", "reply", "call"),
    "prompt": ("completion", "response"), "source": ("target", "translation"),
    "original": ("rewritten", "revised", "rewrite", "corrected"),
    "wrong": ("right", "correct"), "incorrect": ("correct",), "bad": ("good", "better"),
    "user": ("assistant", "you"), "task": ("call", "code", "answer", "solution"),
    "raw": ("formatted", "clean"), "ticket": ("code", "queue", "label"),
    "given": ("result", "output", "answer"), "old": ("new",), "plain": ("coded", "code"),
    "customer": ("agent", "reply", "answer"), "avoid": ("prefer", "use"),
}  # fmt: skip
"""Labels of an input, and those of the output that goes with it."""

RULE_LABEL: Final = (
    "(?:rule(?: of thumb)?|convention|policy|format|syntax|requirement|constraint|guideline|naming"
    "|standard)s?"
)
"""Labels of a rule, as an expression."""


TALE_WORDS: Final = frozenset("felt he her him his i me my she".split())
"""Words of a story or of talk about the answer, not of a rule."""

PAST_WORDS: Final = frozenset("did had was were".split())
"""With one of these ``must`` or ``always`` tells of what has been."""
