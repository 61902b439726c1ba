"""Claims that cannot both hold, and claims that can: pairs labelled by hand, and odd ones.

Every convention is invented; each pair is of one kind. ``FIRST`` are those that the rules were made
with. ``SECOND`` came later: at their first sight 17 of 25 conflicts were found and no false one, and
the rules then learned of unknown verbs, plurals and names of two words.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.text.claims import MAX_CHARACTERS, fact_of
from crossmodel.text.contradiction import contradicts
from crossmodel.text.facts import conflict, same

FIRST_CONFLICTS = [
    # lookups
    ("lookup", "The relay code of Tavor is 47.", "The relay code of Tavor is 12."),
    ("lookup", "The relay code of Tavor is 47.", "Tavor's relay code is 12."),
    ("lookup", "Parcels for Nelvik go through gate Q", "Parcels for Nelvik go through gate R"),
    ("lookup", "Parcels for Nelvik go through gate Q.", "Packages for Nelvik leave by gate R."),
    ("lookup", "Parcels for Nelvik always go through gate Q.", "For Nelvik, use gate R for parcels."),
    ("lookup", "Refunds: queue blue", "Refunds: queue green"),
    ("lookup", "Returns go to desk ORCHID.", "Returns go to desk FALCON."),
    ("lookup", "red | look within 20 minutes", "red | look within 5 minutes"),
    ("lookup", "The locker of the night shift is 8.", "The night shift's locker is 9."),
    ("lookup", "Depot Brenn → bay 4", "Depot Brenn → bay 7"),
    ("lookup", "Visitors from Arvo get badge 3!ARVO.", "Visitors from Arvo get badge ARVO-3."),
    ("lookup", "Alarm 12 means that the belt has stopped.", "Alarm 12 means that the belt has started."),
    # formats
    ("format", "Dates in the ledger are written year.day.", "Dates in the ledger are written year-day."),
    ("format", "A ticket code is TK, a dash and the floor.", "A ticket code is TK, a slash and the floor."),
    ("format", "A branch is named with the team, a tilde and the ticket.", "A branch is named with the ticket, a tilde and the team."),
    ("format", "Amounts are written with a comma before the cents.", "Amounts are written with a dot before the cents."),
    ("format", "Invoice numbers have six digits.", "Invoice numbers have eight digits."),
    ("format", "The check number is written in two digits.", "The check number is written in 3 digits."),
    ("format", "Badge codes are written in upper case.", "Badge codes are written in lower case."),
    ("format", "In the log, the year comes first.", "In the log, the year comes last."),
    # conventions
    ("convention", "Release tags must start with rel-.", "Release tags must start with v-."),
    ("convention", "Closed tickets must end with -done.", "Closed tickets must end with -closed."),
    ("convention", "Indent manifests with two spaces.", "Indent manifests with four spaces."),
    ("convention", "Lists of stops are sorted in ascending order.", "Lists of stops are sorted in descending order."),
    ("convention", "The stocktaking is on Tuesday.", "The stocktaking is on Friday."),
    ("convention", "Name the file `stock.csv` when it is exported.", "Name the file `stock.tsv` when it is exported."),
    ("convention", "Labels of fragile goods are red.", "Labels of fragile goods are yellow."),
    # API
    ("api", "To open a vault, call `vk.open(name)`.", "To open a vault, call `vk.unseal(name)`."),
    ("api", "Use `vk.open(name)` to open a vault.", "A vault is opened with `vk.unseal(name)`."),
    ("api", "Call vk.open(name) to open a vault", "Call vk.unseal(name) to open a vault"),
    ("api", "`timeout` = 5", "`timeout` = 7"),
    ("api", "The flag for dry runs is `--dry`.", "The flag for dry runs is `--pretend`."),
    ("api", "`zput` returns true when the value was stored.", "`zput` returns false when the value was stored."),
    ("api", "Values are stored with `zput`.", "Values are stored with `zset`."),
    ("api", "The default port of the relay is 7070.", "The default port of the relay is 7071."),
    # negation
    ("negation", "Release tags are never deleted.", "Release tags are deleted."),
    ("negation", "A branch name must not hold a date.", "A branch name must hold a date."),
    ("negation", "The name is in quotes.", "The name is not in quotes."),
    ("negation", "Visitors do not need a badge on floor 3.", "Visitors need a badge on floor 3."),
    ("negation", "Vaults can be opened twice.", "Vaults cannot be opened twice."),
    ("negation", "Always close the vault after reading.", "Never close the vault after reading."),
    # numbers and units
    ("number", "The cache keeps keys for 40 minutes.", "The cache keeps keys for 90 minutes."),
    ("number", "The cache keeps keys for 40 minutes.", "The cache keeps keys for 40 seconds."),
    ("number", "A pallet holds at most 18 crates.", "A pallet holds at least 18 crates."),
    ("number", "Retries are limited to three.", "Retries are limited to five."),
    ("number", "The parcel number times seven, modulo 97, is the check number.", "The parcel number times seven, modulo 89, is the check number."),
    # names and directions
    ("name", "The capital of Atlantis is Poseidonis.", "The capital of Atlantis is Meropis."),
    ("name", "Poseidonis is the capital of Atlantis.", "Meropis is the capital of Atlantis."),
    ("name", "The night desk is led by Oda.", "The night desk is led by Ruben."),
    ("name", "The latency increases with the load.", "The latency decreases with the load."),
]  # fmt: skip

FIRST_COMPATIBLE = [
    # other subjects
    ("subject", "The relay code of Tavor is 47.", "The relay code of Mora is 12."),
    ("subject", "The relay code of Tavor is 47.", "The relay code of Mora is 47."),
    ("subject", "Tavor's relay code is 47.", "Tavor's gate code is 12."),
    ("subject", "Relay codes: Tavor 47", "Relay codes: Mora 12"),
    ("subject", "Tavor has relay code 47.", "Mora has relay code 12."),
    ("subject", "Parcels for Nelvik go through gate Q.", "Parcels for Dorn go through gate R."),
    ("subject", "Parcels for Nelvik go through gate Q.", "Letters for Nelvik go through gate R."),
    ("subject", "Use gate Q for Nelvik.", "Use gate R for Dorn."),
    ("subject", "Gate Q serves Nelvik.", "Gate R serves Nelvik."),
    ("subject", "Refunds: queue blue", "Returns: queue green"),
    ("subject", "Returns go to desk ORCHID.", "Invoices go to desk FALCON."),
    ("subject", "red | look within 20 minutes", "amber | look within half a day"),
    ("subject", "Depot Brenn → bay 4", "Depot Sarn → bay 7"),
    ("subject", "Alarm 12 means that the belt has stopped.", "Alarm 13 means that the belt has started."),
    ("subject", "To open a vault, call `vk.open(name)`.", "To close a vault, call `vk.close(name)`."),
    ("subject", "Use `vk.open(name)` to open a vault.", "Use `vk.read(name)` to read a vault."),
    ("subject", "`timeout` = 5", "`retries` = 7"),
    ("subject", "The default port of the relay is 7070.", "The default port of the vault is 7071."),
    ("subject", "The branch name for ticket 482 is billing~T482.", "The branch name for ticket 77 is search~T77."),
    ("subject", "Use branch billing~T482 for ticket 482.", "Use branch search~T77 for ticket 77."),
    ("subject", "The cache keeps keys for 40 minutes.", "The cache keeps values for 90 minutes."),
    ("subject", "The capital of Atlantis is Poseidonis.", "The capital of Lemuria is Meropis."),
    ("subject", "Invoice numbers have six digits.", "Parcel numbers have eight digits."),
    ("subject", "Release tags must start with rel-.", "Hotfix tags must start with fix-."),
    ("subject", "When the vault is cold, wait 3 seconds.", "When the vault is full, wait 9 seconds."),
    ("subject", "If the name is taken, ask in the channel.", "If the name is free, do not ask in the channel."),
    ("subject", "Labels of fragile goods are red.", "Labels of heavy goods are yellow."),
    ("subject", "weekdays | 8 | 18 | 6", "Saturday | 9 | 13 | 3"),
    ("subject", "On Monday the desk opens at 8.", "On Saturday the desk opens at 9."),
    ("subject", "Floor 3 has printer TK-3.", "Floor 7 has printer TK-7."),
    # one says more, or something else
    ("refinement", "The cache keeps keys for 40 minutes in winter.", "The cache keeps keys for 40 minutes."),
    ("refinement", "The cache keeps keys for 90 minutes in winter.", "The cache keeps keys for 40 minutes."),
    ("refinement", "Release tags must start with rel-.", "Release tags must start with rel- and end with the year."),
    ("refinement", "Release tags must start with rel-.", "Release tags must end with the year."),
    ("refinement", "Parcels for Nelvik go through gate Q.", "Parcels for Nelvik go through gate Q before noon."),
    ("refinement", "The name is in quotes.", "The value is not in quotes."),
    ("refinement", "Nothing else goes into it: no building, no date.", "Nothing else goes into it: no building."),
    # in other words
    ("paraphrase", "The relay code of Tavor is 47.", "Tavor's relay code is 47."),
    ("paraphrase", "Parcels for Nelvik go through gate Q.", "Packages for Nelvik leave by gate Q."),
    ("paraphrase", "Parcels for Nelvik go through gate Q.", "Use gate Q for parcels for Nelvik."),
    ("paraphrase", "Use `vk.open(name)` to open a vault.", "To open a vault, call `vk.open(name)`."),
    ("paraphrase", "Release tags must start with rel-.", "A release tag always begins with rel-."),
    ("paraphrase", "Note: release tags must start with rel-.", "Release tags must start with rel-."),
    ("paraphrase", "The cache keeps keys for 40 minutes.", "The cache holds entries for 40 minutes."),
    ("paraphrase", "Badge codes are written in upper case.", "Write badge codes in upper case."),
    ("paraphrase", "Tavor and Mora share a code.", "Mora and Tavor share a code."),
    ("paraphrase", "Do not delete release tags.", "Release tags must never be deleted."),
    ("paraphrase", "The stocktaking is on Tuesday.", "Tuesday is the day of the stocktaking."),
    ("paraphrase", "Indent manifests with two spaces.", "Indent manifests with 2 spaces."),
    ("paraphrase", "The cache is quick.", "The cache is fast."),
]  # fmt: skip

SECOND_CONFLICTS = [
    ("lookup", "The kiosk at Harle uses tariff 6.", "The kiosk at Harle uses tariff 9."),
    ("lookup", "Crates from Ostvik belong in hangar B.", "Crates from Ostvik belong in hangar D."),
    ("lookup", "Siding 4 is reserved for grain.", "Siding 4 is reserved for coal."),
    ("lookup", "Error QX9 → restart the pump", "Error QX9 → replace the pump"),
    ("lookup", "The contact for leaks is Ines.", "The contact for leaks is Bram."),
    ("lookup", "Season tickets are sold at counter 2.", "Season tickets are sold at counter 5."),
    ("format", "A berth number is the pier letter followed by three digits.", "A berth number is the pier letter followed by four digits."),
    ("format", "Times are logged as hh.mm.", "Times are logged as hhmm."),
    ("format", "Coordinates are given with the longitude first.", "Coordinates are given with the latitude first."),
    ("format", "Meter readings end with a `#`.", "Meter readings end with a `%`."),
    ("format", "Separate the fields of a manifest with semicolons.", "Separate the fields of a manifest with tabs."),
    ("convention", "Test boats carry a blue pennant.", "Test boats carry a yellow pennant."),
    ("convention", "Shift handover is at 06:00.", "Shift handover is at 07:30."),
    ("convention", "Config keys must be in snake case.", "Config keys must be in kebab case."),
    ("convention", "New buoys are painted on the left side.", "New buoys are painted on the right side."),
    ("api", "`lk.fetch(id)` raises `Missing` for unknown ids.", "`lk.fetch(id)` raises `Absent` for unknown ids."),
    ("api", "To drain a queue, call `q.flush()`.", "Use `q.purge()` to drain a queue."),
    ("api", "The environment variable for the log is `TIDE_LOG`.", "The environment variable for the log is `TIDE_OUT`."),
    ("api", "`sync` takes the source first and the target second.", "`sync` takes the target first and the source second."),
    ("negation", "Anchors may be dropped in zone 3.", "Anchors may not be dropped in zone 3."),
    ("negation", "The pump restarts by itself.", "The pump does not restart by itself."),
    ("negation", "Empty crates are weighed.", "Empty crates are never weighed."),
    ("number", "Lock gates close after 12 minutes.", "Lock gates close after 20 minutes."),
    ("number", "The crane lifts up to 8 tonnes.", "The crane lifts up to 11 tonnes."),
    ("name", "The harbour master of Sund is Agneta Falk.", "The harbour master of Sund is Per Lind."),
]  # fmt: skip

SECOND_COMPATIBLE = [
    ("subject", "The kiosk at Harle uses tariff 6.", "The kiosk at Morn uses tariff 9."),
    ("subject", "Crates from Ostvik belong in hangar B.", "Crates from Lund belong in hangar D."),
    ("subject", "Siding 4 is reserved for grain.", "Siding 5 is reserved for coal."),
    ("subject", "Error QX9 → restart the pump", "Error QX7 → replace the pump"),
    ("subject", "The contact for leaks is Ines.", "The contact for fires is Bram."),
    ("subject", "Times are logged as hh.mm.", "Dates are logged as dd.mm."),
    ("subject", "Meter readings end with a `#`.", "Meter readings start with a `%`."),
    ("subject", "Test boats carry a blue pennant.", "Pilot boats carry a yellow pennant."),
    ("subject", "`lk.fetch(id)` raises `Missing` for unknown ids.", "`lk.fetch(id)` raises `Locked` for locked ids."),
    ("subject", "To drain a queue, call `q.flush()`.", "To fill a queue, call `q.push(item)`."),
    ("subject", "Anchors may be dropped in zone 3.", "Anchors may not be dropped in zone 4."),
    ("subject", "Lock gates close after 12 minutes.", "Lock gates open after 20 minutes."),
    ("subject", "The harbour master of Sund is Agneta Falk.", "The harbour master of Varn is Per Lind."),
    ("subject", "Pier A has 12 berths.", "Pier B has 20 berths."),
    ("subject", "The first crane lifts 8 tonnes.", "The second crane lifts 11 tonnes."),
    ("subject", "In summer the lock closes at 22:00.", "In winter the lock closes at 18:00."),
    ("subject", "Ships over 40 metres need a pilot.", "Ships over 90 metres need two pilots."),
    ("subject", "Empty crates are weighed.", "Full crates are never weighed."),
    ("subject", "Yes, `sync` keeps the target.", "No, `flush` does not keep the target."),
    ("refinement", "The crane lifts up to 8 tonnes.", "The crane lifts up to 8 tonnes in calm weather."),
    ("refinement", "Config keys must be in snake case.", "Config keys must be in snake case and short."),
    ("paraphrase", "Season tickets are sold at counter 2.", "Counter 2 sells season tickets."),
    ("paraphrase", "To drain a queue, call `q.flush()`.", "Use `q.flush()` to drain a queue."),
    ("paraphrase", "The pump restarts by itself.", "The pump will restart by itself."),
    ("paraphrase", "Shift handover is at 06:00.", "The shift handover is always at 06:00."),
]  # fmt: skip


def clash(first: str, second: str) -> bool:
    facts = fact_of(first), fact_of(second)
    return facts[0] is not None and facts[1] is not None and conflict(facts[0], facts[1])


@pytest.mark.parametrize(
    ("conflicts", "least"), [(FIRST_CONFLICTS, 0.95), (SECOND_CONFLICTS, 0.88)]
)
def test_most_conflicts_are_found_whichever_claim_comes_first(
    conflicts: list[tuple[str, str, str]], least: float
) -> None:
    found = [clash(first, second) for _, first, second in conflicts]
    assert found == [clash(second, first) for _, first, second in conflicts]
    assert sum(found) / len(found) >= least


@pytest.mark.parametrize(("kind", "first", "second"), FIRST_COMPATIBLE + SECOND_COMPATIBLE)
def test_what_can_both_hold_is_no_conflict(kind: str, first: str, second: str) -> None:
    assert not clash(first, second), kind
    assert not clash(second, first), kind


def test_each_claim_agrees_with_itself_and_with_nothing_that_contradicts_it() -> None:
    for _, first, second in FIRST_CONFLICTS + SECOND_CONFLICTS:
        facts = fact_of(first), fact_of(second)
        assert not clash(first, first)
        if facts[0] is not None and facts[1] is not None:
            assert same(facts[0], facts[0])
            assert not same(facts[0], facts[1])


def test_most_paraphrases_say_the_same() -> None:
    pairs = [pair[1:] for pair in FIRST_COMPATIBLE if pair[0] == "paraphrase"]
    facts = [(fact_of(first), fact_of(second)) for first, second in pairs]
    told_twice = sum(one is not None and two is not None and same(one, two) for one, two in facts)
    assert told_twice >= 9
    others = [pair for pair in FIRST_COMPATIBLE + SECOND_COMPATIBLE if pair[0] != "paraphrase"]
    for _, first, second in others:
        one, two = fact_of(first), fact_of(second)
        assert one is None or two is None or not same(one, two)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The relay code of Tavor is 47.", "The relay code of Mora is 12."),
        ("The relay code of Tavor is 47.", "Tavor's relay code is 47."),
        ("Parcels for Nelvik go through gate Q.", "Parcels for Dorn go through gate R."),
        ("The branch name for ticket 482 is a~1.", "The branch name for ticket 77 is b~2."),
    ],
)
def test_a_trusted_claim_about_another_subject_is_not_contradicted(first: str, second: str) -> None:
    assert not contradicts(first, second)
    assert not contradicts(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The relay code of Tavor is 47.", "Tavor's relay code is 12."),
        ("Use `vk.open(name)` to open a vault.", "A vault is opened with `vk.unseal(name)`."),
    ],
)
def test_a_trusted_claim_is_contradicted_in_other_words_too(first: str, second: str) -> None:
    assert contradicts(first, second)


@pytest.mark.parametrize("odd", ["", " ", ":", "=", ".", "'s", "\ud800", "is", "47", "** **", "`"])
def test_what_says_nothing_is_in_conflict_with_nothing(odd: str) -> None:
    assert not clash(odd, "The relay code of Tavor is 47.")
    assert not clash(odd, odd)


def test_long_texts_are_not_read() -> None:
    assert fact_of("x is 1 " * MAX_CHARACTERS) is None


@given(st.text(max_size=80), st.text(max_size=80))
def test_conflict_is_mutual_and_never_with_itself(first: str, second: str) -> None:
    assert clash(first, second) == clash(second, first)
    assert not clash(first, first)


WORDS = ["is", "the", "of", "for", "to", ",", ":", "Tavor", "Mora", "gate", "Q", "47", "12", "not",
         "`f(x)`", "year", "first", "last", "open", "never", "and", "tag", "-x", "call"]  # fmt: skip


@given(*[st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)] * 2)
def test_claims_of_telling_words_have_one_verdict_too(first: str, second: str) -> None:
    assert clash(first, second) == clash(second, first)
    assert not clash(first, first)
    one, two = fact_of(first), fact_of(second)
    assert one is None or two is None or not (same(one, two) and conflict(one, two))
