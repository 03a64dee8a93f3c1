"""Samples enter a dataset: their pictures are kept, their truth is checked, and what is there already stays single."""
from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import sqlalchemy as sa

from app import annotations, rows
from app.pictures import PictureError
from app.store import contents, schema, splits
from app.store.dataset_tables import dataset, dataset_label, dataset_sample
from app.store.errors import NotFound, StoreError
from app.store.shelf import Shelf
from app.store.splits import SplitConflict
from app.store.writer import Writer
from app.types import Image, Sample

BATCH = 100  # samples in one transaction


@dataclass(frozen=True)
class Added:
    """What became of samples that were added. `ids` are those that the new ones and those already there have here."""
    new: int = 0
    already: int = 0
    split_conflicts: tuple[SplitConflict, ...] = ()
    ids: tuple[str, ...] = ()
    repaired: tuple[tuple[str, str], ...] = ()  # (the sample's own id, how)
    refused: tuple[tuple[str, str], ...] = ()  # (the sample's own id, why)


@dataclass(frozen=True)
class Prepared:
    """A sample with its pictures in the store, and the rows that are to say so."""
    sample: Sample
    images: list[dict]
    said: tuple[str | None, ...]  # the split of each picture, as the sample has it
    repaired: tuple[str, ...]
    question: str
    content: str

    @property
    def row(self) -> dict:
        return contents.sample_row(self.sample, time.time())


def add(writer: Writer, shelf: Shelf, dataset: str, samples: Iterable[Sample], split: str | None, author: str,
        suggested: bool, agreement: float = 1.0) -> Added:
    """In batches, each on the disk before the next is looked at."""
    total = []
    for batch in _batched(samples):
        ready, refused, repaired = [], [], []
        for sample in batch:
            try:
                one = prepared(shelf, sample, split)
            except StoreError:  # the disk is full: what came before is kept, and the same again goes on from there
                raise
            except (PictureError, NotFound, ValueError) as problem:
                refused.append((sample.id, str(problem)))
            else:
                ready.append(one)
                repaired += [(sample.id, how) for how in one.repaired]
        added = writer.write(lambda connection, ready=ready: insert(connection, dataset, ready, author, suggested,
                                                                    agreement))
        total.append(replace(added, refused=tuple(refused), repaired=tuple(repaired)))
    return _summed(total)


def prepared(shelf: Shelf, sample: Sample, split: str | None) -> Prepared:
    """Raises PictureError, NotFound for a picture that was deleted for good, StoreError, or ValueError."""
    if not sample.images:
        raise ValueError(f"sample {sample.id[:80]!r} has no picture")
    said = tuple(splits.known(split or image.split) for image in sample.images)
    files = [shelf.keep(image) for image in sample.images]
    images = tuple(image for image, _ in files)
    truth, problems = sample.truth, []
    if truth is not None:
        truth, problems = annotations.checked(truth, *(image.size for image in images))
        if lost := [str(problem) for problem in problems if problem.lost]:
            raise ValueError("; ".join(lost[:3]) + (f"; and {len(lost) - 3} more" if len(lost) > 3 else ""))
    asked = contents.question([image.sha256 for image in images], sample.task, sample.query)
    return Prepared(replace(sample, images=images, truth=truth), [row for _, row in files], said,
                    tuple(str(problem) for problem in problems), asked,
                    contents.content(asked, rows.write(truth), sample.answer))


def insert(connection: sa.Connection, into: str, ready: list[Prepared], author: str, suggested: bool,
           agreement: float) -> Added:
    """In the transaction of `connection`. Raises NotFound if the dataset is not there or was removed."""
    if connection.scalar(sa.select(dataset.c.id).where(dataset.c.id == into, dataset.c.removed.is_(None))) is None:
        raise NotFound(f"there is no dataset {into[:80]!r} here; it may have been removed")
    splits.alone(connection)
    schema.insert_new(connection, schema.image, [row for one in ready for row in one.images])
    conflicts = splits.assign(connection, _said(ready))
    there = _there(connection, into, {one.question for one in ready})
    new, now, ids = [], time.time(), []
    for one in ready:
        id = there.get(one.content)
        if id is None:
            id = there[one.content] = secrets.token_hex(16)
            new.append((one, one.row, id))
        ids.append(id)
    schema.insert_new(connection, schema.sample, [row for _, row, _ in new])
    schema.insert_new(connection, schema.sample_image, [of for one, row, _ in new
                                                        for of in contents.image_rows(row["key"], one.sample.images)])
    if new:
        connection.execute(dataset_sample.insert(), [dict(
            id=id, dataset=into, sample=row["key"], given=one.content, question=one.question, author=author,
            created=now, agreement=agreement, head=None, content=one.content,
            status="suggested" if suggested else "unreviewed", flagged=False, removed=False, model=None,
            objects=None if one.sample.truth is None else len(one.sample.truth)) for one, row, id in new])
        schema.insert_new(connection, dataset_label, [row for one, _, id in new
                                                      for row in label_rows(id, one.sample.truth or ())])
    return Added(len(new), len(ready) - len(new), tuple(conflicts), tuple(ids))


def label_rows(sample: str, truth) -> list[dict]:
    return [{"sample": sample, "label": label} for label in dict.fromkeys(each.label for each in truth)]


def _there(connection: sa.Connection, into: str, questions: set[str]) -> dict[str, str]:
    """The ids of samples that ask the same, by what they were when they came and by what they are now."""
    same = connection.execute(sa.select(dataset_sample.c.id, dataset_sample.c.given, dataset_sample.c.content).where(
        dataset_sample.c.dataset == into, dataset_sample.c.question.in_(questions))).all()
    return {row.content: row.id for row in same} | {row.given: row.id for row in same}


def _said(ready: list[Prepared]) -> Iterator[tuple[Image, str | None]]:
    """Each picture once, with what is said of it: held out, if anything here says so."""
    said: dict[str, tuple[Image, str | None]] = {}
    for one in ready:
        for image, split in zip(one.sample.images, one.said):
            before = said.get(image.sha256, (image, None))[1]
            said[image.sha256] = image, splits.HELD_OUT if splits.HELD_OUT in (before, split) else split or before
    yield from said.values()


def _batched(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    rest = iter(samples)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _summed(parts: list[Added]) -> Added:
    """Once at the end: adding up as they come would copy the first ids as often as there are batches."""
    def all_of(name: str) -> tuple:
        return tuple(one for part in parts for one in getattr(part, name))
    return Added(sum(part.new for part in parts), sum(part.already for part in parts), all_of("split_conflicts"),
                 all_of("ids"), all_of("repaired"), all_of("refused"))
