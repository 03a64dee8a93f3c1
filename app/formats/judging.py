"""What becomes of a row that a file tells: a Sample, repaired on the way if need be, or refused with the reason.

One place for all formats. A box that leaves its picture is cut, one without a size is left out, swapped corners are put
in order: each is said. A row with something that cannot be understood is refused whole, because half a truth is a wrong
one. Boxes that look like another convention than the declared one are asked about before anything is kept.
"""
from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from app import pictures
from app.annotations import LONGEST_LABEL, MOST
from app.formats.base import Odd, Options, Refused, Repaired, Row, Thing, Told, Unclear
from app.formats.finding import Missing, Pictures
from app.geometry import clamp, clipped, ordered
from app.intake.names import TURNS, listed
from app.tasks import LONGEST_QUERY
from app.types import VISIBILITIES, Annotation, Image, Point, Sample

LOOKED_AT = 300  # rows, before the first is believed
SLACK = 1.0  # pixels beyond the edge that are rounding, not a mistake
SMALLEST = 2  # pixels of a picture's side
KEPT_OPEN = 4_096  # headers of pictures that rows may come back to


def judged(rows: Iterable[Told | Refused | Repaired], found: Pictures, options: Options, *, source: str,
           names: Sequence[str] = ()) -> Iterator[Row]:
    """Rows → samples, with what was repaired before them. `names` are the classes of the file, for a `query` of None.

    Raises Unclear where the boxes are not what the format says that they are.
    """
    judge = _Judge(found, options, source, names)
    rows = iter(rows)
    first = list(islice(rows, LOOKED_AT))
    if not options.boxes:
        _ask(first, judge)
    for row in chain(first, rows):
        if isinstance(row, Told):
            yield from judge.of(row)
        else:
            yield row


def common_query(names: Iterable[str], present: Iterable[str] = ()) -> str:
    """All the names that a question may hold; those that are there first, where not all fit."""
    whole = "; ".join(names := list(dict.fromkeys(map(one_name, names))))
    if len(whole) <= LONGEST_QUERY:
        return whole
    kept, length = [], 0
    for name in dict.fromkeys((*map(one_name, present), *names)):
        length += len(name) + 2
        if length > LONGEST_QUERY:
            break
        kept.append(name)
    return "; ".join(kept)


def one_name(label: str) -> str:
    """A label as a question can name it: `;` separates names there, and spaces are single."""
    return " ".join(label.replace(";", ",").split())


class _Judge:
    """Opens pictures, keeps the headers of the last ones, and knows the rows that it has seen."""

    def __init__(self, found: Pictures, options: Options, source: str, names: Sequence[str]):
        self._found, self._options, self._source, self._names = found, options, source, names
        self._open: OrderedDict = OrderedDict()
        self._seen: dict[bytes, str] = {}

    def of(self, told: Told) -> Iterator[Row]:
        repairs = list(told.repairs)
        try:
            sample = self._sample(told, repairs)
        except (Odd, Missing, pictures.PictureError) as problem:
            yield Refused(told.row, str(problem))
            return
        key = bytes.fromhex(sample.id)
        if key in self._seen:
            repairs.append(f"is the same as {self._seen[key]}; it was kept once")
        self._seen.setdefault(key, told.row)
        if repairs:
            yield Repaired(told.row, "; ".join(dict.fromkeys(repairs)))
        yield sample

    def image(self, file, url: str = "") -> Image:
        path, name = self._found.find(file, url)
        if path not in self._open:
            self._open[path] = pictures.read(path)
            if len(self._open) > KEPT_OPEN:
                self._open.popitem(last=False)
        opened = self._open[path]
        if min(opened.size) < SMALLEST:
            raise Odd(f"{name} has {opened.size[0]}×{opened.size[1]} pixels, in which nothing can be seen")
        return Image(opened.path, opened.size, opened.sha256, name=name)

    def _sample(self, told: Told, repairs: list[str]) -> Sample:
        if not told.files:
            raise Odd("names no picture")
        urls = (*told.urls, *[""] * len(told.files))
        images = tuple(self.image(file, url) for file, url in zip(told.files, urls))
        scales = [_scale(image, size, repairs) for image, size in zip(images, (*told.sizes, *[None] * len(images)))]
        things = told.things(tuple(image.size for image in images)) if callable(told.things) else told.things
        truth = None if things is None else self._truth(things, images, scales, repairs)
        query = told.query
        if query is None:
            query = common_query(self._names, (each.label for each in truth or ()))
        query = _clean(query, repairs, "question")
        if len(query) > LONGEST_QUERY:
            raise Odd(f"has a question of {len(query):,} characters; the limit is {LONGEST_QUERY:,}")
        split = told.split
        images = tuple(Image(i.path, i.size, i.sha256, split=split, name=i.name) for i in images)
        answer = None if told.answer is None else _clean(str(told.answer), repairs, "answer", lines=True)
        sample = Sample("", images, told.task, query, truth, answer, self._source)
        return Sample(identity(sample), *(getattr(sample, field) for field in
                                          ("images", "task", "query", "truth", "answer", "source")))

    def _truth(self, things: Sequence[Thing], images: Sequence[Image], scales: Sequence[tuple[float, float]],
               repairs: list[str]) -> tuple[Annotation, ...]:
        if len(things) > MOST:
            raise Odd(f"has {len(things):,} objects; the limit is {MOST:,}")
        kept = []
        for thing in things:
            if not 0 <= thing.image < len(images):
                raise Odd(f"has an object in picture {thing.image + 1} of {len(images)}")
            annotation = _annotation(thing, images[thing.image].size, scales[thing.image],
                                     self._options.boxes, repairs)
            if annotation is not None:
                kept.append(annotation)
        if things and not kept:
            raise Odd(f"{repairs[-1]}, and then none of its objects is left")
        return tuple(kept)


def identity(sample: Sample) -> str:
    """32 hex digits of all that a sample says: the same row imported again is the same sample, and no other is."""
    told = [[image.sha256 for image in sample.images], sample.task, sample.query,
            None if sample.truth is None else [
                [a.label, a.box and [float(value) for value in a.box],
                 [[p.name, float(p.x), float(p.y), p.visibility] for p in a.points], a.score, a.image, a.crowd, a.area]
                for a in sample.truth],
            sample.answer]
    return hashlib.sha256(json.dumps(told, ensure_ascii=True).encode()).hexdigest()[:32]


def _ask(rows: Sequence, judge: _Judge) -> None:
    """Raises Unclear if many of the first boxes are impossible as declared, and all are possible in another way."""
    found: dict[str, list] = {"xyxy": [], "xywh": []}
    for told in rows:
        for thing in (told.things or ()) if isinstance(told, Told) and not callable(told.things) else ():
            if thing.kind in found and _four(thing.place):
                found[thing.kind].append((thing.place, _size_of(told, thing.image, judge)))
    for kind, boxes in found.items():
        wrong = sum(not POSSIBLE[kind](place, size) for place, size in boxes)
        for other in (each for each in POSSIBLE if each != kind and wrong >= 2):
            share, least = SUSPECT[other]
            if wrong >= share * len(boxes) and len(boxes) >= least and all(
                    POSSIBLE[other](place, size) for place, size in boxes):
                raise Unclear(f"the boxes should be {SHAPES[kind]}, but {wrong} of the first {len(boxes)} are "
                              f"impossible so, and all are possible as {SHAPES[other]}; say which they are: --boxes "
                              f"{other} or --boxes {kind}", "boxes", (other, kind))


def _possible_xyxy(box: Sequence[float], size: tuple | None) -> bool:
    return box[0] <= box[2] and box[1] <= box[3] and max(box) > 1 and (
        not size or (box[2] <= size[0] + SLACK and box[3] <= size[1] + SLACK))


def _possible_xywh(box: Sequence[float], size: tuple | None) -> bool:
    return min(box[2:]) > 0 and max(box) > 1 and (
        not size or (box[0] + box[2] <= size[0] + SLACK and box[1] + box[3] <= size[1] + SLACK))


def _possible_part(whole: float) -> Callable:
    return lambda box, size: 0 <= box[0] <= box[2] <= whole and 0 <= box[1] <= box[3] <= whole


POSSIBLE: dict[str, Callable] = {"xyxy": _possible_xyxy, "xywh": _possible_xywh, "unit": _possible_part(1.0),
                                 "thousandths": _possible_part(1_000)}
# From which share of wrong boxes, and of how many, another way is worth a question. Many pictures have 1,000 pixels,
# so only much that lies outside speaks for thousandths.
SUSPECT = {"xyxy": (0.25, 2), "xywh": (0.25, 2), "unit": (0.9, 2), "thousandths": (0.5, 5)}
SHAPES = {"xyxy": "x1, y1, x2, y2", "xywh": "x, y, width, height", "unit": "parts of the picture from 0 to 1",
          "thousandths": "thousandths of the picture"}


def _size_of(told: Told, index: int, judge: _Judge) -> tuple[float, float] | None:
    try:
        if index < len(told.sizes) and told.sizes[index]:
            return told.sizes[index]
        return judge.image(told.files[index], (*told.urls, *[""] * len(told.files))[index]).size
    except (IndexError, Odd, Missing, pictures.PictureError):
        return None  # the row itself will say so


def _scale(image: Image, told: tuple[float, float] | None, repairs: list[str]) -> tuple[float, float]:
    """From the pixels that the file speaks of to those of the picture: tools resize pictures and keep old numbers."""
    if told is None or told == image.size or not _numbers(told) or min(told) <= 0:
        return 1.0, 1.0
    x, y = image.size[0] / told[0], image.size[1] / told[1]
    if abs(x / y - 1) > 0.02:
        lying = " (lying on its side)" if tuple(told) == image.size[::-1] else ""
        raise Odd(f"says that {image.name} has {told[0]:g}×{told[1]:g} pixels{lying}, and it has "
                    f"{image.size[0]}×{image.size[1]}; give the picture that was annotated")
    repairs.append(f"its numbers are for {told[0]:g}×{told[1]:g} pixels and were scaled to "
                   f"{image.size[0]}×{image.size[1]}")
    return x, y


def _annotation(thing: Thing, size: tuple[int, int], scale: tuple[float, float], boxes: str,
                repairs: list[str]) -> Annotation | None:
    if not isinstance(thing.label, str) or not thing.label.strip():
        raise Odd(f"has an object without a label ({str(thing.label)[:40]!r})")
    label = _clean(thing.label, repairs, "label")
    if ";" in label:
        repairs.append(f"the label {label[:40]!r} holds a `;`, which separates labels, and got a comma")
        label = one_name(label)
    if len(label) > LONGEST_LABEL:
        raise Odd(f"has a label of {len(label):,} characters; the limit is {LONGEST_LABEL:,}")
    box = None
    if thing.place is not None:
        box = _box(thing, label, size, scale, boxes, repairs)
        if box is None:
            return None
    points = tuple(_point(point, label, size, scale, thing.kind, repairs) for point in thing.points)
    area, score = _optional(thing.area), _optional(thing.score)
    if box and area is not None:
        area *= scale[0] * scale[1]
        if abs(area - (box[2] - box[0]) * (box[3] - box[1])) < 0.5:
            area = None  # it says nothing that the box does not
    return Annotation(label, box, points, score, image=thing.image, crowd=bool(thing.crowd), area=area)


def _box(thing: Thing, label: str, size: tuple[int, int], scale: tuple[float, float], boxes: str,
         repairs: list[str]) -> tuple | None:
    if not _four(thing.place):
        raise Odd(f"has a box of {label!r} that is not four numbers ({str(thing.place)[:60]})")
    kind = boxes if boxes and thing.kind in ("xyxy", "xywh") else thing.kind
    corners = CORNERS[kind](*map(float, thing.place), *size)
    if kind in ("xyxy", "xywh"):
        corners = tuple(value * scale[i % 2] for i, value in enumerate(corners))
    box = ordered(corners)
    if box != corners:
        if kind in ("xywh", "middle"):
            raise Odd(f"has a box of {label!r} with a negative size ({_short(thing.place)})")
        repairs.append(f"the corners of {label!r} were swapped ({_short(thing.place)})")
    kept = clipped(box, size)
    if kept[0] >= kept[2] or kept[1] >= kept[3]:
        why = "has no size" if box[0] >= box[2] or box[1] >= box[3] else "is outside the picture"
        repairs.append(f"a box of {label!r} {why} ({_short(thing.place)}) and was left out")
        return None
    if max(abs(a - b) for a, b in zip(kept, box)) > SLACK:
        repairs.append(f"a box of {label!r} left the picture ({_short(thing.place)}) and was cut to it")
    return kept


CORNERS: dict[str, Callable] = {
    "xyxy": lambda a, b, c, d, w, h: (a, b, c, d),
    "xywh": lambda a, b, c, d, w, h: (a, b, a + c, b + d),
    "middle": lambda a, b, c, d, w, h: ((a - c / 2) * w, (b - d / 2) * h, (a + c / 2) * w, (b + d / 2) * h),
    "unit": lambda a, b, c, d, w, h: (a * w, b * h, c * w, d * h),
    "thousandths": lambda a, b, c, d, w, h: (a * w / 1_000, b * h / 1_000, c * w / 1_000, d * h / 1_000)}


def _point(told: tuple, label: str, size: tuple[int, int], scale: tuple[float, float], kind: str,
           repairs: list[str]) -> Point:
    name, x, y, visibility = told
    if visibility not in VISIBILITIES:
        raise Odd(f"has a point of {label!r} that is {str(visibility)[:40]!r}, which is none of "
                    f"{', '.join(VISIBILITIES)}")
    if not _numbers((x, y)):
        raise Odd(f"has a point of {label!r} without numbers ({str((x, y))[:60]})")
    times = size if kind in ("middle", "unit") else scale
    x, y = float(x) * times[0], float(y) * times[1]
    if visibility == "absent":
        return Point(str(name), 0.0, 0.0, visibility)
    inside = clamp(x, size[0]), clamp(y, size[1])
    if max(abs(inside[0] - x), abs(inside[1] - y)) > SLACK:
        repairs.append(f"the point {str(name)[:40]!r} of {label!r} was outside the picture and moved to its edge")
    return Point(str(name)[:LONGEST_LABEL], *inside, visibility)


def _clean(text: str, repairs: list[str], what: str, lines: bool = False) -> str:
    """Without control characters, half surrogate pairs and marks that turn the direction of writing."""
    if text.isascii() and text.isprintable():
        return text.strip() if lines else " ".join(text.split())
    kept = "".join(c for c in text if c in "\n\t" or (unicodedata.category(c) not in ("Cc", "Cs") and c not in TURNS))
    if kept != text:
        repairs.append(f"signs that cannot be shown were taken out of its {what}")
    return kept.strip() if lines else " ".join(kept.split())


def _four(place: object) -> bool:
    return isinstance(place, list | tuple) and len(place) == 4 and _numbers(place)


def _numbers(values: Sequence) -> bool:
    return all(type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e9 for value in values)


def _optional(value: object) -> float | None:
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def _short(place: Sequence[float]) -> str:
    return listed([f"{value:g}" for value in place]) if len(place) > 4 else ", ".join(f"{v:g}" for v in place)
