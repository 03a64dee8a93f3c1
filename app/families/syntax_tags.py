"""Places written as tags: `<points x1="154" y1="104" alt="…">` and `<|box_start|>(576,12),(592,42)<|box_end|>`.

The first is Molmo's, and Qwen3-VL answers in it now and then; the second is Qwen2-VL's (`<ref>…</ref><box>…</box>` in
Qwen-VL). Only the syntax is here: what the numbers count belongs to the family.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

POINTS = re.compile(r"<points?\b([^<>]*)>([^<>]*)")
ATTRIBUTE = re.compile(r"""([a-z]+)(\d{0,4})\s?=\s?(?:"([^"<>]*)"|'([^'<>]*)')""", re.IGNORECASE)
NUMBER = r"\s*([-+]?\d{1,9}(?:\.\d{1,9})?)\s*"
REF_OR_BOX = re.compile(
    rf"(?:<ref>|<\|object_ref_start\|>)([^<]*)|\({NUMBER},{NUMBER}\)\s*(?:,\s*)?\({NUMBER},{NUMBER}\)")


class Tagged(NamedTuple):
    """Two numbers are a point, four are a box; in the answer's own units."""
    values: list[float | None]
    label: str
    span: tuple[int, int]


def points(text: str) -> Iterator[Tagged]:
    """Each x with the y of its number: Molmo can give seven x for six y, so they are never zipped."""
    for tag in POINTS.finditer(text):
        xs, ys, label = {}, {}, tag[2].strip()
        for name, index, double, single in ATTRIBUTE.findall(tag[1]):
            value = double or single
            if name.lower() == "alt":
                label = value.strip() or label
            elif name.lower() in ("x", "y"):
                (xs if name.lower() == "x" else ys)[index] = as_number(value)
        for index in xs | ys:
            yield Tagged([xs.get(index), ys.get(index)], label, tag.span())


def boxes(text: str) -> Iterator[Tagged]:
    """`(x1,y1),(x2,y2)` with the reference before it, if any; one reference can have several boxes."""
    label = ""
    for match in REF_OR_BOX.finditer(text):
        if match[1] is not None:
            label = match[1].strip()
        else:
            yield Tagged([float(number) for number in match.groups()[1:]], label, match.span())


def as_number(value: object) -> float | None:
    """A number, also written as a string; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str) and len(value) <= 40:
        try:
            return float(value)
        except ValueError:
            return None
    return None
