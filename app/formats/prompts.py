"""GRPO Images Trainer: a JSON list of prompts, each with the box that the answered point should lie in.

    [{"img_filename": "a.png", "instruction": "Click on Save", "bbox": [10, 20, 30, 40]}]      x, y, width, height
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from app.formats import listing
from app.formats.base import PLAIN, Format, Options, Row, Thing, Told
from app.formats.writing import Folder, Lines, Lost, known, rounded
from app.types import Sample

LIKE = '{"img_filename": "a.png", "instruction": "Click on Save", "bbox": [10, 20, 30, 40]}'


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A .json or .jsonl, or a folder or zip with such files. Raises Unreadable, Unclear."""
    return listing.read(path, options, _row, like=LIKE)


def _row(told: dict) -> Iterator[Told]:
    files = listing.pictures(told, "img_filename", "image", "file_name")
    asked = listing.text(told, "instruction", "prompt")
    box = told.get("bbox")
    things = None if box is None else (Thing(asked, tuple(box) if isinstance(box, list) else box, "xywh"),)
    yield Told("", files[:1], "point", asked, things, (listing.size(told),))


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`prompts.json` and `images/`: what asks for one place, and has one box."""
    lost = Lost()
    folder = Folder(out, lost)
    with Lines(out / "prompts.json", array=True) as lines:
        for sample in known(samples, ("point", "ground"), lost):
            boxes = [each for each in sample.truth if each.box]
            if len(boxes) != 1:
                lost.add("samples that do not have exactly one box")
                continue
            lost.unsaid(boxes[0], carried=("box",))
            if boxes[0].label != sample.query:
                lost.add("labels beside the prompt")
            if sample.task == "ground":
                lost.add("samples that ask for a box: they come back asking for a point")
            if sample.images[0].split:
                lost.add("samples' splits")
            x1, y1, x2, y2 = boxes[0].box
            lines.add({"img_filename": folder.place(sample.images[0]), "instruction": sample.query,
                       "bbox": rounded((x1, y1, x2 - x1, y2 - y1))})
    return lost.sentences()


FORMAT = Format("prompts", "Prompts and boxes", "a .json of img_filename, instruction and bbox, as GRPO Images Trainer "
                "takes it. One box a prompt", read, write, aliases=("grpo-images", "grpo-images-trainer"))
