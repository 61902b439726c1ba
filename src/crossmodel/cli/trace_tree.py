"""A chain as a tree for people: names, figures and digests, nothing of what was said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text
from rich.tree import Tree

from crossmodel.cli.output import plain

if TYPE_CHECKING:
    from crossmodel.desk import Chain, InsightNode, Record, RequestNode

DIGEST_SHOWN: Final = 12
NAME_SHOWN: Final = 80
"""Characters of a digest, and of an id or a reason, that are shown at most."""

NESTED: Final = 3
"""Answers that are drawn one within the other; those further back begin at the edge again."""


def tree(chain: Chain) -> Tree:
    """The chain from what was asked for back to where it comes from."""
    drawing = _Drawing(chain)
    root = Tree(_line(("tenant ", "dim"), (chain.tenant, "")), guide_style="dim")
    if chain.about in chain.requests:
        drawing.add_request(root, chain.about)
    if chain.about in chain.insights:
        drawing.add_insight(root, chain.about)
    if not chain.about:
        for name in chain.insights:
            drawing.add_insight(root, name)
    drawing.add_put_off(root)
    for record in chain.records.values():
        drawing.add_erasure(root, record)
    return root


class _Drawing:
    """Draws each node once; where it comes again its name refers to it."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._drawn: set[tuple[str, str]] = set()
        self._values: set[str] = set()
        self._put_off: dict[str, None] = {}
        self._depth = 0

    def add_put_off(self, to: Tree) -> None:
        """The answers that stood too deep, each at the edge."""
        while self._put_off:
            name = next(iter(self._put_off))
            del self._put_off[name]
            self.add_request(to, name)

    def add_request(self, to: Tree, name: str) -> None:
        node = self._chain.requests.get(name)
        title = _line(("answer ", "bold"), (name, "cyan"))
        if node is None:
            to.add(title + _line(("  not followed: the chain is too long", "dim")))
        elif ("request", name) in self._drawn:
            to.add(title + _line(("  see above", "dim")))
        elif self._depth == NESTED:
            self._put_off[name] = None
            to.add(title + _line(("  see below", "dim")))
        else:
            self._depth += 1
            self._request(to, node, title)
            self._depth -= 1

    def _request(self, to: Tree, node: RequestNode, title: Text) -> None:
        self._drawn.add(("request", node.id))
        if node.trace_id:
            title += _line((f"  trace {node.trace_id}", "dim"))
        branch = to.add(title)
        self._selection(branch, node)
        self._transfer(branch, node)
        self._outcome(branch, node)
        for each in node.feedback:
            said = each.predicate
            score = "no score" if said["score"] is None else f"{said['score']:g}"
            self._add(branch, each, (f"{said['source']} ", "bold"), (score, ""))
        self._add_others(branch, node.others)
        if node.learned:
            learned = branch.add(_line(("learned from it", "bold")))
            for insight in node.learned:
                self.add_insight(learned, insight, with_source=False)

    def add_insight(self, to: Tree, name: str, *, with_source: bool = True) -> None:
        node = self._chain.insights.get(name)
        title = _line(("insight ", "bold"), (name, "cyan"))
        if node is None:
            to.add(title + _line(("  not followed: the chain is too long", "dim")))
            return
        if ("insight", name) in self._drawn:
            to.add(title + _line(("  see above", "dim")))
            return
        self._drawn.add(("insight", name))
        if node.record is None:
            branch = to.add(title + _line(("  not in the log", "yellow")) + _standing(node))
        else:
            said = node.record.predicate
            title += _line(
                (f"  {said['kind']} by ", ""),
                (said["source_model"], "green"),
                (f", confidence {said['confidence']:.2f}", ""),
            )
            branch = to.add(title + _standing(node) + _where(node.record))
            self._add_values(branch, node.record)
        self._add_others(branch, node.others)
        if with_source and node.source_request:
            self.add_request(branch, node.source_request)

    def add_erasure(self, to: Tree, record: Record) -> None:
        if record.kind != "erasure":
            self._add_others(to, [record])
            return
        said = record.predicate
        hidden = said["counts"].get("commitments", 0)
        counts = f"of {len(said['insights'])} insights, {hidden} hidden values"
        self._add(to, record, ("erasure ", "bold red"), (counts, ""))

    def _selection(self, to: Tree, node: RequestNode) -> None:
        record = node.selection
        if record is None:
            return
        said = record.predicate
        branch = self._add(
            to,
            record,
            ("selected ", "bold"),
            (said["model"], "green"),
            (f", score {said['score']:.3f}", ""),
        )
        if said["alternatives"]:
            branch.add(_line(("over ", "dim"), (", ".join(map(_cut, said["alternatives"])), "")))
        for model, reason in said["rejected"].items():
            branch.add(_line(("rejected ", "dim"), (model, ""), (": ", "dim"), (reason, "")))

    def _transfer(self, to: Tree, node: RequestNode) -> None:
        record = node.transfer
        if record is None:
            return
        said = record.predicate
        branch = self._add(
            to,
            record,
            ("handed over ", "bold"),
            (f"{said['protocol'] or 'nothing'}, arm {said['arm']}, {said['tokens']} tokens", ""),
        )
        for insight in node.given:
            self.add_insight(branch, insight)

    def _outcome(self, to: Tree, node: RequestNode) -> None:
        record = node.outcome
        if record is None:
            return
        said = record.predicate
        served = said["served_model"]
        as_other = f" (as {_cut(served)})" if served and served != said["model"] else ""
        verdict = ("answered by ", "bold") if said["success"] else ("no answer by ", "bold red")
        self._add(to, record, verdict, (said["model"], "green"), (as_other + _figures(said), ""))

    def _add(self, to: Tree, record: Record, *parts: tuple[str, str]) -> Tree:
        branch = to.add(_line(*parts) + _where(record))
        self._add_values(branch, record)
        return branch

    def _add_values(self, to: Tree, record: Record) -> None:
        """What the record commits to, each value where it comes first."""
        for value in record.hidden:
            if value.digest in self._values:
                continue
            self._values.add(value.digest)
            shown = _line((f"{value.name} ", "dim"), (value.digest[:DIGEST_SHOWN] + "…", "dim"))
            if value.state == "erased":
                shown += _line((f"  erased, says record {value.erased_by}", "red"))
            elif value.state != "kept":
                shown += _line((f"  {value.state}", "bold red"))
            to.add(shown)

    def _add_others(self, to: Tree, records: Iterable[Record]) -> None:
        for record in records:
            branch = self._add(to, record, (f"{record.kind} ", "yellow"))
            for problem in record.problems:
                branch.add(_line((problem, "bold red")))


def _figures(said: Mapping[str, Any]) -> str:
    latency, cost = said["latency_ms"], said["cost_usd"]
    shown = "" if latency is None else f", {latency:,.0f} ms"
    return shown + ("" if cost is None else f", ${cost:.6f}")


def _where(record: Record) -> Text:
    taken = "" if record.logged_at is None else f" {record.logged_at:%Y-%m-%d %H:%M:%S}"
    return _line((f"  record {record.leaf}{taken}", "dim"))


def _standing(node: InsightNode) -> Text:
    if node.erased_by is not None:
        return _line((f"  erased, says record {node.erased_by}", "red"))
    if node.standing is None:
        return _line(("  not kept", "yellow"))
    reason = f" ({_cut(node.standing_reason)})" if node.standing_reason else ""
    return _line((f", {node.standing}{reason}", ""))


def _line(*parts: tuple[str, str]) -> Text:
    """One line of text, each part in its style: whatever is in it is shown, and is no markup."""
    line = Text(overflow="fold")
    for said, style in parts:
        shown = plain(" ".join(_cut(said).split("\n")).replace("\t", " "))
        shown.stylize(style)
        line.append_text(shown)
    return line


def _cut(text: str) -> str:
    return text if len(text) <= NAME_SHOWN else text[: NAME_SHOWN - 1] + "…"
