"""What ``crossmodel trace`` draws: no id, name or reason of anybody's can break or colour it."""

import io

import pytest
from provenance_chains import HOSTILE, SECRET, edit, erase, forget, judge, turn
from rich.console import Console

from crossmodel import ProvenanceTracker
from crossmodel.cli.trace_tree import tree
from crossmodel.witness.log import MemoryLog


def drawn(log, about, *, width=1000, terminal=False, tenant="t", **options):
    to = io.StringIO()
    console = Console(file=to, width=width, force_terminal=terminal, highlight=False)
    console.print(tree(ProvenanceTracker(log, **options).chain(tenant, about)))
    return to.getvalue()


def loop(name, tenant="t"):
    log = MemoryLog()
    turn(log, name, tenant=tenant, model=f"m {name}", learned=[f"i {name}", "ins_2"])
    turn(log, "req_2", tenant=tenant, model=f"c {name}", given=[f"i {name}", "ins_2"])
    judge(log, "req_2", 0.5, tenant=tenant, source=f"by {name}")
    forget(log, "context")
    erase(log, [f"i {name}"], [(5, 5)], tenant=tenant)
    return log


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_an_id_holds_the_tree_keeps_its_lines(name):
    plain = drawn(loop("req_1"), "req_2").splitlines()
    hostile = drawn(loop(name, tenant=name), "req_2", tenant=name)
    assert len(hostile.splitlines()) == len(plain)
    for expected, line in zip(plain, hostile.splitlines(), strict=True):
        guide = expected[: len(expected) - len(expected.lstrip("│├└─ "))]
        assert line.startswith(guide)
    assert all(c.isprintable() or c == "\n" for c in hostile)
    assert max(map(len, hostile.splitlines())) < 400


def test_markup_is_shown_and_is_none():
    shown = drawn(loop("[bold red]x[/] [link=https://e.example]y[/link]"), "req_2", terminal=True)
    assert "[bold red]x[/] [link=https://e.example]y[/link]" in shown
    assert "\x1b]8;" not in shown  # no link of a terminal's
    assert "\x1b[1;31mx" not in shown


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_cuts_nothing_off(width):
    name = "n" * 60
    narrow = drawn(loop(name), "req_2", width=width)
    assert max(map(len, narrow.splitlines())) <= width
    assert narrow.count("n") == drawn(loop(name), "req_2").count("n")


def test_a_long_chain_stays_within_a_screen():
    log = MemoryLog()
    turn(log, "req_0", learned=["ins_0"])
    for n in range(1, 20):
        turn(log, f"req_{n}", given=[f"ins_{n - 1}"], learned=[f"ins_{n}"])
    shown = drawn(log, "req_19")
    assert max(len(line) - len(line.lstrip("│├└─ ")) for line in shown.splitlines()) < 50
    for n in range(20):
        [at] = [
            k for k, line in enumerate(shown.splitlines())
            if line.endswith(f"answer req_{n}")
        ]  # fmt: skip
        assert "selected strong" in shown.splitlines()[at + 1]
    assert shown.count("see below") == 6


def test_a_tree_says_what_is_wrong_and_what_was_left_out():
    log = loop("req_1")
    edit(log, 5, about="elsewhere")
    assert "looked up by 'elsewhere' and is about 'req_2'" in drawn(log, "req_2")
    forget(log, "yes")
    assert "…  missing" in drawn(log, "req_1")
    assert "not followed: the chain is too long" in drawn(loop("req_1"), "req_2", max_nodes=1)
    assert "rejected tiny: cannot do tools" in drawn(log, "req_1")
    assert "over other, third" in drawn(log, "req_1")
    assert "learned from it" in drawn(log, "req_1")
    assert SECRET not in drawn(log, "req_1")


def test_an_answer_that_never_came():
    log = MemoryLog()
    turn(log, "req_1", answer=None)
    assert "no answer by strong (as strong-2026), 1,500 ms, $0.002000" in drawn(log, "req_1")


def test_the_chain_of_an_erasure():
    log = loop("req_1")
    shown = drawn(log, "8")
    assert "erasure of 1 insights" in shown
    assert "insight i req_1" in shown
    assert "answer req_1" in shown
