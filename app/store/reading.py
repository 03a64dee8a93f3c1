"""Samples of datasets are read: as they were given, with what the newest or a certain correction made of them."""
from __future__ import annotations

import sqlalchemy as sa

from app.store import contents, schema
from app.store.dataset_tables import correction, dataset_sample
from app.store.shelf import Shelf
from app.types import Image, Sample


def selected(event: sa.ColumnElement = dataset_sample.c.head, *more: sa.ColumnElement,
             of: sa.Table = dataset_sample) -> sa.Select:
    """Samples with what the correction `event` says of them; to be narrowed, put in order, and given to `samples`.

    `of` is the table that lists them, and `more` is what else is wanted of it.
    """
    given, said = schema.sample.c, correction.c
    return sa.select(dataset_sample.c.id, dataset_sample.c.seq, given.key, given.source,
                     said.id.label("event"), said.task.label("task_now"), said.query.label("query_now"),
                     said.truth.label("truth_now"), said.answer.label("answer_now"),
                     given.task, given.query, given.truth, given.answer, *more).select_from(
        dataset_sample if of is dataset_sample else of.join(dataset_sample, of.c.sample == dataset_sample.c.id)).join(
        schema.sample, given.key == dataset_sample.c.sample).outerjoin(correction, said.id == event)


def samples(connection: sa.Connection, shelf: Shelf, wanted: sa.Select) -> list[tuple[sa.Row, Sample]]:
    """What `selected` finds, in its order; the pictures of all in one question."""
    found = connection.execute(wanted).all()
    images: dict[str, list[Image]] = {}
    for row in connection.execute(contents.images_of().where(
            schema.sample_image.c.sample.in_({row.key for row in found}))):
        images.setdefault(row.sample, []).append(shelf.image(row, row.name))
    return [(row, _sample(row, tuple(images[row.key]))) for row in found]


def _sample(row: sa.Row, images: tuple[Image, ...]) -> Sample:
    if row.event is None:
        task, query, truth, answer = row.task, row.query, row.truth, row.answer
    else:
        task, query, truth, answer = row.task_now, row.query_now, row.truth_now, row.answer_now
    return Sample(row.id, images, task, query, contents.truth(truth, f"truth of {row.id}"), answer, row.source)
