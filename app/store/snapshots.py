"""Versions of a dataset that never change: which correction of which sample, and the split of each, with a digest."""
from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable

import sqlalchemy as sa

from app.store import splits
from app.store.database import Database
from app.store.dataset_tables import dataset_sample, snapshot, snapshot_sample
from app.store.errors import NotFound
from app.store.schema import image, sample_image
from app.store.writer import Writer
from app.types import Snapshot

PIECE = 2_000  # samples in one transaction
UNFINISHED = ""  # the digest of one whose samples are not all there yet
STALE = 3600  # seconds after which an unfinished one is what a killed process left behind


class Snapshots:
    """All versions of all datasets."""

    def __init__(self, database: Database, writer: Writer):
        self._database, self._writer = database, writer

    def make(self, dataset: str, author: str = "") -> Snapshot:
        """What the dataset is now, seen at one moment and written in pieces, so that nobody's saving waits for all."""
        of, id, now = dataset_sample.c, secrets.token_hex(16), time.time()
        with self._database.reading() as connection:
            rows = [dict(row._mapping, snapshot=id) for row in connection.execute(_contents(dataset, of.seq.label(
                "position"), of.id.label("sample"), of.head.label("correction")))]
        self._writer.write(lambda connection: _begin(connection, dict(
            id=id, dataset=dataset, author=author, created=now, digest=UNFINISHED, samples=len(rows))))
        for start in range(0, len(rows), PIECE):
            piece = rows[start:start + PIECE]
            self._writer.write(lambda connection, piece=piece: connection.execute(snapshot_sample.insert(), piece)
                               and None)
        digest = _digest((row["content"], row["split"]) for row in rows)
        there = sa.exists().where(of.id == snapshot_sample.c.sample)
        gone = sa.exists().where(snapshot_sample.c.snapshot == id, ~there)
        self._writer.write(lambda connection: connection.execute(snapshot.update().where(snapshot.c.id == id).values(
            digest=digest, purged=sa.case((gone, time.time())))) and None)  # purged between the two moments
        return self.find(id)

    def now(self, dataset: str) -> str:
        """The digest that a snapshot would have."""
        with self._database.reading() as connection:
            return _digest((row.content, row.split) for row in connection.execute(_contents(dataset)))

    def of(self, dataset: str) -> list[Snapshot]:
        """Of one dataset, the newest first."""
        with self._database.reading() as connection:
            return [_snapshot(row) for row in connection.execute(sa.select(snapshot).where(
                snapshot.c.dataset == dataset, snapshot.c.digest != UNFINISHED).order_by(
                snapshot.c.created.desc(), snapshot.c.id))]

    def find(self, id: str) -> Snapshot:
        """Raises NotFound."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(snapshot).where(snapshot.c.id == id,
                                                               snapshot.c.digest != UNFINISHED)).one_or_none()
        if row is None:
            raise NotFound(f"there is no snapshot {id[:80]!r} here")
        return _snapshot(row)

    def digest(self, id: str) -> str:
        """Taken anew of what lies in the store: equal to the snapshot's own, or somebody has altered it."""
        with self._database.reading() as connection:
            return _digest(connection.execute(sa.select(snapshot_sample.c.content, snapshot_sample.c.split).where(
                snapshot_sample.c.snapshot == id)))


def _contents(dataset: str, *more: sa.ColumnElement) -> sa.Select:
    """What stands in a dataset now and the split of each, and what `more` says of it."""
    of = dataset_sample.c
    held_out = sa.exists().where(sample_image.c.sample == of.sample, sample_image.c.image == image.c.sha256,
                                 image.c.split == splits.HELD_OUT)
    return sa.select(of.content, sa.case((held_out, splits.HELD_OUT), else_=splits.TRAIN).label("split"), *more).where(
        of.dataset == dataset, of.removed.is_(False), of.status != "suggested")


def _digest(contents: Iterable[tuple[str, str]]) -> str:
    """Of contents and splits, in an order that is the same everywhere."""
    hashed = hashlib.sha256()
    for line in sorted(f"{content} {split}\n" for content, split in contents):
        hashed.update(line.encode())
    return hashed.hexdigest()


def _begin(connection: sa.Connection, row: dict) -> None:
    """And delete what a killed process began and did not finish."""
    stale = connection.scalars(sa.select(snapshot.c.id).where(
        snapshot.c.digest == UNFINISHED, snapshot.c.created < time.time() - STALE)).all()
    connection.execute(snapshot_sample.delete().where(snapshot_sample.c.snapshot.in_(stale)))
    connection.execute(snapshot.delete().where(snapshot.c.id.in_(stale)))
    connection.execute(snapshot.insert(), row)


def _snapshot(row: sa.Row) -> Snapshot:
    return Snapshot(row.id, row.dataset, row.created, row.digest, row.samples, row.purged)
