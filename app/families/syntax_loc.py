"""`<loc0046><loc0538><loc0795><loc1022> cat ; …`: places as tokens, y before x, 1024 bins, label after its place.

Encodes `round(v·1024)` clamped to 1023, because `<loc1024>` is no token (a tokenizer breaks it into eight pieces), and
decodes `/1024`, as every published expectation does; big_vision's own 1023 differs by a thousandth of the picture.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.families.answer import apart
from app.geometry import clamp
from app.types import Box

BINS = 1024
SEPARATOR = " ; "
RUN = re.compile(r"<loc\d{1,4}>(?:\s*<loc\d{1,4}>)*")
NUMBER = re.compile(r"<loc(\d{1,4})>")
SEGMENT = re.compile(r"<seg\d{1,3}>")  # the mask tokens of `segment` answers: accepted and skipped
ENDING = re.compile(r"<(?:eos|pad|end_of_turn)>|</s>")
HALF_TOKEN = re.compile(r"<(?:(?:l(?:o(?:c\d{0,4})?)?)|(?:s(?:e(?:g\d{0,3})?)?))?$")  # "<lo" while the rest is to come


class Group(NamedTuple):
    """Some loc tokens in a row and the text behind them. `last` tells that a separator, or nothing, follows."""
    bins: list[int]
    label: str
    start: int
    end: int
    last: bool


def write_box(box: Box, size: tuple[int, int]) -> str:
    x1, y1, x2, y2 = box
    return write_place(x1, y1, size) + write_place(x2, y2, size)


def write_place(x: float, y: float, size: tuple[int, int]) -> str:
    """One corner or point: y first."""
    return f"<loc{_bin(y, size[1]):04d}><loc{_bin(x, size[0]):04d}>"


def write_label(label: str) -> str:
    """A label as it can stand in an answer: on one line, and `<loc0001>` or `<eos>` in it as `< loc0001>`, `< eos>`."""
    plain = " ".join(apart(label).split())
    while plain.endswith(" ;") or plain == ";":
        plain = plain[:-1].rstrip()
    return plain or "object"


def xy(bins: Sequence[int]) -> list[float]:
    """y, x, y, x, … → x, y, x, y, … in bins."""
    return [float(bins[i ^ 1]) for i in range(len(bins))]


def groups(text: str) -> Iterator[Group]:
    """Every run of loc tokens with its label: the text up to the next run, without the separator at its end."""
    runs = list(RUN.finditer(text))
    for i, run in enumerate(runs):
        followed = i + 1 < len(runs)
        stop = runs[i + 1].start() if followed else len(text)
        raw = SEGMENT.sub("", text[run.end():stop]).rstrip()
        # Between two places any `;` at the end separates; at the very end only ` ;` does, so that "a;" stays a label.
        separated = raw.endswith(";") and (followed or raw == ";" or raw[-2].isspace())
        label = " ".join((raw[:-1] if separated else raw).split())
        end = run.end() + len(text[run.end():stop].rstrip().removesuffix(";" if separated else "").rstrip())
        yield Group([int(b) for b in NUMBER.findall(run.group())], label, run.start(), end, separated or not followed)


def whole(text: str, joints: bool) -> tuple[str, bool]:
    """The text without a half-written token at its end and without anything behind an end token; and whether it was
    cut. A lone `<` behind a label belongs to it, unless another place could follow there (`joints`)."""
    ending = ENDING.search(text)
    if ending:
        return text[:ending.start()], False
    half = HALF_TOKEN.search(text, max(0, len(text) - 10))
    before = text[:half.start()].rstrip() if half else ""
    if half and (len(half.group()) > 1 or joints or not before or before[-1] in ";>"):
        return before, True
    return text, False


def _bin(value: float, side: int) -> int:
    return int(clamp(round(value / side * BINS), BINS - 1))
