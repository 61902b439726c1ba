"""The answer again: only a model that takes a seed can be asked twice and say the same."""

from __future__ import annotations

from crossmodel.domain.answer import Ask
from crossmodel.domain.completion import Completion, CompletionRequest
from crossmodel.domain.replay import Part, ReplayedPart
from crossmodel.domain.transfer import TransferResult
from crossmodel.inputs import RecordedInputs
from crossmodel.replay.outcome import NotReplayableError, different, same
from crossmodel.replay.packing import recorded_transfer
from crossmodel.replay.records import Record
from crossmodel.transfer import InsightTransfer


def request_again(
    ask: Ask,
    model_id: str,
    transfer: Record | None,
    inputs: RecordedInputs,
    present: InsightTransfer,
) -> CompletionRequest:
    """What the model was sent.

    Raises:
        NotReplayableError: if the context that it was given has been erased.
    """
    messages = ask.messages
    if transfer is not None and transfer.predicate["success"]:
        context = transfer.value("context")
        if context is None:
            raise NotReplayableError("the context that the model was given has been erased")
        protocol = str(transfer.predicate["protocol"])
        given = TransferResult(
            success=True, context=context.decode("utf-8", "surrogatepass"), protocol=protocol
        )
        stage = recorded_transfer(model_id, protocol, inputs, present)
        messages = stage.place(messages, given, model_id)
    model = inputs.settings.models.get(model_id)
    return CompletionRequest(
        model=model.name if model else model_id,
        messages=messages,
        max_tokens=ask.max_tokens,
        temperature=ask.temperature,
        seed=ask.seed,
    )


def compare_answer(record: Record, again: Completion) -> ReplayedPart:
    """Compare what the model says now with what the log says that it said."""
    if record.commits_to("answer", again.text):
        return same(Part.ANSWER, f"the text of record {record.leaf}")
    served = record.predicate["served_model"]
    details = [f"answer: it is not that of record {record.leaf}"]
    if served != again.model:
        details.append(f"served_model: the log says {served!r}, now it is {again.model!r}")
    return different(Part.ANSWER, details)
