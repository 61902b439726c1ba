"""One replay on one snapshot of the store: every part that needs no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from crossmodel import __version__
from crossmodel.domain.answer import Ask
from crossmodel.domain.completion import CompletionRequest
from crossmodel.domain.replay import Part, ReplayedPart, Verdict
from crossmodel.domain.selection import CACHE
from crossmodel.engine import Engine
from crossmodel.errors import InvalidInputError
from crossmodel.inputs import RecordedInputs, read_inputs
from crossmodel.ports import Transaction
from crossmodel.replay.answering import request_again
from crossmodel.replay.choice import OpenRouter, replay_selection
from crossmodel.replay.extracting import compare_insights, extract_again
from crossmodel.replay.outcome import NotReplayableError, different, judged, not_replayable
from crossmodel.replay.packing import handed_over, replay_packing
from crossmodel.replay.records import LogReader, Record, Records
from crossmodel.replay.request import is_relayed, request_of


@dataclass(frozen=True, slots=True)
class Question:
    """What the model was sent, and the record that says what it answered."""

    record: Record
    model_id: str
    request: CompletionRequest


@dataclass(slots=True)
class Run:
    """Replays what the records of one request allow; ``question`` is left to ask, or why not."""

    tx: Transaction
    reader: LogReader
    tenant: str
    records: Records
    engine: Engine
    open_router: OpenRouter
    parts: list[ReplayedPart] = field(default_factory=list)
    question: Question | None = None
    _read: RecordedInputs | None = None

    def all(self) -> None:
        """Replay everything."""
        self._add(Part.SELECTION, self._selection, "", "selection")
        if self.records.transfer is not None:
            self.parts.append(
                not_replayable(
                    Part.CHOOSING,
                    "which insights are found hangs on all that the store held then, which is not "
                    "recorded",
                )
            )
        self._add(Part.PACKING, self._packing, "transfer")
        self._add(Part.EXTRACTION, self._extraction, "insight")
        self._add(Part.ANSWER, self._answer, "outcome")

    def _add(self, part: Part, replay: Callable[[], ReplayedPart | None], *kinds: str) -> None:
        """Add a part; a record that is refused, of one of these kinds, speaks against it."""
        refused = [why for kind in kinds for why in self.records.refused.get(kind, ())]
        found = different(part, refused) if refused else judged(part, replay)
        if found is None:
            return
        version = self._read.version if self._read else __version__
        if found.verdict == Verdict.DIFFERENT and version != __version__:
            said = f"version {version} recorded it, version {__version__} replayed it"
            found = different(part, [*found.details, said])
        self.parts.append(found)

    def _selection(self) -> ReplayedPart:
        record, ask = self._asked()
        context = self.engine.context_of(ask)
        return replay_selection(record, ask, context, self._inputs(), self.open_router)

    def _packing(self) -> ReplayedPart | None:
        record = self.records.transfer
        if record is None:
            return None
        handed = handed_over(self.tx, self.reader, self.tenant, record)
        return replay_packing(
            self.tx, record, handed, self._inputs(), self.engine.transfer, tenant=self.tenant
        )

    def _extraction(self) -> ReplayedPart | None:
        outcome = self.records.outcome
        if outcome is None or not outcome.predicate["success"] or "answer" not in outcome.digests:
            return None
        inputs, model_id = self._inputs(), str(outcome.predicate["model"])
        model = inputs.settings.models.get(model_id)
        is_teacher = model is not None and model.quality >= inputs.settings.teacher_quality
        if not is_teacher and not self.records.insights:
            return None
        if not self.records.insights and is_relayed(self._selected()):
            raise NotReplayableError(
                "the log has no insight of this answer: the gateway learns beside its work, and "
                "only of those that it has time for"
            )
        value = outcome.value("answer")
        if value is None:
            raise NotReplayableError("the answer has been erased")
        answer = value.decode("utf-8", "surrogatepass")
        if not answer.strip():
            return None
        found = extract_again(answer, model_id, self._given(), inputs, self.engine.extractor)
        return compare_insights(
            self.tx,
            self.reader,
            self.tenant,
            found,
            signed=self.records.insights,
            answer=answer,
            before=outcome.leaf,
            assistant=inputs.settings.assistant,
        )

    def _answer(self) -> ReplayedPart | None:
        """Nothing yet where the model can be asked: then there is a question."""
        outcome = self.records.outcome
        if outcome is None:
            return None
        if outcome.predicate["source"] == CACHE:
            return not_replayable(Part.ANSWER, "it came from the cache: no model was asked")
        if not outcome.predicate["success"]:
            return not_replayable(Part.ANSWER, "the model gave no answer")
        _, ask = self._asked()
        if ask.seed is None:
            return not_replayable(Part.ANSWER, "it was asked without a seed")
        if outcome.value("answer") is None:
            return not_replayable(Part.ANSWER, "the answer has been erased")
        model_id, transfer = str(outcome.predicate["model"]), self.records.transfer
        request = request_again(ask, model_id, transfer, self._inputs(), self.engine.transfer)
        self.question = Question(outcome, model_id, request)
        return None

    def _given(self) -> list[str]:
        """The contents of the insights that the model had before it answered."""
        record = self.records.transfer
        if record is None:
            return []
        handed = handed_over(self.tx, self.reader, self.tenant, record)
        return [insight.content for insight in handed]

    def _asked(self) -> tuple[Record, Ask]:
        record = self._selected()
        return record, request_of(record, self.tenant)

    def _selected(self) -> Record:
        record = self.records.selection
        if record is None:
            raise NotReplayableError("the log has no record of its selection that can be believed")
        return record

    def _inputs(self) -> RecordedInputs:
        if self._read is None:
            record = self._selected()
            sha256 = record.predicate["inputs"]
            if sha256 is None:
                raise NotReplayableError("no inputs were recorded with this request")
            try:
                self._read = read_inputs(self.tx, sha256)
            except InvalidInputError as error:
                raise NotReplayableError(str(error)) from error
            if self._read is None:
                raise NotReplayableError(f"the recorded inputs {sha256[:16]}… are not kept")
        return self._read
