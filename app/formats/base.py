"""What a format is: `read` and `write` side by side, and the words in which both speak about rows.

    FORMAT = Format("coco", "COCO", "one JSON file, pictures beside it", read, write)
    for each in FORMAT.read(path): ...     # a Sample; or Repaired beside one; or Refused in its place
    lost = FORMAT.write(samples, folder)   # a sentence for each thing that the format cannot carry

A file tells rows (`Told`), and `app.formats.judging` alone decides what becomes of them: no format has a rule of its
own for a box that leaves its picture.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.types import Sample

CONVENTIONS = ("xyxy", "xywh", "unit", "thousandths")  # of boxes; the last two are xyxy in parts of the picture


@dataclass(frozen=True)
class Repaired:
    """A row that was kept, though not as it stood. `row` is where a person finds it: `line 7`, `a.xml`."""
    row: str
    how: str


@dataclass(frozen=True)
class Refused:
    """A row of which nothing was kept."""
    row: str
    why: str


class Odd(ValueError):
    """Why a row, or a part of it, cannot be kept: the end of a sentence that begins with it."""


class Unreadable(ValueError):
    """A file or folder of which nothing can be read. The text is one sentence."""


class Unclear(Unreadable):
    """What only a person can decide. The text asks; `choices` are the values of `option` that answer."""

    def __init__(self, question: str, option: str, choices: tuple[str, ...]):
        super().__init__(question)
        self.option, self.choices = option, choices


@dataclass(frozen=True)
class Options:
    """What a person may add to a path. A folder or a mirror of pictures; the answer to a question that was asked."""
    pictures: str = ""  # a folder, or the URL of a mirror
    urls: bool = False  # may pictures be fetched from where the rows say?
    boxes: str = ""  # one of CONVENTIONS, against what the format declares in pixels
    family: str = ""  # whose language the answers are written in
    scratch: Path | None = None  # where archives and indexes may lie for a while
    revision: str = ""  # of a dataset on the Hub


PLAIN = Options()


@dataclass(frozen=True)
class Thing:
    """One object as a file tells it. `place` is four numbers of whatever kind the file wrote them in."""
    label: object
    place: object = None
    kind: str = "xyxy"  # one of CONVENTIONS, or middle: cx, cy, w, h in parts of the picture
    points: tuple[tuple[str, object, object, str], ...] = ()  # name, x, y, visibility
    crowd: bool = False
    area: float | None = None
    score: float | None = None
    image: int = 0


@dataclass(frozen=True)
class Told:
    """One row as a file tells it, before anybody has looked at its pictures. `query` None: all classes of the file."""
    row: str
    files: tuple[str | Path, ...]  # a Path is certain, a text is looked up
    task: str
    query: str | None
    # None: nobody has looked. A function of the pictures' sizes, where the numbers cannot be read without them.
    things: tuple[Thing, ...] | Callable[[tuple[tuple[int, int], ...]], tuple[Thing, ...]] | None
    sizes: tuple[tuple[float, float] | None, ...] = ()  # which the file gives its pictures
    split: str | None = None
    answer: str | None = None
    urls: tuple[str, ...] = ()  # where its pictures are, if the file knows
    repairs: tuple[str, ...] = ()  # what the reader had to do already


Row = Sample | Repaired | Refused


@dataclass(frozen=True)
class Format:
    """`read(path, options)` streams; None where the format is for taking away only."""
    name: str
    title: str
    hint: str  # one line for a person: what to give, what it holds
    read: Callable[..., Iterator[Row]] | None
    write: Callable[[Iterable[Sample], Path], list[str]] | None
    aliases: tuple[str, ...] = ()


def split_of(word: object) -> str | None:
    """`train`, `val` or None for what people call the parts of a dataset; what is tested on is held out."""
    found = SPLIT.fullmatch(str(word or "").strip())
    return None if found is None else "train" if found[1].casefold().startswith("train") else "val"


# train2017, valid, testA: whole words, because a folder may be called `tests` or `validated`.
SPLIT = re.compile(r"(train|training|val|valid|validation|test|testing|dev|held-?out)(?:[ab]|\d{4})?", re.IGNORECASE)
