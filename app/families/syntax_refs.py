"""A name in one pair of tags and its places in another: `<ref>cat</ref><box>[[10, 20, 300, 400]]</box>`.

    Qwen-VL, Qwen2-VL   <|object_ref_start|>cat<|object_ref_end|><|box_start|>(576,12),(592,42)<|box_end|>
    InternVL            <ref>cats</ref><box>[[10, 20, 300, 400], [5, 6, 7, 8]]</box>
    DeepSeek-VL2        <|ref|>cat<|/ref|><|det|>[[580, 270, 999, 900]]<|/det|>
    Rex-Omni            <|object_ref_start|>cat<|object_ref_end|><|box_start|><23><294><106><525>,…<|box_end|>
    GLM                 <|begin_of_box|>[[94,598,177,991]]<|end_of_box|>    brackets vary: [], (), <> or none

All are read by one reader, because models borrow each other's tags; what the numbers count belongs to the family. A
place exists from its closing bracket on; two numbers are a point, four are a box.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from app.families.answer import HALF_TAG, Found, plain_label
from app.families.reading import Reading, boxed, pointed
from app.geometry import clamp
from app.types import Annotation, Request

N = r"\s*[-+]?\d{1,9}(?:\.\d{1,9})?\s*"
# A run of bins is looked at from its first one only: from each, a hundred thousand of them took two minutes.
NO_BIN = "".join(rf"(?<!<{digits}>)" for digits in (r"\d", r"\d\d", r"\d\d\d", r"\d\d\d\d"))
# One pass over the text. `<pred>` is All-Seeing's relation between two things: its boxes are named elsewhere.
TOKEN = re.compile(rf"""
    (?P<name>(?:<ref>|<\|object_ref_start\|>|<\|ref\|>|<phrase>)(?P<words>(?:[^<]|<(?![/|a-zA-Z]))*)
        (?P<named></ref>|<\|object_ref_end\|>|<\|/ref\|>|</phrase>)?)
  | (?P<relation><pred>)
  | (?P<open><box>|<\|box_start\|>|<\|det\|>|<\|begin_of_box\|>)
  | (?P<close></box>|<\|box_end\|>|<\|/det\|>|<\|end_of_box\|>)
  | (?P<pairs>\({N},{N}\)\s*,?\s*\({N},{N}\))
  | (?P<pair>\({N},{N}\)(?=\s*<))
  | (?P<list>\[{N}(?:,{N}){{1,63}}\]|[(<]{N}(?:,{N}){{3}}[)>])
  | (?P<bins>{NO_BIN}(?:<\d{{1,4}}>)++(?=\s*,|\s*<\|)|(?:<\d{{1,4}}>){{4}}(?=<?\Z))
  | (?P<bare>(?<=\|>){N}(?:,{N}){{3}}(?=<\|))
""", re.VERBOSE)
TAG = re.compile(r"<ref>|<box>|<phrase>|<\|(?:object_ref_start|ref|box_start|det|begin_of_box)\|>")
NUMBER = re.compile(r"[-+]?\d{1,9}(?:\.\d{1,9})?")
NONE = "There are none."


@dataclass(frozen=True)
class Marks:
    """One family's tags around a name and around its places; `places` is the form of the numbers between them."""
    name: tuple[str, str]
    place: tuple[str, str]
    places: str  # "pairs" (x1,y1),(x2,y2) | "lists" [[x1, y1, x2, y2], …] | "bins" <x1><y1><x2><y2>,…
    between: str = "\n"


def write(annotations: Sequence[Annotation], request: Request, size: tuple[int, int], units: tuple[int, int],
          marks: Marks) -> str:
    """Each name with its boxes (points for the task `point`) in whole units; "" where there is nothing."""
    named = [(plain_label(annotation.label), _numbers(place, size, units)) for annotation in annotations for place in
             (pointed(annotation) if request.task == "point" else (boxed(annotation, request.task),))]
    written = []
    for label, group in groupby(named, key=lambda found: found[0]):
        places = [numbers for _, numbers in group]
        alone = [[numbers] for numbers in places] if marks.places == "pairs" else [places]
        written += [name(label, marks) + marks.place[0] + _form(some, marks.places) + marks.place[1]
                    for some in alone]
    return marks.between.join(written)


def name(label: str, marks: Marks) -> str:
    return f"{marks.name[0]}{label}{marks.name[1]}"


def _numbers(place: Sequence[float], size: tuple[int, int], units: tuple[int, int]) -> list[int]:
    return [int(clamp(round(value / size[i % 2] * units[i % 2]), units[i % 2])) for i, value in enumerate(place)]


def _form(places: list[list[int]], form: str) -> str:
    if form == "pairs":
        return ",".join(f"({x},{y})" for numbers in places for x, y in zip(*[iter(numbers)] * 2, strict=True))
    if form == "bins":
        return ",".join("".join(f"<{number}>" for number in numbers) for numbers in places)
    return str(places)


def read(said: str, reading: Reading, untagged: bool = False) -> Found | None:
    """Adds every named place to `reading`; None where the text has none of these tags.

    `untagged`: read `(x1,y1),(x2,y2)` all the same, as it stands where a server has left the tags out.
    """
    if not untagged and not TAG.search(said):
        return None
    walk = _Walk(reading)
    for token in TOKEN.finditer(said):
        walk.take(token)
    if untagged and not reading.annotations:
        return None
    return Found(walk.inside or walk.half_name or bool(HALF_TAG.search(said[-50:])), walk.nothing)


class _Walk:
    """Goes over the tags: which name holds, since where, and whether it stands between the tags around places."""

    def __init__(self, reading: Reading):
        self.reading = reading
        self.label: str | None = ""  # None behind a relation
        self.start: int | None = None  # of the name
        self.opened = 0  # where the tag before the places stands
        self.inside = self.empty = self.nothing = self.half_name = False

    def take(self, token: re.Match) -> None:
        kind = "name" if token["name"] is not None else token.lastgroup
        self.half_name = False
        if kind == "name":
            self.label, self.start, self.inside = token["words"].strip(), token.start(), False
            self.half_name = token["named"] is None and token.end() == len(token.string)
        elif kind == "relation":
            self.label, self.inside = None, False
        elif kind == "open":
            self.inside, self.empty, self.opened = True, True, token.start()
        elif kind == "close":
            self.nothing = self.nothing or (self.inside and self.empty)
            self.inside = False
        elif self.label is not None and (self.inside or kind == "pairs"):
            self.empty = False
            self._place([float(number) for number in NUMBER.findall(token.group())], token)

    def _place(self, values: list[float], token: re.Match) -> None:
        start = self.start if self.start is not None else self.opened if self.inside else token.start()
        if len(values) == 2:
            point = self.reading.point(values)
            if point is not None:
                self.reading.add(Annotation(self.reading.label(self.label), points=(point,)), (start, token.end()))
        elif (box := self.reading.box(values)) is not None:
            self.reading.add(Annotation(self.reading.label(self.label), box), (start, token.end()))
