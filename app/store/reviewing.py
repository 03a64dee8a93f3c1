"""The queue of samples to be looked at: which, in which order, and how far a dataset has come.

The order is disagreement of the models that were asked, the most first, then the order of arrival. It does not change
while people correct, so that "the next one" is where it was; a page goes on behind (or before) a sample, by its id.
"""
from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app.store import schema
from app.store.database import Database
from app.store.dataset_tables import dataset_label, dataset_sample
from app.store.errors import NotFound
from app.store.shelf import Shelf
from app.store.writer import Writer
from app.types import Image

STATUSES = ("unreviewed", "reviewed", "skipped", "suggested")
LOOKED = ("unreviewed", "reviewed", "skipped")  # "suggested" waits for somebody to accept it, and is asked for by name
FEW, MANY = 2_000, 20_000  # samples with a label; with labels
OLD = 10.0  # seconds


@dataclass(frozen=True)
class Wanted:
    """Which samples: what is None does not matter."""
    dataset: str | None = None
    status: str | None = "unreviewed"
    label: str | None = None
    model: str | None = None  # whose answer it came from
    flagged: bool | None = None
    removed: bool = False  # those that were taken out of their dataset, to bring them back


@dataclass(frozen=True)
class Queued:
    """A sample in the queue, with what a list shows of it."""
    id: str
    dataset: str
    image: Image  # its first picture
    task: str  # as it was given; so is the query
    query: str
    status: str
    flagged: bool
    objects: int | None  # None: nobody has looked
    model: str | None
    disagreement: float  # 0 to 1
    head: str | None  # its newest correction


@dataclass(frozen=True)
class Progress:
    """How many samples of each status."""
    unreviewed: int = 0
    reviewed: int = 0
    skipped: int = 0
    suggested: int = 0
    flagged: int = 0  # of all but the suggested

    @property
    def total(self) -> int:
        return self.unreviewed + self.reviewed + self.skipped


class Queue:
    """What there is to review. Raises StoreError, NotFound, or another ValueError of one sentence."""

    def __init__(self, database: Database, writer: Writer, shelf: Shelf):
        self._database, self._writer, self._shelf = database, writer, shelf
        self._labels: dict[tuple, tuple[float, list[tuple[str, int]]]] = {}  # when they were counted, and what came out

    def page(self, wanted: Wanted = Wanted(), *, after: str | None = None, before: str | None = None,
             limit: int = 50) -> list[Queued]:
        """The first ones; or those behind the sample `after`; or those right before the sample `before`, in order."""
        of, backwards = dataset_sample.c, before is not None
        with self._database.reading() as connection:
            ids = _chosen(wanted, _rare(connection, wanted.label))
            if after or before:
                place = _place(connection, after or before)
                here = sa.tuple_(of.agreement, of.seq)
                ids = ids.where(here < place if backwards else here > place)
            order = (of.agreement.desc(), of.seq.desc()) if backwards else (of.agreement, of.seq)
            found = connection.execute(_shown().where(of.id.in_(ids.order_by(*order).limit(limit))).order_by(
                of.agreement, of.seq)).all()
        return [self._queued(row) for row in found]

    def find(self, id: str) -> Queued:
        """One sample, whether it is wanted or not. Raises NotFound."""
        with self._database.reading() as connection:
            row = connection.execute(_shown().where(dataset_sample.c.id == id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no sample {id[:80]!r} here")
        return self._queued(row)

    def count(self, wanted: Wanted = Wanted()) -> int:
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(
                _chosen(wanted, _rare(connection, wanted.label)).subquery()))

    def progress(self, dataset: str | None = None) -> Progress:
        """Of a dataset, or of all."""
        of = dataset_sample.c
        here = [of.removed.is_(False), *([] if dataset is None else [of.dataset == dataset])]
        counts = sa.select(of.status, sa.func.count().label("number")).where(*here).group_by(of.status)
        flagged = sa.select(sa.func.count()).select_from(dataset_sample).where(of.flagged, of.status.in_(LOOKED), *here)
        with self._database.reading() as connection:
            by = {row.status: row.number for row in connection.execute(counts)}
            return Progress(**by, flagged=connection.scalar(flagged))

    def labels(self, dataset: str | None = None, limit: int = 1000) -> list[tuple[str, int]]:
        """Those in use, with the number of samples that have each, the commonest first.

        Of many samples, as it was up to ten seconds ago: a page asks at every step, and 100,000 take a second.
        """
        asked, found = self._labels.get((dataset, limit), (-OLD, []))
        if time.monotonic() - asked > OLD:
            found = self._counted(dataset, limit)
            if sum(number for _, number in found) >= MANY:
                self._labels[dataset, limit] = time.monotonic(), found
        return found

    def _counted(self, dataset: str | None, limit: int) -> list[tuple[str, int]]:
        of = dataset_sample.c
        number = sa.func.count().label("number")
        counts = sa.select(dataset_label.c.label, number).join(dataset_sample, of.id == dataset_label.c.sample).where(
            of.removed.is_(False), *([] if dataset is None else [of.dataset == dataset])).group_by(
            dataset_label.c.label).order_by(number.desc(), dataset_label.c.label).limit(limit)
        with self._database.reading() as connection:
            return [(row.label, row.number) for row in connection.execute(counts)]

    def models(self, dataset: str | None = None) -> list[str]:
        """Whose answers samples came from."""
        of = dataset_sample.c
        with self._database.reading() as connection:
            return list(connection.scalars(sa.select(of.model).distinct().where(
                of.model.is_not(None), *([] if dataset is None else [of.dataset == dataset])).order_by(of.model)))

    def rank(self, disagreements: dict[str, float]) -> None:
        """How much models disagree on samples, 0 to 1, by id: such as after several were evaluated on them."""
        rows = [{"of": sample, "now": 1 - min(max(value, 0.0), 1.0)} for sample, value in sorted(disagreements.items())]
        update = dataset_sample.update().where(dataset_sample.c.id == sa.bindparam("of")).values(
            agreement=sa.bindparam("now"))
        if rows:
            self._writer.write(lambda connection: connection.execute(update, rows) and None)

    def _queued(self, row: sa.Row) -> Queued:
        return Queued(row.place, row.dataset, self._shelf.image(row, row.name), row.task, row.query, row.status,
                      row.flagged, row.objects, row.model, 1 - row.agreement, row.head)


def _rare(connection: sa.Connection, label: str | None) -> list[str] | None:
    """The samples with a label, if they are few: then one begins with them, else with the order of the queue."""
    if label is None:
        return None
    found = connection.scalars(sa.select(dataset_label.c.sample).where(dataset_label.c.label == label).limit(
        FEW + 1)).all()
    return list(found) if len(found) <= FEW else None


def _chosen(wanted: Wanted, rare: list[str] | None) -> sa.Select:
    """The ids of those samples."""
    of = dataset_sample.c
    if wanted.status not in (None, *STATUSES):
        raise ValueError(f"there is no status {wanted.status[:80]!r}; there are: {', '.join(STATUSES)}")
    def told(column: sa.Column) -> sa.ColumnElement:
        """Without its index where there are few: SQLite took the queue's for the better one, and walked it all."""
        return column if rare is None else sa.func.coalesce(column, column)
    chosen = sa.select(of.id).where(
        told(of.removed) == sa.literal(wanted.removed),
        told(of.status).in_(LOOKED) if wanted.status is None else told(of.status) == wanted.status)
    for column, value in ((of.dataset, wanted.dataset), (of.model, wanted.model), (of.flagged, wanted.flagged)):
        if value is not None:
            chosen = chosen.where(told(column) == value)
    if rare is not None:
        chosen = chosen.where(of.id.in_(rare))
    elif wanted.label is not None:
        chosen = chosen.where(sa.exists().where(dataset_label.c.label == wanted.label,
                                                dataset_label.c.sample == of.id))
    return chosen


def _shown() -> sa.Select:
    """What a list shows of samples."""
    of = dataset_sample.c
    first = sa.and_(schema.sample_image.c.sample == of.sample, schema.sample_image.c.position == 0)
    return sa.select(of.id.label("place"), of.dataset, of.status, of.flagged, of.objects, of.model, of.agreement,
                     of.head, schema.sample.c.task, schema.sample.c.query, schema.sample_image.c.name,
                     schema.image).join(schema.sample, schema.sample.c.key == of.sample).join(
        schema.sample_image, first).join(schema.image, schema.image.c.sha256 == schema.sample_image.c.image)


def _place(connection: sa.Connection, sample: str) -> Sequence:
    row = connection.execute(sa.select(dataset_sample.c.agreement, dataset_sample.c.seq).where(
        dataset_sample.c.id == sample)).one_or_none()
    if row is None:
        raise NotFound(f"there is no sample {sample[:80]!r} here")
    return sa.tuple_(sa.literal(row.agreement), sa.literal(row.seq))
