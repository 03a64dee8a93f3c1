"""Counts in JSON, `{"cat": 3, "dog": 0}`, and in the words that come instead. Zero of everything is "empty"."""
from __future__ import annotations

from collections.abc import Sequence

from app.families.keys_json import label_of
from app.families.reading import Reading
from app.families.syntax_json import Node
from app.families.syntax_tags import as_number
from app.families.words import MOST_COUNTED, number, number_within
from app.metrics import same
from app.types import Annotation


def count(said: str, roots: list[Node], cut: bool, reading: Reading) -> str | None:
    """The status of an answer in numbers, or None where it is none: the objects may be listed with their boxes."""
    names = reading.request.names
    rows = [row for node in roots for row in ([node] if node.kind == "{" else node.values) if isinstance(row, Node)]
    pairs = [pair for row in rows for pair in _counts(row, names)]
    counts: dict[str, tuple[int, tuple[int, int]]] = {}
    for key, value in pairs:
        if value is None or not value.is_integer() or not 0 <= value <= MOST_COUNTED:
            reading.problem(f"left out the count of {key!r}: it is no whole number up to {MOST_COUNTED:,}")
        else:
            counts[key] = int(value), (0, len(said))
    if not pairs and not cut and len(names) == 1:
        alone = number(said)
        alone = number_within(said) if alone is None and not roots else alone
        if alone is not None:
            counts[names[0]] = alone, (0, len(said))
    if not counts:
        return None
    for name in names:
        if name not in counts:
            reading.problem(f"did not say how many {name!r}")
    for label, (many, span) in counts.items():
        if label not in names:
            reading.problem(f"counted {label!r}, which was not asked for")
        for _ in range(many):
            reading.add(Annotation(label), span)
    return "truncated" if cut else "ok" if reading.annotations else "empty"


def _counts(node: Node, names: Sequence[str]) -> list[tuple[str, float | None]]:
    """{"cat": 3}, {"label": "cat", "count": 3}, or {"count": 3} where one name was asked for."""
    pairs = node.pairs
    if "count" in pairs and "count" not in names:
        label = label_of({key.lower(): value for key, value in pairs.items()})
        label = label or (names[0] if len(names) == 1 else "")
        return [(label, as_number(pairs["count"]))] if label else []
    if not pairs or any(isinstance(value, Node) for value in pairs.values()):
        return []
    asked = {same(name): name for name in names}
    if len(names) == 1 and len(pairs) == 1:
        return [(names[0], as_number(value)) for value in pairs.values()]  # {"cats": 3} for "cat"
    if not any(same(key) in asked for key in pairs):
        return []  # {"id": 7} counts nothing
    return [(asked.get(same(key), key), as_number(value)) for key, value in pairs.items()
            if key.strip() and (as_number(value) is not None or same(key) in asked)]
