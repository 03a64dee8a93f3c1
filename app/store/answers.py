"""Answers by everything that they depend on, so that an evaluation asks a model only what it has not been asked.

The key is made by `app.evaluating`: model, revision, adapter, prompt, settings, pixels, the code that reads answers. An
answer is kept once and never changes; its picture is the caller's.
"""
from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from app import rows
from app.store.columns import Document, Words, column, metadata
from app.store.database import Database
from app.store.writer import Writer
from app.types import Prediction

AT_ONCE = 500  # keys in one question to the database

known_answer = sa.Table(
    "known_answer", metadata,
    column("key", Words, primary_key=True),
    column("pixels_sha256", Words),  # of its upright pictures, so that it goes with them: see app.store.purging
    column("answer", Document),  # a Prediction but for its pictures
    column("created", sa.Double))


class Answers:
    """What evaluations have been told. Raises StoreError."""

    def __init__(self, database: Database, writer: Writer):
        self._database, self._writer = database, writer

    def keep(self, key: str, prediction: Prediction) -> None:
        """On the disk when it returns; the same key again is what it was."""
        from app.store.schema import insert_new
        answer = rows.write(replace(prediction, request=replace(prediction.request, images=())))
        pixels = " ".join(image.pixels_sha256 for image in prediction.request.images)
        row = dict(key=key, pixels_sha256=pixels, answer=answer, created=time.time())
        self._writer.write(lambda connection: insert_new(connection, known_answer, [row]) and None)

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that have an answer."""
        return {row.key for row in self._rows(keys, known_answer.c.key)}

    def find(self, keys: Sequence[str]) -> Mapping[str, Prediction]:
        """The answers that are there, without their pictures."""
        return {row.key: rows.read(Prediction, row.answer, f"answer {row.key[:8]}")
                for row in self._rows(keys, known_answer)}

    def _rows(self, keys: Sequence[str], *wanted) -> Iterator[sa.Row]:
        with self._database.reading() as connection:
            for start in range(0, len(keys), AT_ONCE):
                some = keys[start:start + AT_ONCE]
                yield from connection.execute(sa.select(*wanted).where(known_answer.c.key.in_(some))).all()
