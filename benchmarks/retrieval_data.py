"""Made-up insights for ``benchmarks/retrieval.py``: words as common as in life, near topics.

The words are those of the standard library's own source, as common as they are there (Zipf's law
holds of them), and a long tail of order numbers. Topics stand in families that share half of their
words; every insight is of one topic, and there are 40 of each.
"""

from __future__ import annotations

import itertools
import random
import re
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PER_TOPIC = 40
TOPICS_PER_FAMILY = 20
OWN_WORDS = 8


@dataclass(frozen=True, slots=True)
class Made:
    """One made-up insight."""

    scope: str
    content: str
    topic: int


class Corpus:
    """Insights and questions, the same ones for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - made-up data
        counts: Counter[str] = Counter()
        for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
            counts.update(re.findall(r"[a-z]{2,15}", file.read_text("utf-8", "replace").lower()))
        ranked = counts.most_common()
        self._words = [word for word, _ in ranked]
        self._weights = list(itertools.accumulate(count for _, count in ranked))
        self._telling = self._words[150:8_000]
        self._families: list[list[str]] = []
        self._topics: list[list[str]] = []

    def insights(self, count: int) -> Iterator[Made]:
        """``count`` insights."""
        for number in range(count):
            topic = number // PER_TOPIC
            if topic == len(self._topics):
                self._add_topic(topic)
            yield self._insight(topic)

    def question(self, about: Made) -> str:
        """What the insight might answer: some of its words, and some of its topic."""
        rng = self._rng
        words = about.content.split()
        start = rng.randrange(max(1, len(words) // 2))
        quoted = [word for word in words[start:] if rng.random() < 0.5]  # noqa: PLR2004 - half
        others = rng.sample(self._topics[about.topic], 2)
        return " ".join(["what is the", *quoted, "of", *others, "in", about.scope.split()[0]])

    def _add_topic(self, topic: int) -> None:
        rng = self._rng
        if topic % TOPICS_PER_FAMILY == 0:
            self._families.append(rng.sample(self._telling, OWN_WORDS))
        shared = rng.sample(self._families[-1], OWN_WORDS // 2)
        self._topics.append(shared + rng.sample(self._telling, OWN_WORDS // 2))

    def _insight(self, topic: int) -> Made:
        rng = self._rng
        own = self._topics[topic]
        length = rng.randrange(8, 26)
        words = rng.choices(self._words, cum_weights=self._weights, k=length)
        for place in range(length):
            chance = rng.random()
            if chance < 0.4:  # noqa: PLR2004 - the share of the topic's own words
                words[place] = rng.choice(own)
            elif chance < 0.45:  # noqa: PLR2004 - and of numbers
                words[place] = f"{rng.choice(own)[:2].upper()}-{rng.randrange(10_000)}"
        return Made(" ".join(own[:2]), " ".join(words), topic)
