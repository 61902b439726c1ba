"""The context again: the insights that were handed over, written as they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crossmodel.domain.insight import Insight
from crossmodel.domain.replay import Part, ReplayedPart
from crossmodel.domain.transfer import Arm, TransferTarget, utf8_bytes
from crossmodel.errors import CrossModelError, VerificationError
from crossmodel.inputs import RecordedInputs, TargetState, class_of
from crossmodel.ports import Transaction
from crossmodel.replay.outcome import NotReplayableError, different, same
from crossmodel.replay.records import LogReader, Record
from crossmodel.transfer import PLAYBOOK, InsightTransfer
from crossmodel.transfer.packing import place_in_source
from crossmodel.transfer.padding import padded
from crossmodel.transfer.playbook import for_question


def handed_over(tx: Transaction, reader: LogReader, tenant: str, record: Record) -> list[Insight]:
    """The insights of a transfer, in the order of its statement.

    Raises:
        NotReplayableError: if one of them has been erased.
        VerificationError: if one of them is not what was witnessed.
    """
    wanted: list[str] = record.predicate["insights"]
    insights = tx.get_insights(tenant, wanted)
    if gone := sorted(set(wanted) - {insight.id for insight in insights}):
        raise NotReplayableError(f"the insight {gone[0]} that was handed over has been erased")
    for insight in insights:
        said = reader.insight(tenant, insight.id)
        if said is not None and said.commits_to("insight", insight.content) is False:
            raise VerificationError(f"the insight {insight.id} is not what record {said.leaf} says")
    return insights


def replay_packing(
    tx: Transaction,
    record: Record,
    handed: Sequence[Insight],
    inputs: RecordedInputs,
    present: InsightTransfer,
    *,
    tenant: str,
) -> ReplayedPart:
    """Write the context again and compare it with the one that was signed.

    ``present`` lends foreign protocols and tokenizers, of which only the name is recorded.

    Raises:
        NotReplayableError: if something that it takes is not recorded or not here.
    """
    predicate = record.predicate
    model_id, protocol = str(predicate["target_model"]), str(predicate["protocol"])
    transfer, counts = _as_it_was(model_id, protocol, inputs, present)
    if predicate["arm"] == Arm.PADDING:
        context = _padding(transfer, model_id, protocol, int(predicate["tokens"]), counts)
    elif handed:
        insights = _named_items(tx, tenant, handed) if protocol == PLAYBOOK else handed
        context = transfer.write(sorted(insights, key=place_in_source), model_id, protocol)
    else:
        context = ""
    is_same = record.commits_to("context", context)
    if is_same is None:
        raise NotReplayableError("the salt of the context that was handed over has been erased")
    if not is_same and protocol == PLAYBOOK:
        raise NotReplayableError(
            "a playbook is written by the counters and places of its items then, which are not "
            "recorded"
        )
    if not is_same:
        return different(Part.PACKING, [f"context: it is not that of record {record.leaf}"])
    if counts is not None and counts(context) != predicate["tokens"]:
        tokens = f"tokens: the log says {predicate['tokens']}, now they are {counts(context)}"
        return different(Part.PACKING, [tokens])
    compared = "context" if counts is None else "context and tokens"
    return same(Part.PACKING, f"{compared} of record {record.leaf}")


def recorded_target(model_id: str, inputs: RecordedInputs) -> TransferTarget:
    """What was known of a model, without its tokenizer.

    Raises:
        NotReplayableError: if nothing was.
    """
    state = _state(model_id, inputs)
    return TransferTarget(
        model_id,
        token_budget=state.token_budget,
        protocol=state.protocol,
        follows_system_prompt=state.follows_system_prompt,
        prefers=state.prefers,
    )


def recorded_transfer(
    model_id: str, protocol: str, inputs: RecordedInputs, present: InsightTransfer
) -> InsightTransfer:
    """Transfer as it was, as far as writing and placing a context take it.

    Raises:
        NotReplayableError: if the protocol's code is not here.
    """
    transfer = InsightTransfer()
    transfer.register_target(recorded_target(model_id, inputs))
    said = inputs.settings.protocols.get(protocol)
    if said is not None and class_of(transfer.protocols.get(protocol)) != said:
        theirs = present.protocols.get(protocol)
        if theirs is None or class_of(theirs) != said:
            raise NotReplayableError(f"the protocol {protocol!r} was {said}, which is not here")
        transfer.register_protocol(protocol, theirs)
    return transfer


def _as_it_was(
    model_id: str, protocol: str, inputs: RecordedInputs, present: InsightTransfer
) -> tuple[InsightTransfer, Callable[[str], int] | None]:
    """Transfer as it was, and how it counted tokens, where that can be known here."""
    transfer = recorded_transfer(model_id, protocol, inputs, present)
    if not _state(model_id, inputs).tokenizer:
        return transfer, utf8_bytes
    theirs = present.target(model_id).count_tokens
    return transfer, None if theirs is utf8_bytes else theirs


def _state(model_id: str, inputs: RecordedInputs) -> TargetState:
    state = inputs.settings.targets.get(model_id)
    if state is None:
        raise NotReplayableError(f"nothing is recorded of the model {model_id!r}")
    return state


def _padding(
    transfer: InsightTransfer,
    model_id: str,
    protocol: str,
    tokens: int,
    counts: Callable[[str], int] | None,
) -> str:
    if counts is None:
        raise NotReplayableError("padding is measured by the model's own tokenizer: open its model")
    try:
        return padded(tokens, lambda some: transfer.write(some, model_id, protocol), counts)[0]
    except CrossModelError as error:
        raise NotReplayableError(f"the model's tokenizer does not answer: {error}") from error


def _named_items(tx: Transaction, tenant: str, handed: Sequence[Insight]) -> list[Insight]:
    """The insights with the names that they have as items of playbooks."""
    listed = {each.id: each for each in for_question(tx, tenant, handed)}
    return [listed.get(insight.id, insight) for insight in handed]
