"""Client keys: make one, see what there are, take one away.

Those of the settings file are shown too, and changed there. All of it counts from the next request
on, without a restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from crossmodel.domain.client_key import MOST_PER_MINUTE, ClientKey
from crossmodel.domain.period import utc_now
from crossmodel.errors import InvalidInputError, NotFoundError, StoreConflictError
from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.operation import Answer, Nothing, Operation
from crossmodel.gateway.control.parameters import (
    PRINTABLE,
    Body,
    Limit,
    Name,
    Offset,
    Parameters,
    View,
)
from crossmodel.gateway.keys import create_key

PATH: Final = "/admin/v1/keys"

Title = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=PRINTABLE,
        description="Printable, without spaces around it.",
    ),
]
Count = Annotated[int, Meta(ge=1, le=MOST_PER_MINUTE)]
Usd = Annotated[float, Meta(ge=0)]


class NewKey(Body):
    """A key to be made: what it is called, and what it may do. What is left out has no limit.

    ``models`` are ids of configured models; empty for all. ``burst`` needs
    ``requests_per_minute``.
    """

    name: Title
    tenant: Title | UnsetType = UNSET
    models: Annotated[tuple[Name, ...], Meta(max_length=200)] = ()
    requests_per_minute: Count | UnsetType = UNSET
    tokens_per_minute: Count | UnsetType = UNSET
    burst: Count | UnsetType = UNSET
    concurrent: Count | UnsetType = UNSET
    daily_budget: Usd | UnsetType = UNSET
    monthly_budget: Usd | UnsetType = UNSET
    expires_at: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET


class KeyView(View):
    """A client key without the key itself. Those of the settings file are changed there."""

    name: str
    source: Literal["settings", "store"]
    valid: bool
    tenant: str
    models: list[str]
    requests_per_minute: int | None
    tokens_per_minute: int | None
    burst: int | None
    concurrent: int | None
    daily_budget: float | None
    monthly_budget: float | None
    expires_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None


class CreatedKeyView(View):
    """A new key, and the clear key for its client: it is shown this once and kept nowhere."""

    key: KeyView
    clear: str


class KeyPage(View):
    """Keys, those of the settings first; ``next_offset`` is that of the next page, if any."""

    items: list[KeyView]
    next_offset: int | None


class KeyPageParams(Parameters):
    """Which page."""

    limit: Limit = 50
    offset: Offset = 0


class KeyParams(Parameters):
    """Which key."""

    name: Name


async def list_keys(control: Control, params: KeyPageParams, _body: None) -> KeyPage:
    """One page of them."""
    keys, kept = control.keyring.keys, await _kept(control)
    end = params.offset + params.limit
    return KeyPage(
        items=[_view(key, is_kept=key.name in kept) for key in keys[params.offset : end]],
        next_offset=end if end < len(keys) else None,
    )


async def create(control: Control, _params: Nothing, body: NewKey) -> CreatedKeyView:
    """Make one, keep its hash, and take it from the next request on."""
    _check_models(control, body.models)
    limits = {
        name: value
        for name in NewKey.__struct_fields__
        if name not in {"name", "models"} and (value := getattr(body, name)) is not UNSET
    }
    if "expires_at" in limits:
        limits["expires_at"] = _in_utc(limits["expires_at"])
    limits.setdefault("tenant", control.cm.settings.loop.tenant)
    created = create_key(body.name, models=body.models, **limits)
    key = created.key
    async with control.changing:
        if any(known.name == key.name for known in control.keyring.keys):
            raise StoreConflictError(
                f"there is, or was, a client key {key.name!r}: take another name"
            )
        await control.cm.engine.store.transact(lambda tx: tx.put_client_key(key))
        control.keyring.add(key)
        control.cm.engine.selector.cost_optimizer.set_key_budgets(key.name, key.budgets)
    return CreatedKeyView(key=_view(key, is_kept=True), clear=created.clear)


async def revoke(control: Control, params: KeyParams, _body: None) -> KeyView:
    """Refuse it from now on, for good."""
    async with control.changing:
        if params.name not in await _kept(control):
            if any(key.name == params.name for key in control.keyring.keys):
                raise StoreConflictError(
                    f"client key {params.name!r} is in the settings file: take it out there, and "
                    "reload"
                )
            raise NotFoundError(f"there is no client key {params.name!r}")
        now = utc_now()
        key = await control.cm.engine.store.transact(
            lambda tx: tx.revoke_client_key(params.name, now)
        )
        control.keyring.revoke(params.name, key.revoked_at)
    return _view(key, is_kept=True)


async def _kept(control: Control) -> set[str]:
    """The names of the keys in the store."""
    keys = await control.cm.engine.store.read(lambda tx: tx.client_keys())
    return {key.name for key in keys}


def _check_models(control: Control, models: Sequence[str]) -> None:
    known = {model.spec.id for model in control.operations.models()}
    if unknown := [model for model in models if model not in known]:
        raise InvalidInputError(f"models: there is no model {unknown[0]!r}")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInputError("expires_at lies outside of the years 1 to 9999 in UTC") from None


def _view(key: ClientKey, *, is_kept: bool) -> KeyView:
    return KeyView(
        name=key.name,
        source="store" if is_kept else "settings",
        valid=key.is_valid(utc_now()),
        tenant=key.tenant,
        models=list(key.models),
        requests_per_minute=key.requests_per_minute,
        tokens_per_minute=key.tokens_per_minute,
        burst=key.burst,
        concurrent=key.concurrent,
        daily_budget=key.daily_budget,
        monthly_budget=key.monthly_budget,
        expires_at=key.expires_at,
        created_at=key.created_at,
        revoked_at=key.revoked_at,
    )


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "GET",
        PATH,
        "listKeys",
        "The client keys and what they may do; never the keys themselves.",
        list_keys,
        KeyPageParams,
        [Answer(200, "A page of keys.", KeyPage)],
    ),
    Operation(
        "POST",
        PATH,
        "createKey",
        "Make a client key. The clear key is shown this once.",
        create,
        Nothing,
        [Answer(201, "The new key.", CreatedKeyView)],
        body=NewKey,
        refusals=(409,),
    ),
    Operation(
        "DELETE",
        PATH + "/{name}",
        "revokeKey",
        "Refuse a client key from now on, for good; its name is never used again.",
        revoke,
        KeyParams,
        [Answer(200, "The key as it is now.", KeyView)],
        refusals=(409,),
    ),
)
