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
    """A sentence in lower case that fits ``pattern`` is of this sort."""

    insight_type: InsightType
    kind: InsightKind
    pattern: re.Pattern[str]


def _cue(insight_type: InsightType, kind: InsightKind, pattern: str) -> Cue:
    return Cue(insight_type, kind, re.compile(pattern, re.VERBOSE))


CUES: Final = (
    _cue(
        _CODE, InsightKind.CLAIM,
        r"""\binvariants?\b|\b(?:time|space)\ complexity\b
        |\bo\([^()\n]{1,40}(?:\([^()\n]{0,20}\))?[^()\n]{0,20}\)""",
    ),
    _cue(
        _CODE, InsightKind.RISK,
        r"""\bedge\ cases?\b|\boff-by-one\b|\bpitfalls?\b
        |\braises?\ (?:an?\ )?`?\w*(?:error|exception)
        |\bthrows?\ (?:an?\ )?`?\w*(?:error|exception)|\b(?:integer|stack|buffer)\ overflow\b
        |\bdeadlocks?\b|\brace\ condition|\bmemory\ leak|\binfinite\ (?:loop|recursion)
        |\bundefined\ behaviou?r|\bnull\ (?:pointer|reference)|\b(?:sql|code|command)\ injection""",
    ),
    _cue(
        _L, InsightKind.TRANSLATION,
        r"""["“'`*][^"”`*\n]{1,120}["”'`*]\ (?:\([^)\n]{1,60}\)\ )?
              (?:means|translates\ (?:to|as|into)|is\ translated\ as
              |is\ the\ \w+\ (?:word|term)\ for)\b
        |\b(?:is|are|translates?)\b[^.\n]{1,80}\bin\ (?:french|german|spanish|italian|latin|japanese
              |chinese|english|dutch|portuguese|russian|arabic|hindi|korean)\b
        |\bin\ (?:french|german|spanish|italian|latin|japanese|chinese|english|dutch|portuguese
              |russian|arabic|hindi|korean),?\ [^.\n]{1,80}\b(?:is|are|means)\ ["“'`*]
        |\b(?:correct\ )?translation\b[^\n]{0,120}\bis:?\ ["“'`*]""",
    ),
    _cue(
        _MATH, InsightKind.METHOD,
        r"""\b(?:us(?:e|es|ed|ing)|appl(?:y|ies|ied|ying)|by|recall|employ(?:s|ing)?|according\ to)
            \ (?:the|that|an?)\ (?:[\w'’\-–]+\ ){0,4}
            (?:theorem|formula|law|identity|method|principle|inequality|lemma|algorithm|equation
              |rule)s?\b
        |\b(?:using|apply(?:ing)?|by)\ (?:[\w'’\-–]+\ ){1,2}
            (?:theorem|formula|law|identity|principle|inequality|lemma)s?\b
        |\b(?:theorem|formula|law|principle|lemma)\ (?:\w+\ ){0,3}?(?:states?|says|gives|tells)\b
        |\b(?:the|this)\ (?:[\w'’\-–]+\ ){0,3}(?:formula|equation|law)\ (?:for|of)\b""",
    ),
    _cue(
        _MATH, InsightKind.DEFINITION,
        r"""^[\W\d]*\b(?:so\ |now,?\ )?let\ (?!us\b|me\b|'s\b)[`$\\(]{0,3}\w{1,20}\W{0,4}\ ?
              (?:be|denote|=|represent)
        |\bdenote[sd]?\b|\bwhere\ \$?\w\$?\ is\ the\b""",
    ),
    _cue(
        _L, InsightKind.DEFINITION,
        r"""\b(?:is|are)\ defined\ as\b|\brefers?\ to\ (?:an?|the|any|how|when|what)\b
        |\bis\ a\ term\b|\b(?:is|are)\ (?:also\ |commonly\ )?known\ as\b
        |^[\W\d]*["“`*][^"”`*\n]{1,60}["”`*]+:?[ ]
              (?:means|is\ (?:an?|the)\ (?:word|term|type|kind))\b""",
    ),
    _cue(
        _A, InsightKind.RECOMMENDATION,
        r"""\b(?:i|we|it\ is|is|are|strongly|highly)\ (?:would\ )?
              (?:recommend(?:ed)?|advis(?:e|able))\b
        |\bi\ (?:would\ )?suggest\b|\bbest\ practices?\b|\bit\ (?:is|would\ be)\ (?:best|better|wise
        |advisable|preferable)\b
        |\b(?:you|teams?|companies|organi[sz]ations?|users|developers|we|one)\ should
              \ (?!be\ able)
        |\bshould\ consider\b|^[\W\d]*\bconsider\ (?:using|adding|\w+ing)\b
        |\bcould\ (?:have\ )?(?:be\ |been\ )?improved?\b
        |\ba\ (?:better|more\ efficient|safer|simpler)
              \ (?:approach|way|option|choice|solution)\b""",
    ),
    _cue(
        _A, InsightKind.RISK,
        r"""\b(?:risks?|drawbacks?|downsides?|limitations?|caveats?|dangers?)\b|\bvulnerab|\bdangerous\b
        |\b(?:may|might|can|could|will)\ (?:also\ )?fail\b|\bprone\ to\b
        |\b(?:made|makes|contains?|has)\ (?:an?|the|several|some)\ (?:\w+\ )?
              (?:mistakes?|errors?|flaw)
        |\b(?:is|are|was)\ (?:in(?:correct|accurate|complete)|wrong|flawed)\b""",
    ),
    _cue(
        _A, InsightKind.COMPARISON,
        r"""\bcompared\ (?:to|with)\b|\bwhereas\b|^[\W\d]*\bunlike\b|\bin\ contrast\b
        |\bversus\b|\bvs\b
        |\btrade-?\ ?offs?\b|\bat\ the\ (?:cost|expense)\ of\b
        |\b(?:faster|slower|cheaper|simpler|safer|better|worse|stronger|weaker|larger|smaller|higher
        |lower|easier|harder|(?:more|less)\ (?!than)\w+)\ than\b""",
    ),
    _cue(
        _C, InsightKind.IDEA,
        r"""\b(?:another|one|an?\ alternative|a\ different)\ (?:\w+\ )?
              (?:idea|option|approach|way|concept)\b
        |^[\W\d]*\b(?:idea|concept)\b[^:\n]{0,20}:|^[\W\d]*\bimagine\ (?:an?|the|that|if)\b
        |^[\W\d]*\balternatively\b|\b(?:analogy|analogous\ to|metaphor(?:ically)?)\b
        |\bthink\ of\ (?:\w+\ ){1,5}(?:as|like)\ an?\b
        |\b(?:is|are|acts?|works?)\ (?:a\ bit\ |much\ |just\ |rather\ )?like\ (?:an?|the)\b
        |\brhyme\ schemes?\b|\bsyllables?\b|\biambic\b|\bstanzas?\b|\binspired\ by\b""",
    ),
    _cue(
        _A, InsightKind.FINDING,
        r"""\b(?:shows?|indicates?|suggests?|reveals?|demonstrates?)\ (?:that|an?|the|how)\b
        |\b(?:we|they|study|studies|researchers|analysis)\ (?:have\ )?found\ (?:that|an?|no)\b
        |\bevidence\ (?:that|of|for|suggests)\b|\bon\ average\b|\bcorrelate[sd]\b|^[\W\d]*\boverall,
        |\b(?:in|de)creased\ (?:by|from|to)\b
        |\d\ ?(?:%|percent)\ (?:of\ (?:all|people|users|respondents)\b|(?:more|less|fewer)\ likely)
        |\b(?:response|answer|solution|code|explanation|translation)\ is\ (?:\w+\ )?
        (?:correct|accurate|clear|helpful|relevant)""",
    ),
    _cue(
        _R, InsightKind.CONCLUSION,
        r"""^[\W\d]*\b(?:so|therefore|thus|hence|consequently|in\ conclusion|in\ summary
        |as\ a\ result|to\ conclude|it\ follows|this\ (?:means|implies|shows)
        |which\ (?:means|implies))\b
              (?!\ (?:that\ )?(?:let|we\ (?:need|have|must|can\ (?:write|use|find|set|solve))))
        |,\ (?:so|therefore|thus|hence)\b
        |\b(?:therefore|consequently|it\ follows\ that|we\ (?:can\ )?conclude)\b""",
    ),
    _cue(
        _R, InsightKind.CLAIM,
        r"""\bbecause\b|^[\W\d]*\bsince\b|,\ since\b|\bdue\ to\b|\bimplies\b|^[\W\d]*\bgiven\ that\b
        |\bthe\ reason\b|\bcaused\ by\b|\bleads?\ to\b""",
    ),
    _cue(
        _R, InsightKind.STEP,
        r"""\bcombining\b|\beliminat(?:e|es|ed|ing)\b|\brules?\ out\b|\bcontradict(?:s|ion)\b
        |\bonly\ (?:remaining|possible|option|way|one|choice)\b""",
    ),
)  # fmt: skip

_DONE: Final = r"""(?:always\ |never\ |only\ )?(?:required|mandatory|forbidden|prohibited
    |not\ allowed|reserved\ for|written|formatted|spelled|spelt|abbreviated|encoded|prefixed
    |suffixed|preceded|followed\ by|separated\ by|joined|sorted|numbered|named|called|routed
    |assigned|sent\ to|stored\ (?:in|as|under)|capitalized|marked|tagged|labell?ed|rounded
    |counted\ as|handled\ by|replaced\ (?:by|with)|measured\ in)"""
_BEFORE_TALE: Final = "".join(
    rf"(?<!{said}\ {{0}})" for said in ("almost", "have", "has", "['’]ve", "['’]s", "there\\ is")
)
"""What stands before "always" or "never" where these tell what has been."""
NORM: Final = re.compile(
    rf"""(?<![a-z0-9_])(?:
      must(?:\ not|n't|n’t)?|(?<!we\ )shall(?:\ not)?|should(?:\ not|n't|n’t)?
    |may\ (?:only|not)|always{_BEFORE_TALE.format("always")}|never{_BEFORE_TALE.format("never")}
    |ha(?:s|ve)\ to\ be|has\ the\ form|cannot\ be|only\ (?:if|when|for)
    |needs?\ to\ (?:be|respect|follow|come|precede|agree|match|start|end)\b
    |(?:is|are|gets?|be)\ {_DONE}
    |starts?\ (?:with|in)|begins?\ (?:with|in)|ends?\ (?:with|in)|consists?\ of|stands?\ for
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
        |end|begin|keep|place)\b[^.\n]{1,120}
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
_EXAMPLE: Final = re.compile(
    r"\b(?:e\.g|(?:eg|ex|example|instance)\b|(?:so|thus),? [\"“`])|, so \S"
)
_ANSWER: Final = re.compile(r"\b(?:answers?|choice|option|solution)\b")

_FIRST_CUE: Final = 4
RULE, OUTPUT, EXAMPLE, ANSWER = (1 << bit for bit in range(_FIRST_CUE))
"""Hints that a sentence is a rule, pairs an input with its output, announces an example, or names
an answer. A sentence without the hint is none; one with it may be."""
CLAIM: Final = ((1 << len(CUES)) - 1) << _FIRST_CUE
"""The hints of all rows of the table."""


def hints(lower: str) -> list[tuple[int, int]]:
    """Where a text in lower case holds hints, and which: in order, several hints as one number."""
    return _literals().find(lower)


def classify(lower: str, hinted: int) -> Cue | None:
    """The row that claims a sentence, given in lower case with its hints, if one does."""
    for cue in _rows(hinted & CLAIM):
        if cue.pattern.search(lower):
            return cue
    return None


@cache
def _literals() -> Literals:
    rows = {1 << (_FIRST_CUE + row): [cue.pattern] for row, cue in enumerate(CUES)}
    return Literals(
        {
            RULE: [NORM, ORDER],
            OUTPUT: [GIVES, WOULD_BE],
            EXAMPLE: [_EXAMPLE],
            ANSWER: [_ANSWER],
            **rows,
        }
    )


@lru_cache(maxsize=4096)
def _rows(hinted: int) -> tuple[Cue, ...]:
    return tuple(cue for row, cue in enumerate(CUES) if hinted >> (_FIRST_CUE + row) & 1)


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
    "(?:rule|convention|policy|format|syntax|requirement|constraint|guideline|naming|standard)s?"
)
"""Labels of a rule, as an expression."""


TALE_WORDS: Final = frozenset("felt he her him his i me my she".split())
"""Words of a story or of talk about the answer, not of a rule."""

PAST_WORDS: Final = frozenset("did had was were".split())
"""With one of these ``must`` or ``always`` tells of what has been."""
