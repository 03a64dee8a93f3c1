"""Captions as JSON lines: a picture, what is asked about it, and the true answer where somebody gave one.

    {"file_name": "a.jpg", "caption": "the cat on the left", "task": "ground", "truth": [ANNOTATION], "split": "val"}

The list that the page takes with its pictures, without its limits. It carries more of a sample than any other format.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from app.formats import listing
from app.formats.base import PLAIN, Format, Odd, Options, Row, Thing, Told, split_of
from app.formats.writing import Folder, Lines, Lost
from app.intake import lists
from app.types import Annotation, Sample

DEFAULT = "phrases"  # a caption without a task: each thing that it names
MOST = 1_000  # pictures in a row


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A .jsonl or .json, or a folder or zip with such files. Raises Unreadable."""
    return listing.read(path, options, _row, like=lists.EXAMPLE)


def _row(told: dict) -> Iterator[Told]:
    keys = {str(key).casefold(): value for key, value in told.items()}
    files = listing.pictures(keys, *lists.FILE_KEYS, "images")
    problems: list[str] = []
    try:
        row = lists.row(keys | {"file_name": files[0]}, 0, problems, "the row")
    except lists.ListRefused as problem:
        raise Odd(str(problem)) from problem
    answer = keys.get("answer")
    yield Told("", files, row.task or ("ask" if answer is not None else DEFAULT), row.query, truth(row.truth),
               split=split_of(keys.get("split")), answer=None if answer is None else str(answer),
               repairs=tuple(problem.partition(": ")[2] for problem in problems))


def truth(told: object) -> tuple[Thing, ...] | None:
    """[ANNOTATION] as Things; what is inside them is judged later."""
    if told is None:
        return None
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise Odd("has a truth that is no list of objects")
    things = []
    for each in told:
        points = each.get("points") or []
        if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
            raise Odd("has points that are no list of points")
        box = each.get("box")
        things.append(Thing(
            each.get("label"), tuple(box) if isinstance(box, list) else box,
            points=tuple((str(p.get("name") or ""), p.get("x"), p.get("y"), p.get("visibility", "visible"))
                         for p in points),
            crowd=each.get("crowd") is True, area=each.get("area"), score=each.get("score"),
            image=each["image"] if type(each.get("image")) is int else 0))
    return tuple(things)


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`captions.jsonl` and `images/`."""
    lost = Lost()
    folder = Folder(out, lost)
    with Lines(out / "captions.jsonl") as lines:
        for sample in samples:
            names = [folder.place(image) for image in sample.images]
            row = {"file_name": names[0]} if len(names) == 1 else {"images": names}
            row |= {"caption": sample.query, "task": sample.task}
            if sample.truth is not None:
                row["truth"] = [_annotation(each) for each in sample.truth]
            if sample.answer is not None:
                row["answer"] = sample.answer
            if sample.images[0].split:
                row["split"] = sample.images[0].split
            lines.add(row)
    return lost.sentences()


def _annotation(annotation: Annotation) -> dict:
    told = annotation.to_json()
    if annotation.area is not None:
        told["area"] = annotation.area
    if annotation.crowd:
        told["crowd"] = True
    return told | ({"image": annotation.image} if annotation.image else {})


FORMAT = Format("captions", "Captions", "a .jsonl of file_name and caption, with the truth if there is one. Every task",
                read, write, aliases=("captions-jsonl",))
