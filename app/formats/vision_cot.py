"""Vision-CoT: rows of a question, its answer in words, and the boxes that one must look at to answer it.

    {"question": "what is the brand of phone?", "answer": "nokia", "image": "a.jpg", "width": 512, "height": 365,
     "bboxs": [[168, 168, 193, 178]], "dataset": "textvqa", "split": "train"}       pixels of width × height, xyxy

As Vision_GRPO uses them, a row asks where to look; the answer in words stays beside the boxes.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from app.formats import listing
from app.formats.base import PLAIN, Format, Odd, Options, Row, Thing, Told, split_of
from app.formats.writing import Folder, Lines, Lost, known, rounded
from app.types import Sample

LIKE = '{"question": "…", "answer": "…", "image": "a.jpg", "bboxs": [[10, 20, 30, 40]]}'


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A .jsonl or .json, or a folder or zip with such files. Raises Unreadable, Unclear."""
    return listing.read(path, options, row, like=LIKE)


def row(told: dict) -> Iterator[Told]:
    files = listing.pictures(told, "image")
    asked, boxes = listing.text(told, "question"), told.get("bboxs")
    answer = None if told.get("answer") is None else str(told["answer"])
    if boxes is None:
        yield Told("", files, "ask", asked, None, (listing.size(told),), split_of(told.get("split")), answer)
        return
    if isinstance(boxes, list) and len(boxes) == 4 and all(type(value) in (int, float) for value in boxes):
        boxes = [boxes]  # one box without its list
    if not isinstance(boxes, list):
        raise Odd(f"has bboxs that are no list of boxes ({str(boxes)[:60]})")
    things = tuple(Thing(asked, tuple(box) if isinstance(box, list) else box) for box in boxes)
    yield Told("", files, "ground", asked, things, (listing.size(told),), split_of(told.get("split")), answer)


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`data.jsonl` and `images/`: questions with boxes, with an answer in words, or with both."""
    lost = Lost()
    folder = Folder(out, lost)
    with Lines(out / "data.jsonl") as lines:
        for sample in known(samples, ("ground", "ask"), lost):
            image, = sample.images
            row = {"question": sample.query, "image": folder.place(image), "width": image.size[0],
                   "height": image.size[1]}
            if sample.answer is not None:
                row["answer"] = sample.answer
            if sample.truth is not None:
                for each in sample.truth:
                    lost.unsaid(each, carried=("box",))
                    if each.label != sample.query:
                        lost.add("labels beside the question")
                row["bboxs"] = [rounded(each.box) for each in sample.truth if each.box]
            lines.add(row | ({"split": image.split} if image.split else {}))
    return lost.sentences()


FORMAT = Format("vision-cot", "Vision-CoT", "a .jsonl of question, answer and bboxs, as Visual-CoT and Vision_GRPO "
                "have it", read, write, aliases=("visual-cot", "vision-grpo", "viscot"))
