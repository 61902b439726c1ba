"""Pictures in time and of calibration: whole, within their frame, never markup."""

import re
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from crossmodel.pages.charts import WIDTH
from crossmodel.pages.curves import HEIGHT, Column, Dot, columns, reliability_curve

HOSTILE = "</svg><script>alert(1)</script>\"'&\x00\ud800"
money = st.floats(0, 1e12) | st.floats(-1e6, 0)
shares = st.floats(0, 1)


def drawn(svg):
    """The picture as XML, which it must be as well."""
    root = ET.fromstring(svg)
    names = {part.tag for part in root.iter()}
    assert names <= {"svg", "title", "desc", "text", "rect", "path", "circle"}
    assert "nan" not in re.sub(r"<desc.*?</desc>|<title.*?</title>|<text.*?</text>", "", svg)
    return root


@given(st.lists(st.builds(Column, st.text(max_size=9), money, money, st.just(HOSTILE))))
def test_columns_stay_in_their_frame(of):
    root = drawn(columns("c", HOSTILE, of))
    bars = root.findall("rect")
    assert len(bars) == 2 * len(of)
    for bar in bars:
        x, y, wide, high = (float(bar.get(name)) for name in ("x", "y", "width", "height"))
        assert -0.01 <= x <= x + wide <= WIDTH + 0.01
        assert -0.01 <= y <= y + high <= HEIGHT + 0.02


def test_the_shorter_column_stands_in_front():
    root = drawn(columns("c", "t", [Column("a", 1.0, 3.0, ""), Column("b", 3.0, 1.0, "")]))
    heights = [float(bar.get("height")) for bar in root.findall("rect")]
    assert heights == [180.0, 60.0, 180.0, 60.0]
    kinds = [bar.get("class") for bar in root.findall("rect")]
    assert kinds == ["bar", "bar strong", "bar strong", "bar"]


@given(st.lists(st.builds(Dot, shares, shares, st.integers(0, 10**12)), max_size=10))
def test_a_curve_has_a_dot_for_each_of_its_points(dots):
    root = drawn(reliability_curve("r", HOSTILE, dots))
    assert len(root.findall("circle")) == len(dots)
    assert root.get("role") == "img"
    described = {root.find("title").get("id"), root.find("desc").get("id")}
    assert set(root.get("aria-labelledby").split()) == described
