"""Boxes by class, the second step of the Qwen2-VL project: a JSON list with a dictionary per picture.

    [{"image_path": "a.jpg", "object": {"person": [[x1, y1, x2, y2]], "car": [[x1, y1, x2, y2]]}}]
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from app.formats import listing
from app.formats.base import PLAIN, Format, Odd, Options, Row, Thing, Told
from app.formats.writing import Folder, Lines, Lost, known, names_of, rounded
from app.types import Sample

LIKE = '{"image_path": "a.jpg", "object": {"person": [[10, 20, 30, 40]]}}'


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A .json or .jsonl, or a folder or zip with such files. Raises Unreadable, Unclear."""
    return listing.read(path, options, _row, like=LIKE, classes=_classes)


def _classes(told: dict) -> Iterator[str]:
    objects = told.get("object")
    yield from (label for label in objects if isinstance(label, str)) if isinstance(objects, dict) else ()


def _row(told: dict) -> Iterator[Told]:
    objects = told.get("object", told.get("objects"))
    if not isinstance(objects, dict):
        raise Odd(f"has no object with boxes by class, as in {LIKE}")
    things = []
    for label, boxes in objects.items():
        if not isinstance(boxes, list):
            raise Odd(f"has boxes of {label[:40]!r} that are no list")
        things += [Thing(label, tuple(box) if isinstance(box, list) else box) for box in boxes]
    yield Told("", listing.pictures(told, "image_path", "image"), "detect", None, tuple(things), (listing.size(told),))


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`objects.json` and `images/`. A class that was looked for and not found has an empty list."""
    lost = Lost()
    folder = Folder(out, lost)
    with Lines(out / "objects.json", array=True) as lines:
        for sample in known(samples, ("detect",), lost):
            objects: dict[str, list] = {name: [] for name in names_of(sample)}
            for each in sample.truth:
                lost.unsaid(each, carried=("box",))
                if each.box:
                    objects[each.label].append(rounded(each.box))
            if [each.label for each in sample.truth] != [label for label in objects for _ in objects[label]]:
                lost.add("samples whose objects are sorted by class now")
            if sample.images[0].split:
                lost.add("samples' splits")
            lines.add({"image_path": folder.place(sample.images[0]), "object": objects})
    return lost.sentences()


FORMAT = Format("per-class", "Boxes by class", "a .json of image_path and object: {class: [[x1, y1, x2, y2]]}, the "
                "Qwen2-VL project's second step", read, write, aliases=("per_class", "qwen2-vl-objects"))
