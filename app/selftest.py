"""The coordinate self-test: drawn marks go the whole way to a model and back, and must be where they were drawn.

Boxes that are shifted after a resize or a tuning are the loudest pain of the field, and two halves that share a mistake
agree with each other. So every step is held to the drawing itself, in pixels of the upright original:

    seen       picture file → upright pixels → processor → what the model sees: the marks are looked for in there
    frame      its size is what the backend reports, what the family predicts and, if given, what training uses
    written    `format` → text, whose numbers are taken for what their makers published, not for what the family thinks
    read back  the same text → `parse`

What is allowed follows from the resolution. A number stands for the places half a step around it (a bin, a thousandth,
an input pixel). A resize puts an edge no finer than half a pixel of the coarser of both pictures.
"""
from __future__ import annotations

import math
import random
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
from PIL.Image import Transpose

from app import pictures
from app.backends.seen import Unseen, find, look
from app.families import Family
from app.geometry import to_input
from app.types import Annotation, Box, Frame, Generation, Image, Parsed, Point, Request

COLOURS = ("red", "green", "blue")  # on black, so each channel of what the model sees holds one mark and nothing else
SIZES = ((80, 640), (640, 80), (64, 64), (33, 35), (57, 41), (500, 375), (375, 500), (7, 9), (1023, 771), (200, 1600),
         (2400, 300), (2000, 1500))
# Each EXIF orientation, and how a camera held that way stores the upright picture.
STORED = {1: None, 2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM,
          5: Transpose.TRANSPOSE, 6: Transpose.ROTATE_90, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_270}
CASES = (*((size, 1) for size in SIZES), *(((96, 48), turn) for turn in STORED if turn != 1))
TASKS = ("detect", "ground", "point", "keypoints")  # those that are answered in places
SERVING = Generation()
TINY = 1e-6  # of a side: what floating point may differ


@dataclass(frozen=True)
class SelfTest:
    """What came out. `ok` is None where it could not be tested; `untested` says why, and nobody may take it for green.

    The worst error is that of the drawing which is furthest off, or of what fails most; both in original pixels.
    """
    ok: bool | None
    worst_error_px: float | None = None
    tolerance_px: float | None = None
    cases: int = 0
    failures: tuple[str, ...] = ()  # one sentence for each step that fails
    untested: str = ""

    @property
    def badge(self) -> str:
        if self.ok is None:
            return f"coordinates not tested: {self.untested}"
        if self.ok:
            return f"coordinates right: {self.cases} drawings, at most {self.worst_error_px:.1f} px off"
        return f"coordinates wrong: {self.worst_error_px:.1f} px off where {self.tolerance_px:.1f} px are allowed"

    def to_json(self) -> dict:
        return {"ok": self.ok, "badge": self.badge, "worst_error_px": self.worst_error_px,
                "tolerance_px": self.tolerance_px, "cases": self.cases, "failures": list(self.failures),
                "untested": self.untested or None}


@dataclass(frozen=True)
class Numbers:
    """What the numbers in an answer count, as the makers of the models published it."""
    whole: float | None  # a side of the picture; None: as many as the model's input has pixels
    y_first: bool = False
    token: str = r"(?<!\w)(\d+(?:\.\d+)?)(?!\w)"  # a number that is part of no word, such as bbox_2d
    step: float = 1.0
    last: float = math.inf  # the greatest that can be written
    middle: float = 0.0  # where a bin is read
    cells: int = 0  # one number stands for a column and a row of a grid this wide

    def claimed(self, text: str) -> list[float]:
        """The x, y, x, y, … that a text claims, in units of `whole`."""
        numbers = [float(number) for number in re.findall(self.token, text)]
        if self.cells:
            numbers = [part for cell in numbers for part in (cell % self.cells, cell // self.cells)]
        if self.y_first and len(numbers) % 2 == 0:
            numbers = [numbers[i ^ 1] for i in range(len(numbers))]
        return [number + self.middle for number in numbers]


# By family. Where they are published stands in each family's own file; here they are said a second time on purpose.
LOC = Numbers(1024, y_first=True, token=r"<loc(\d{4})>", last=1023)
THOUSANDTHS = Numbers(1000)
PUBLISHED = {
    "paligemma": LOC, "gemma-3": LOC,
    "florence-2": Numbers(1000, token=r"<loc_(\d+)>", middle=0.5),
    "kosmos-2": Numbers(32, token=r"<patch_index_(\d{4})>", middle=0.5, cells=32),
    "qwen-vl": THOUSANDTHS, "qwen2-vl": THOUSANDTHS, "qwen2.5-vl": Numbers(None), "qwen3-vl": THOUSANDTHS,
    "internvl": THOUSANDTHS, "glm-4.6v": THOUSANDTHS, "smolvlm": THOUSANDTHS, "idefics3": THOUSANDTHS,
    "cogvlm": Numbers(1000, last=999), "deepseek-vl2": Numbers(999), "rex-omni": Numbers(999),
    "gemma-4": Numbers(1000, y_first=True), "gemini": Numbers(1000, y_first=True),
    "molmo": Numbers(100, token=r'\b[xy]\d*="(\d+(?:\.\d+)?)"', step=0.1),
    "molmo2": Numbers(1000, token=r'(\d+)(?=(?: \d+)?")'),  # behind the numbers of the picture and of the point
    "lfm2.5-vl": Numbers(1, step=1e-3), "moondream": Numbers(1, step=1e-6),
}


@dataclass(frozen=True)
class Drawing:
    """A picture file with one to three marks on it, each in its own colour."""
    image: Image
    size: tuple[int, int]
    marks: tuple[Box, ...]
    turn: int


class Row(NamedTuple):
    """One thing that was measured, in pixels of the original. `sentence` is true if it is off by too much."""
    step: str
    error: float
    tolerance: float
    sentence: str

    @property
    def fails(self) -> bool:
        return self.error > self.tolerance


def selftest(model, serving: Generation = SERVING, training: Generation | None = None) -> SelfTest:
    """Tests a loaded model with the pixel budget it is asked with and, if given, the one that it is trained with.

    The model itself is not asked, so it costs about a second; nothing is kept but the result.
    """
    family = model.family
    if family.backend == "detector":
        return SelfTest(None, untested="a detector's boxes come from its own head, not from numbers in a text")
    if family.name not in PUBLISHED or not _tasks(family):
        return SelfTest(None, untested=f"app/selftest.py does not say what {family.title}'s numbers count")
    rows, unseen = [], ""
    with tempfile.TemporaryDirectory(prefix="boxloop-selftest-") as folder:
        for number in range(len(CASES)):
            drawing = draw(number, Path(folder))
            try:
                rows += _seen(model, drawing, serving, training)
            except Unseen as problem:
                unseen = str(problem)
                rows += _codec(family, drawing, family.frame(drawing.size))
    return _result(rows, unseen)


def draw(number: int, folder: Path) -> Drawing:
    """The drawing of one of CASES: the same marks at every call, the second one in the far corner."""
    (width, height), turn = CASES[number]
    chance = random.Random(number)
    canvas, marks = np.zeros((height, width, 3), np.uint8), []
    for colour in range(1 + number % len(COLOURS)):
        (x1, x2), (y1, y2) = (_stretch(chance, side, at_end=colour == 1) for side in (width, height))
        canvas[y1:y2, x1:x2, colour] = 255
        marks.append((float(x1), float(y1), float(x2), float(y2)))
    picture, exif = PIL.Image.fromarray(canvas), PIL.Image.Exif()
    exif[pictures.ORIENTATION] = turn
    stored = picture if STORED[turn] is None else picture.transpose(STORED[turn])
    stored.save(folder / f"{number}.png", exif=exif, compress_level=1)
    return Drawing(pictures.read(folder / f"{number}.png"), (width, height), tuple(marks), turn)


def _stretch(chance: random.Random, side: int, at_end: bool) -> tuple[int, int]:
    """A quarter to a half of a side, some pixels wide in the smallest input too.

    It ends at the border or well before it: of a gap of half an input pixel nobody can say whether it is one.
    """
    length, gap = max(2, round(side * chance.uniform(0.25, 0.45))), max(1, side // 8)
    start = side - length if at_end else chance.randint(gap, side - gap - length)
    return start, start + length


def _seen(model, drawing: Drawing, serving: Generation, training: Generation | None) -> Iterator[Row]:
    """Everything that is measured on one drawing. Raises Unseen."""
    request, _ = _asked(_tasks(model.family)[0], drawing)
    sight, reported = look(model, request, serving)
    real = Frame(drawing.size, _size(sight))
    predicted = model.family.frame(drawing.image.size, model.pixels(serving.max_pixels))
    yield _framed("frame", reported, real, "the backend reports")
    yield _framed("frame", predicted, real, f"{model.family.title}'s rule predicts")
    if training is not None:
        trained, _ = look(model, request, training)
        yield same_frame(Frame(drawing.size, _size(trained)), real)
    for colour, mark in enumerate(drawing.marks):
        yield _marked(sight[..., colour], mark, COLOURS[colour], drawing)
    yield from _codec(model.family, drawing, reported, real)


def same_frame(trained: Frame, served: Frame) -> Row:
    """Fails where training shows the model a picture in another size than it is asked about."""
    return _framed("training", trained, served, "with its pixel budget, training uses")


def _framed(step: str, claimed: Frame, real: Frame, who: str) -> Row:
    """How far a coordinate in the far corner is off if it is read with the wrong frame."""
    error = max(side * abs(1 - a / b)
                for side, a, b in zip(real.image_size, to_input(claimed), to_input(real), strict=True))
    return Row(step, error, TINY * max(real.image_size),
               f"{who} {_by(claimed.input_size)} for a picture of {_by(claimed.image_size)}, but the model sees "
               f"{_by(real.input_size)} of {_by(real.image_size)} when it is asked")


def _marked(plane: np.ndarray, mark: Box, colour: str, drawing: Drawing) -> Row:
    """The mark in what the model sees, against where it was drawn."""
    scale = [side / seen for side, seen in zip(drawing.size, _size(plane), strict=True)]  # original pixels per input's
    tolerances = [max(1.0, scale[i % 2]) / 2 for i in range(4)]
    found = find(plane)
    there = None if found is None else tuple(value * scale[i % 2] for i, value in enumerate(found))
    where = "is no whole rectangle any more" if there is None else f"is seen at {_places(there)}"
    turned = f", EXIF orientation {drawing.turn}" if drawing.turn != 1 else ""
    return Row("seen", *_off(there, mark, tolerances, drawing), f"the {colour} mark at {_places(mark)} of a picture of "
               f"{_by(drawing.size)}{turned} {where}: the picture is turned, cropped, padded or resized on its way in")


def _codec(family: Family, drawing: Drawing, frame: Frame, real: Frame | None = None) -> Iterator[Row]:
    """The marks, written and read back; the text is held to what the numbers count in the size that was really seen."""
    numbers = PUBLISHED[family.name]
    whole = (numbers.whole,) * 2 if numbers.whole else (real or frame).input_size
    unit = [side / units for side, units in zip(drawing.size, whole, strict=True)]  # original pixels in one
    for task in _tasks(family):
        request, targets = _asked(task, drawing)
        text = family.format(targets, request, frame)
        truth = _values(targets)
        tolerances = [max(numbers.step / 2, value / unit[i % 2] - numbers.last) * unit[i % 2]
                      for i, value in enumerate(truth)]
        claimed = [value * unit[i % 2] for i, value in enumerate(numbers.claimed(text))]
        yield Row("written", *_off(claimed, truth, tolerances, drawing), _written(family, task, text, truth, claimed))
        parsed = family.parse(text, request, frame)
        yield Row("read back", *_off(_values(parsed.annotations), truth, tolerances, drawing),
                  _read_back(family, task, text, truth, parsed))


def _written(family: Family, task: str, text: str, truth: Sequence[float], claimed: Sequence[float]) -> str:
    return (f"{family.title} writes {_places(truth)} as {_short(text)} ({task}), and by what its makers published that "
            f"is {_places(claimed)}: the order, the unit or the frame of its numbers is wrong")


def _read_back(family: Family, task: str, text: str, truth: Sequence[float], parsed: Parsed) -> str:
    return (f"{family.title} reads its own {_short(text)} ({task}) as {_places(_values(parsed.annotations))} "
            f"({parsed.status}) instead of {_places(truth)}")


def _tasks(family: Family) -> tuple[str, ...]:
    return tuple(task for task in TASKS if task in family.tasks)


def _asked(task: str, drawing: Drawing) -> tuple[Request, tuple[Annotation, ...]]:
    """A question about the marks and its true answer. No words with digits: every number in a text is a coordinate."""
    first, count = drawing.marks[0], len(drawing.marks)
    middle = (first[0] + first[2]) / 2, (first[1] + first[3]) / 2
    if task == "detect":
        return (Request((drawing.image,), task, names=COLOURS[:count]),
                tuple(Annotation(colour, mark) for colour, mark in zip(COLOURS, drawing.marks)))
    if task == "keypoints":
        return (Request((drawing.image,), task, names=("middle",)),
                (Annotation("person", first, (Point("middle", *middle),)),))
    target = Annotation("red", first) if task == "ground" else Annotation("red", points=(Point("", *middle),))
    return Request((drawing.image,), task, caption="red"), (target,)


def _values(annotations: Sequence[Annotation]) -> list[float]:
    return [value for found in annotations
            for place in (found.box or (), *((point.x, point.y) for point in found.points)) for value in place]


def _off(got: Sequence[float] | None, truth: Sequence[float], tolerances: Sequence[float], drawing: Drawing
         ) -> tuple[float, float]:
    """The error of the worst number and what it may be; a place that is missing is off by the whole picture."""
    allowed = [tolerance + TINY * max(drawing.size) for tolerance in tolerances]
    if got is None or len(got) != len(truth):
        return float(max(drawing.size)), max(allowed)
    pairs = [(abs(value - true), most) for value, true, most in zip(got, truth, allowed, strict=True)]
    return max(pairs, key=lambda pair: pair[0] / pair[1])


def _result(rows: Sequence[Row], unseen: str) -> SelfTest:
    failing = [row for row in rows if row.fails]
    worst = max(failing or rows, key=lambda row: row.error)
    if unseen and not failing:
        return SelfTest(None, untested=unseen)
    steps = dict.fromkeys(row.step for row in failing)
    return SelfTest(not failing, round(float(worst.error), 3), round(float(worst.tolerance), 3), len(CASES),
                    tuple(_failure([row for row in failing if row.step == step]) for step in steps))


def _failure(rows: Sequence[Row]) -> str:
    """One sentence for all that fails at one step: of the one that is furthest off."""
    worst = max(rows, key=lambda row: row.error)
    more = f" ({len(rows) - 1} more like it)" if len(rows) > 1 else ""
    return f"{worst.step}: {worst.sentence}{more}"


def _size(picture: np.ndarray) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


def _by(size: Sequence[float]) -> str:
    return "×".join(map(str, size))


def _places(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in values) + ")"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 120 else flat[:119] + "…")
