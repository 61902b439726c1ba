"""Words and phrases that show what a sentence does: one table, read from the top.

The first row that fits a sentence claims it, so no sentence is found twice. Rules, examples and
final answers come before this table: see :mod:`crossmodel.extraction.rules`.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match
# ruff: noqa: SIM905 - a list of words reads best as text

from __future__ import annotations

import re
from typing import Final, NamedTuple

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.categories import SECTION_WORDS

_R, _C, _A = InsightType.REASONING, InsightType.CREATIVITY, InsightType.ANALYSIS
_CODE, _MATH, _L = InsightType.CODING, InsightType.MATH, InsightType.LANGUAGE


class Cue(NamedTuple):
    """A sentence in lower case with one of ``words`` that fits ``pattern`` is of this sort."""

    insight_type: InsightType
    kind: InsightKind
    words: frozenset[str]
    pattern: re.Pattern[str]


def _cue(insight_type: InsightType, kind: InsightKind, words: str, pattern: str) -> Cue:
    return Cue(insight_type, kind, frozenset(words.split()), re.compile(pattern, re.VERBOSE))


CUES: Final = (
    _cue(
        _CODE, InsightKind.CLAIM, "complexity o runtime invariant invariants",
        r"""\binvariants?\b|\b(?:time|space)\ complexity\b
        |\bo\([^()\n]{1,40}(?:\([^()\n]{0,20}\))?[^()\n]{0,20}\)""",
    ),
    _cue(
        _CODE, InsightKind.RISK,
        "edge off pitfall pitfalls raises raise throws overflow deadlock race leak loop recursion"
        " undefined null none exception exceptions injection",
        r"""\bedge\ cases?\b|\boff-by-one\b|\bpitfalls?\b
        |\braises?\ (?:an?\ )?`?\w*(?:error|exception)
        |\bthrows?\ (?:an?\ )?`?\w*(?:error|exception)|\b(?:integer|stack|buffer)\ overflow\b
        |\bdeadlocks?\b|\brace\ condition|\bmemory\ leak|\binfinite\ (?:loop|recursion)
        |\bundefined\ behaviou?r|\bnull\ (?:pointer|reference)|\b(?:sql|code|command)\ injection""",
    ),
    _cue(
        _L, InsightKind.TRANSLATION, "translates translation translated means french german spanish"
        " italian latin japanese chinese english dutch portuguese russian arabic hindi korean",
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
        "theorem formula formulas law laws identity method principle inequality lemma algorithm"
        " equation rule",
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
        _MATH, InsightKind.DEFINITION, "let denote denotes denoted where",
        r"""^[\W\d]*(?:so\ |now,?\ )?let\ (?!us\b|me\b|'s\b)[`$\\(]{0,3}\w{1,20}\W{0,4}\ ?
              (?:be|denote|=|represent)
        |\bdenote[sd]?\b|\bwhere\ \$?\w\$?\ is\ the\b""",
    ),
    _cue(
        _L, InsightKind.DEFINITION, "defined refers term means known called",
        r"""\b(?:is|are)\ defined\ as\b|\brefers?\ to\ (?:an?|the|any|how|when|what)\b
        |\bis\ a\ term\b|\b(?:is|are)\ (?:also\ |commonly\ )?known\ as\b
        |^[\W\d]*["“`*][^"”`*\n]{1,60}["”`*]+:?[ ]
              (?:means|is\ (?:an?|the)\ (?:word|term|type|kind))\b""",
    ),
    _cue(
        _A, InsightKind.RECOMMENDATION,
        "recommend recommended recommends suggest advise advisable consider best better prefer"
        " preferable should could",
        r"""\b(?:i|we|it\ is|is|are|strongly|highly)\ (?:would\ )?
              (?:recommend(?:ed)?|advis(?:e|able))\b
        |\bi\ (?:would\ )?suggest\b|\bbest\ practices?\b|\bit\ (?:is|would\ be)\ (?:best|better|wise
        |advisable|preferable)\b
        |\b(?:you|teams?|companies|organi[sz]ations?|users|developers|we|one)\ should
              \ (?!be\ able)
        |\bshould\ consider\b|^[\W\d]*consider\ (?:using|adding|\w+ing)\b
        |\bcould\ (?:have\ )?(?:be\ |been\ )?improved?\b
        |\ba\ (?:better|more\ efficient|safer|simpler)
              \ (?:approach|way|option|choice|solution)\b""",
    ),
    _cue(
        _A, InsightKind.RISK,
        "risk risks drawback drawbacks downside limitation limitations caveat vulnerable danger"
        " dangerous fails fail fragile mistake error incorrect however inaccurate",
        r"""\b(?:risks?|drawbacks?|downsides?|limitations?|caveats?|dangers?)\b|\bvulnerab|\bdangerous\b
        |\b(?:may|might|can|could|will)\ (?:also\ )?fail\b|\bprone\ to\b
        |\b(?:made|makes|contains?|has)\ (?:an?|the|several|some)\ (?:\w+\ )?
              (?:mistakes?|errors?|flaw)
        |\b(?:is|are|was)\ (?:in(?:correct|accurate|complete)|wrong|flawed)\b""",
    ),
    _cue(
        _A, InsightKind.COMPARISON,
        "compared whereas unlike contrast versus vs than trade tradeoff tradeoffs cost expense",
        r"""\bcompared\ (?:to|with)\b|\bwhereas\b|^[\W\d]*unlike\b|\bin\ contrast\b
        |\bversus\b|\bvs\b
        |\btrade-?\ ?offs?\b|\bat\ the\ (?:cost|expense)\ of\b
        |\b(?:faster|slower|cheaper|simpler|safer|better|worse|stronger|weaker|larger|smaller|higher
        |lower|easier|harder|(?:more|less)\ (?!than)\w+)\ than\b""",
    ),
    _cue(
        _C, InsightKind.IDEA,
        "idea ideas imagine alternatively alternative analogy analogous metaphor metaphorically"
        " think concept inspired reminiscent like rhyme syllables stanzas iambic",
        r"""\b(?:another|one|an?\ alternative|a\ different)\ (?:\w+\ )?
              (?:idea|option|approach|way|concept)\b
        |^[\W\d]*(?:idea|concept)\b[^:\n]{0,20}:|^[\W\d]*imagine\ (?:an?|the|that|if)\b
        |^[\W\d]*alternatively\b|\b(?:analogy|analogous\ to|metaphor(?:ically)?)\b
        |\bthink\ of\ (?:\w+\ ){1,5}(?:as|like)\ an?\b
        |\b(?:is|are|acts?|works?)\ (?:a\ bit\ |much\ |just\ |rather\ )?like\ (?:an?|the)\b
        |\brhyme\ schemes?\b|\bsyllables?\b|\biambic\b|\bstanzas?\b|\binspired\ by\b""",
    ),
    _cue(
        _A, InsightKind.FINDING,
        "shows show indicates indicate suggests reveals reveal found evidence demonstrates overall"
        " average percent correlates increased decreased effective correct accurate",
        r"""\b(?:shows?|indicates?|suggests?|reveals?|demonstrates?)\ (?:that|an?|the|how)\b
        |\b(?:we|they|study|studies|researchers|analysis)\ (?:have\ )?found\ (?:that|an?|no)\b
        |\bevidence\ (?:that|of|for|suggests)\b|\bon\ average\b|\bcorrelat|^[\W\d]*overall,
        |\b(?:in|de)creased\ (?:by|from|to)\b|\d\ ?(?:%|percent)\ (?:of\ (?:the|all|students|people
        |users|respondents)|more|less|fewer|higher|lower)\b
        |\b(?:response|answer|solution|code|explanation|translation)\ is\ (?:\w+\ )?
        (?:correct|accurate|clear|helpful|relevant)""",
    ),
    _cue(
        _R, InsightKind.CONCLUSION,
        "so therefore thus hence consequently conclusion conclude follows summary means implies",
        r"""^[\W\d]*(?:so|therefore|thus|hence|consequently|in\ conclusion|in\ summary|as\ a\ result
        |to\ conclude|it\ follows|this\ (?:means|implies|shows)
        |which\ (?:means|implies))\b
              (?!\ (?:that\ )?(?:let|we\ (?:need|have|must|can\ (?:write|use|find|set|solve))))
        |,\ (?:so|therefore|thus|hence)\b
        |\b(?:therefore|consequently|it\ follows\ that|we\ (?:can\ )?conclude)\b""",
    ),
    _cue(
        _R, InsightKind.CLAIM, "because since due implies given causes caused reason leads",
        r"""\bbecause\b|^[\W\d]*since\b|,\ since\b|\bdue\ to\b|\bimplies\b|^[\W\d]*given\ that\b
        |\bthe\ reason\b|\bcaused\ by\b|\b(?:leads?|leading)\ to\b""",
    ),
    _cue(
        _R, InsightKind.STEP, "combining eliminate eliminates rules contradiction contradicts only",
        r"""\bcombining\b|\beliminat(?:e|es|ed|ing)\b|\brules?\ out\b|\bcontradict(?:s|ion)\b
        |\bonly\ (?:remaining|possible|option|way|one|choice)\b""",
    ),
)  # fmt: skip

RULE_WORDS: Final = frozenset(
    """abbreviated always append avoid begin begins called cannot capitalized code codes consists
    convention defaults denotes don encoded end ends followed format formatted forbidden
    goes go has have instead lowercase lower map maps mapped may means must name named naming need
    needs never numbered only order pattern policy preceded prefer prefix prefixed put receive
    receives required requires reserved round route routed rule rules send sent separated shall
    should sorted spelled stand stands start starts stored store suffix suffixed syntax take takes
    template uppercase upper use used uses write written assigned assign gets get becomes gives
    yields returns example instance would words letters prefixes suffixes names values labels tags
    levels units abbreviate capitalize format say spell call run""".split()
)
"""A sentence without one of these words is no rule, and no example in words."""

GIVES_WORDS: Final = frozenset(
    """abbreviated become becomes converted encoded evaluates formatted gets give gives map mapped
    maps output outputs print prints produce produces rendered result results return returns spelled
    spelt then translated turn turns will would written yield yields""".split()
)
"""A sentence without one of these words gives no output for an input."""

EXAMPLE_WORDS: Final = frozenset("eg ex example g instance so thus".split())
"""A sentence without one of these words announces no example."""

RULE_LABEL_WORDS: Final = frozenset(
    """constraint constraints convention conventions format formats guideline guidelines naming
    policy requirement requirements rule rules standard standards syntax""".split()
)
"""A sentence without one of these words is not labelled as a rule."""

ANSWER_WORDS: Final = frozenset({"answer", "answers", "choice", "option", "solution"})
"""A sentence without one of these words names no final answer."""

LANGUAGES: Final = frozenset(
    {
        "arabic", "chinese", "dutch", "english", "french", "german", "hindi", "italian", "japanese",
        "korean", "latin", "portuguese", "russian", "spanish",
    }
)  # fmt: skip

CUE_WORDS: Final = RULE_WORDS.union(
    GIVES_WORDS - {"then", "will"},
    RULE_LABEL_WORDS,
    SECTION_WORDS,
    ANSWER_WORDS,
    *(cue.words for cue in CUES),
)
"""Sentences without any of these words are not looked at, unless a mark stands in them."""


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

FIRST_LABEL_WORDS: Final = frozenset(word for label in LABEL_PAIRS for word in label.split())
TALE_WORDS: Final = frozenset("felt he her him his i me my she".split())
"""Words of a story or of talk about the answer, not of a rule."""

PAST_WORDS: Final = frozenset("did had was were".split())
"""With one of these ``must`` or ``always`` tells of what has been."""

VOCABULARY: Final = CUE_WORDS.union(
    GIVES_WORDS, EXAMPLE_WORDS, LANGUAGES, FIRST_LABEL_WORDS, TALE_WORDS, PAST_WORDS, {"final"}
)
"""The words that anybody looks for in a sentence."""


_ROWS_OF: Final = {
    word: tuple(row for row, cue in enumerate(CUES) if word in cue.words)
    for word in frozenset[str]().union(*(cue.words for cue in CUES))
}
CLAIM_WORDS: Final = frozenset(_ROWS_OF)
"""A sentence without one of these words fits no row."""


def classify(lower: str, words: frozenset[str]) -> Cue | None:
    """The row that claims a sentence, given in lower case, if one does."""
    rows = {row for word in words if word in _ROWS_OF for row in _ROWS_OF[word]}
    for row in sorted(rows):
        if CUES[row].pattern.search(lower):
            return CUES[row]
    return None
