"""Datasets: named samples, each with its pictures, its question and what is true of it now.

    dataset = store.datasets.open("street")                      # makes it if it is not there
    added = store.datasets.add(dataset.id, samples)              # the same again is `already` there
    for sample in store.datasets.samples(dataset.id, split="train"):

A sample's `id` is its own in the workspace from then on, by which corrections name it.
"""
from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import sqlalchemy as sa

from app.store import adding, reading, splits
from app.store.adding import Added
from app.store.corrections import Corrections
from app.store.database import Database
from app.store.dataset_tables import correction, dataset, dataset_sample, snapshot_sample
from app.store.errors import NotFound
from app.store.schema import image, sample_image
from app.store.shelf import Shelf
from app.store.snapshots import Snapshots
from app.store.taking import take
from app.store.writer import Writer
from app.types import Annotation, Comparison, Correction, Dataset, Sample, Snapshot

PAGE = 500  # samples that are read at a time
LONGEST_NAME = 200


class Datasets:
    """All datasets of a store. Raises StoreError, NotFound, or another ValueError of one sentence."""

    def __init__(self, database: Database, writer: Writer, shelf: Shelf, corrections: Corrections,
                 snapshots: Snapshots):
        self._database, self._writer, self._shelf = database, writer, shelf
        self._corrections, self._snapshots = corrections, snapshots

    def create(self, name: str, author: str = "") -> Dataset:
        """A new one. Raises ValueError if there is one of this name."""
        id, name = secrets.token_hex(16), _name(name)

        def work(connection: sa.Connection) -> None:
            if _by_name(connection, name):
                raise ValueError(f"there is a dataset {name!r} already; give the new one another name")
            connection.execute(dataset.insert().values(id=id, name=name, author=author, created=time.time()))

        self._writer.write(work)
        return self.find(id)

    def open(self, name: str, author: str = "") -> Dataset:
        """The one of this name, made if it is not there."""
        id, name = secrets.token_hex(16), _name(name)

        def work(connection: sa.Connection) -> str:
            splits.alone(connection)
            found = _by_name(connection, name)
            if found is None:
                connection.execute(dataset.insert().values(id=id, name=name, author=author, created=time.time()))
            return found or id

        return self.find(self._writer.write(work))

    def all(self) -> list[Dataset]:
        """By name, without those that were removed."""
        with self._database.reading() as connection:
            return [_dataset(row) for row in connection.execute(_datasets().order_by(dataset.c.name))]

    def find(self, name_or_id: str) -> Dataset:
        """Raises NotFound for one that is not there or was removed."""
        with self._database.reading() as connection:
            rows = connection.execute(_datasets().where(sa.or_(dataset.c.id == name_or_id,
                                                               dataset.c.name == name_or_id))).all()
        if not rows:
            raise NotFound(f"there is no dataset {name_or_id[:80]!r} here; it may have been removed")
        return _dataset(next((row for row in rows if row.id == name_or_id), rows[0]))

    def rename(self, id: str, name: str) -> Dataset:
        """Raises ValueError if another has this name."""
        name = _name(name)

        def work(connection: sa.Connection) -> None:
            if _by_name(connection, name) not in (None, id):
                raise ValueError(f"there is a dataset {name!r} already; choose another name")
            _found(connection.execute(dataset.update().where(dataset.c.id == id).values(name=name)), id)

        self._writer.write(work)
        return self.find(id)

    def remove(self, id: str) -> None:
        """Not shown any more, with its samples, until it is restored."""
        self._writer.write(lambda connection: _found(connection.execute(dataset.update().where(
            dataset.c.id == id).values(removed=time.time())), id))

    def restore(self, id: str) -> Dataset:
        """As it was before it was removed. Raises ValueError if another has taken its name."""
        def work(connection: sa.Connection) -> None:
            name = connection.scalar(sa.select(dataset.c.name).where(dataset.c.id == id))
            if name is not None and _by_name(connection, name) not in (None, id):
                raise ValueError(f"another dataset is named {name!r} now; rename that one first")
            _found(connection.execute(dataset.update().where(dataset.c.id == id).values(removed=None)), id)

        self._writer.write(work)
        return self.find(id)

    def add(self, id: str, samples: Iterable[Sample], *, split: str | None = None, author: str = "",
            suggested: bool = False) -> Added:
        """Samples, read as they come and kept a hundred at a time. The same again is `already` there.

        The same: equal pictures, task, query, truth and answer, as they were given or as they are now. `split`, or
        that of a sample's pictures, is "train" or "val"; a picture keeps what is known of it in the workspace, and
        the conflict is told. A sample whose picture or truth cannot be kept is `refused`, the others go on.
        Raises StoreError, such as for a full disk: what came before is kept, and the same call goes on from there.
        """
        self.find(id)
        return adding.add(self._writer, self._shelf, id, samples, splits.known(split), author, suggested)

    def take(self, comparison: Comparison, sample: str, model: str, dataset: str, *, author: str = "",
             client: str = "", key: str = "", annotations: Sequence[Annotation] | None = None,
             suggested: bool = False) -> Correction:
        """A model's answer becomes a sample's first correction, not reviewed yet; its `sample` is the id here.

        `annotations` instead of the answer's own, where single objects of several answers were chosen. If the same
        question is in the dataset already, this answer takes the place of one that was only taken; where people have
        worked on it, nothing changes and their newest correction is given.
        """
        return take(self._database, self._writer, self._shelf, self._corrections, comparison, sample, model, dataset,
                    author=author, client=client, key=key or secrets.token_hex(16), annotations=annotations,
                    suggested=suggested)

    def samples(self, id: str, *, split: str | None = None, snapshot: str | None = None) -> Iterator[Sample]:
        """What is true now, in the order in which they came; each picture's `split` is set.

        Of a snapshot, what was true then; a picture that was held out since is not among its "train" any more.
        """
        splits.known(split)
        id = self.find(id).id if snapshot is None else self._snapshots.find(snapshot).dataset
        last = -1
        while page := self._page(id, snapshot, last):
            last = page[-1][0].place
            for row, sample in page:
                now = splits.of_all(sample.images)
                if row.was is not None:
                    sample = replace(sample, images=tuple(replace(image, split=row.was) for image in sample.images))
                if split in (None, row.was or now) and not (split == splits.TRAIN and now == splits.HELD_OUT):
                    yield sample

    def sample(self, id: str) -> Sample:
        """One, as it is now, removed or not. Raises NotFound."""
        with self._database.reading() as connection:
            found = reading.samples(connection, self._shelf, reading.selected().where(dataset_sample.c.id == id))
        if not found:
            raise NotFound(f"there is no sample {id[:80]!r} here")
        return found[0][1]

    def snapshot(self, id: str, author: str = "") -> Snapshot:
        """This version of the dataset, for good."""
        return self._snapshots.make(self.find(id).id, author)

    def corrected(self, id: str, since: float = 0.0) -> int:
        """How many samples that are not held out a person has looked at, the last time after `since`."""
        of = dataset_sample.c
        held_out = sa.exists().where(sample_image.c.sample == of.sample, sample_image.c.image == image.c.sha256,
                                     image.c.split == splits.HELD_OUT)
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(dataset_sample).join(
                correction, correction.c.id == of.head).where(
                of.dataset == id, of.removed.is_(False), of.status == "reviewed", ~held_out,
                correction.c.created > since))

    def _page(self, id: str, snapshot: str | None, last: int) -> list[tuple[sa.Row, Sample]]:
        if snapshot is None:
            place = dataset_sample.c.seq
            wanted = reading.selected(dataset_sample.c.head, place.label("place"), sa.null().label("was")).where(
                dataset_sample.c.dataset == id, dataset_sample.c.removed.is_(False),
                dataset_sample.c.status != "suggested")
        else:
            place = snapshot_sample.c.position
            wanted = reading.selected(snapshot_sample.c.correction, place.label("place"),
                                      snapshot_sample.c.split.label("was"), of=snapshot_sample).where(
                snapshot_sample.c.snapshot == snapshot)
        with self._database.reading() as connection:
            return reading.samples(connection, self._shelf, wanted.where(place > last).order_by(place).limit(PAGE))


def _name(name: str) -> str:
    plain = " ".join(name.split())
    if not plain or len(plain) > LONGEST_NAME:
        raise ValueError(f"a dataset needs a name of 1 to {LONGEST_NAME} characters, not {len(plain)}")
    return plain


def _datasets() -> sa.Select:
    """Those that were not removed, and how many samples each has."""
    of = dataset_sample.c
    count = sa.select(sa.func.count()).where(of.dataset == dataset.c.id, of.removed.is_(False),
                                             of.status != "suggested").scalar_subquery()
    return sa.select(dataset, count.label("samples")).where(dataset.c.removed.is_(None))


def _dataset(row: sa.Row) -> Dataset:
    return Dataset(row.id, row.name, row.created, row.samples)


def _by_name(connection: sa.Connection, name: str) -> str | None:
    return connection.scalar(sa.select(dataset.c.id).where(dataset.c.name == name, dataset.c.removed.is_(None)))


def _found(result: sa.CursorResult, id: str) -> None:
    if result.rowcount == 0:
        raise NotFound(f"there is no dataset {id[:80]!r} here")
