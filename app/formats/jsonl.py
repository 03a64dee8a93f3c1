"""VLM-R1: JSON lines of conversations about one or several pictures.

    {"id": 1, "image": "a.jpg", "conversations": [
        {"from": "human", "value": "<image>Please provide the bounding box coordinate of the region …: the cat."},
        {"from": "gpt", "value": "[10, 20, 30, 40]"}]}
    {"id": 2, "image": ["a.png", "b.png"], "conversations": […]}        several pictures: one <image> each

Rows of its older files are read too: `problem` with a `solution`, `sent` with a `bbox`. Numbers are pixels, xyxy.
"""
from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.formats import conversing, listing
from app.formats.base import PLAIN, Format, Odd, Options, Row, Thing, Told
from app.formats.writing import Folder, Lines, Lost, known
from app.types import Sample

LIKE = '{"image": "a.jpg", "conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}'
MOST = 1_000  # pictures in a row


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A .jsonl or .json, or a folder or zip with such files. Raises Unreadable, Unclear."""
    return listing.read(path, options, row, like=LIKE)


def row(told: dict) -> Iterator[Told]:
    files = listing.pictures(told, "image", "images", "image_path")
    sizes = (listing.size(told),) if len(files) == 1 else ()
    expression = told.get("normal_caption") or told.get("sent")
    place = told.get("solution") if isinstance(told.get("solution"), list) else told.get("bbox")
    if isinstance(expression, str) and isinstance(place, list):
        yield Told("", files, "ground", expression, (Thing(expression, tuple(place)),), sizes)
        return
    asked, said = _conversation(told)
    if said is None:
        yield Told("", files, *_unanswered(asked), None, sizes)
        return
    task, query, things, answer = conversing.understood(asked, said)
    yield Told("", files, task, query, things, sizes, answer=answer)


def _conversation(told: dict) -> tuple[str, str | None]:
    turns = told.get("conversations")
    if turns is None:
        solution = told.get("solution")
        return listing.text(told, "problem", "question"), (
            None if solution is None else solution if isinstance(solution, str) else json.dumps(solution))
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, dict) for turn in turns):
        raise Odd("has conversations that are no list of turns")
    values = [turn.get("value") for turn in turns]
    if len(turns) > 2:
        raise Odd(f"has {len(turns)} turns; one question and one answer can be taken")
    if not isinstance(values[0], str):
        raise Odd("has a question that is no text")
    if len(values) < 2 or values[1] is None:
        return values[0], None
    return values[0], values[1] if isinstance(values[1], str) else json.dumps(values[1])


def _unanswered(asked: str) -> tuple[str, str]:
    task, query, _, _ = conversing.understood(asked, conversing.NOTHING)
    return task, query


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`data.jsonl` and `images/`."""
    lost = Lost()
    folder = Folder(out, lost)
    tasks = (*conversing.POINTED, "ask")
    with Lines(out / "data.jsonl") as lines:
        for sample in known(samples, tasks, lost, pictures=MOST):
            names = [folder.place(image) for image in sample.images]
            lines.add({"id": lines.count + 1, "image": names[0] if len(names) == 1 else names, "conversations": [
                {"from": "human", "value": "<image>" * len(names) + conversing.question(sample)},
                {"from": "gpt", "value": conversing.answer(sample, lost)}]})
            if any(image.split for image in sample.images):
                lost.add("samples' splits")
    return lost.sentences()


FORMAT = Format("jsonl", "VLM-R1 JSONL", "a .jsonl of conversations, one or several pictures a row. Every task",
                read, write, aliases=("vlm-r1", "llava"))
