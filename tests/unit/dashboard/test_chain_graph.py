"""The drawing of a chain: every box once, left to right, whatever the chain is."""

import re

from hypothesis import given
from hypothesis import strategies as st

from crossmodel.dashboard.chain_graph import MOST, Box, _columns, graph
from crossmodel.desk import Chain, InsightNode

NAMES = [f"n{number}" for number in range(8)]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=20))
def test_columns_end_and_hold_every_box_even_in_circles(edges):
    boxes = {name: Box(name, "", None) for name in NAMES}
    columns = _columns(boxes, edges)
    assert set(columns) == set(boxes)
    assert set(columns.values()) == set(range(max(columns.values()) + 1))


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_without_circles_every_edge_leads_to_the_right(pairs):
    edges = [(f"n{min(p)}", f"n{max(p)}") for p in pairs if p[0] != p[1]]
    columns = _columns({name: Box(name, "", None) for name in NAMES}, edges)
    assert all(columns[one] < columns[other] for one, other in edges)


def test_a_long_chain_is_told_by_the_list_alone():
    def chain(count):
        return Chain("t", "x", insights={f"i{n}": InsightNode(f"i{n}", ()) for n in range(count)})

    assert graph(chain(0)) == ""
    assert len(re.findall("<rect", graph(chain(MOST)))) == MOST
    assert graph(chain(MOST + 1)) == ""


@given(st.text(alphabet=st.characters(codec=None), max_size=30))
def test_ids_of_anything_are_text(strange):
    drawn = str(graph(Chain("t", strange, insights={strange: InsightNode(strange, ())})))
    assert drawn.count("<rect") == 1
    assert not re.search(r"<(?!/?(figure|figcaption|svg|defs|marker|path|rect|text|a)\b)", drawn)
