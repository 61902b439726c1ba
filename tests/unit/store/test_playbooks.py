"""Playbooks in the store: numbers stay, deltas are checked, tenants do not meet."""

import pytest

from crossmodel.domain.playbook import Add, Playbook, PlaybookItem, Restore, Retire
from crossmodel.errors import InvalidInputError, NotFoundError
from crossmodel.store import open_store


@pytest.fixture
async def store(store_url):
    opened = await open_store(store_url)
    yield opened
    await opened.close()


async def edit(store, topic, *deltas, tenant="t"):
    await store.transact(lambda tx: tx.edit_playbook(tenant, topic, deltas))
    return await store.read(lambda tx: tx.playbook(tenant, topic))


async def test_numbers_never_change_and_are_never_given_again(store):
    await edit(store, "tags", Add("a"), Add("b"), Retire("b", "wrong"))
    book = await edit(store, "tags", Add("c"), Retire("a", "old"), Restore("b"))
    assert book == Playbook(
        "tags", (PlaybookItem(1, "a", "old"), PlaybookItem(2, "b"), PlaybookItem(3, "c"))
    )
    assert [book.name(item) for item in book.active] == ["tags-2", "tags-3"]
    assert await edit(store, "tags") == book


async def test_topics_and_tenants_are_kept_apart(store):
    await edit(store, "tags", Add("a"), Add("b"), Retire("a", "x"))
    await edit(store, "codes", Add("a"), Retire("a", "x"))
    await edit(store, "tags", Add("a"), tenant="u")
    assert await store.read(lambda tx: tx.playbook_topics("t")) == {"codes": 0, "tags": 1}
    assert await store.read(lambda tx: tx.playbook_topics("u")) == {"tags": 1}
    assert await store.read(lambda tx: tx.playbook_topics("v")) == {}
    assert await store.read(lambda tx: tx.playbook("v", "tags")) == Playbook("tags")


@pytest.mark.parametrize(
    ("delta", "error", "why"),
    [
        (Add("a"), InvalidInputError, "item 1 of playbook 'tags' already: restore"),
        (Retire("z", "x"), NotFoundError, "no item for insight 'z'"),
        (Restore("z"), NotFoundError, "no item for insight 'z'"),
    ],
)
async def test_a_delta_that_does_not_fit_changes_nothing(store, delta, error, why):
    before = await edit(store, "tags", Add("a"))
    with pytest.raises(error, match=why):
        await edit(store, "tags", Add("b"), delta)
    assert await edit(store, "tags") == before


async def test_many_items_are_read_whole(store):
    book = await edit(store, "tags", *(Add(f"i{n}") for n in range(1200)))
    assert [item.number for item in book.items] == list(range(1, 1201))
