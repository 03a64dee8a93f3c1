"""Samples to rows and back, and the hashes by which equal ones are known."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from app import rows
from app.store import schema
from app.types import Annotation, Image, Sample

Truth = tuple[Annotation, ...] | None


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sample_row(sample: Sample, now: float) -> dict:
    """The key is a sha256 of all that follows and of the pictures under their names: equal samples are one row."""
    row = {name: rows.write(getattr(sample, name), name) for name in ("id", "task", "query", "truth", "answer",
                                                                      "source")}
    key = sha256(json.dumps([row, [(image.sha256, image.name) for image in sample.images]], sort_keys=True))
    return row | {"key": key, "created": now}


def image_rows(key: str, images: Sequence[Image]) -> list[dict]:
    return [{"sample": key, "position": position, "image": image.sha256, "name": image.name}
            for position, image in enumerate(images)]


def question(pictures: Iterable[str], task: str, query: str) -> str:
    """A sha256 of what is asked about which pictures (their sha256, in order)."""
    return sha256(json.dumps([list(pictures), task, query]))


def content(question: str, truth: list[dict] | None, answer: str | None) -> str:
    """A sha256 of a question and what is true: without ids and scores, which say nothing about the picture."""
    told = None if truth is None else [{name: value for name, value in one.items() if name not in UNTOLD}
                                       for one in truth]
    return sha256(json.dumps([question, told, answer], sort_keys=True))


def truth(document: list | None, where: str) -> Truth:
    return rows.read(Truth, document, where)


def images_of() -> sa.Select:
    """The pictures of samples, in their order: to be narrowed by `sample`, their key."""
    of = schema.sample_image.c
    return sa.select(of.sample, of.position, of.name, schema.image).join(
        schema.image, schema.image.c.sha256 == of.image).order_by(of.sample, of.position)


UNTOLD = ("id", "score", "score_source")
