"""Looking through a dataset: page by page, and only what one asks for; 100,000 samples are counted and not read.

    store.browsing.page(dataset.id, Only(label="cat", split="val"), offset=0, limit=60)
    store.browsing.choices(dataset.id).labels                        # [("cat", 812), ("dog", 401)]
"""
from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from app.formats.card import SIZES
from app.store import reading, schema, splits
from app.store.database import Database
from app.store.dataset_tables import correction, dataset, dataset_label, dataset_sample
from app.store.shelf import Shelf
from app.types import Dataset, Sample

MOST_CHOICES = 1_000  # labels or sources that a menu shows
TASK = sa.func.coalesce(correction.c.task, schema.sample.c.task)


@dataclass(frozen=True)
class Only:
    """Which samples: what is None does not matter."""
    label: str | None = None
    task: str | None = None
    split: str | None = None
    size: str | None = None  # one of the words of app.formats.card.SIZES
    source: str | None = None


@dataclass(frozen=True)
class Choices:
    """What a dataset can be narrowed to, each with its number of samples, the commonest first."""
    labels: tuple[tuple[str, int], ...] = ()
    tasks: tuple[tuple[str, int], ...] = ()
    splits: tuple[tuple[str, int], ...] = ()
    sizes: tuple[tuple[str, int], ...] = ()
    sources: tuple[tuple[str, int], ...] = ()


class Browsing:
    """What is true now, without what was removed or only suggested. Raises StoreError."""

    def __init__(self, database: Database, shelf: Shelf):
        self._database, self._shelf = database, shelf

    def page(self, dataset: str, only: Only = Only(), *, offset: int = 0, limit: int = 60) -> list[Sample]:
        """In the order in which they came."""
        wanted = narrowed(reading.selected(), dataset, only).order_by(dataset_sample.c.seq).offset(offset).limit(limit)
        with self._database.reading() as connection:
            return [sample for _, sample in reading.samples(connection, self._shelf, wanted)]

    def count(self, dataset: str, only: Only = Only()) -> int:
        wanted = narrowed(joined(sa.func.count()), dataset, only)
        with self._database.reading() as connection:
            return connection.scalar(wanted)

    def choices(self, dataset: str) -> Choices:
        of = dataset_sample.c
        held_out = sa.case((_with_picture(schema.image.c.split == splits.HELD_OUT), splits.HELD_OUT),
                           else_=splits.TRAIN)
        first = sa.select(_size()).join(schema.sample_image, schema.sample_image.c.image == schema.image.c.sha256
                                        ).where(schema.sample_image.c.sample == of.sample,
                                                schema.sample_image.c.position == 0).scalar_subquery()
        labelled = joined(dataset_label.c.label.label("value"), sa.func.count().label("number")).join(
            dataset_label, dataset_label.c.sample == of.id)
        with self._database.reading() as connection:
            return Choices(_counted(connection, labelled, dataset),
                           *(_counted(connection, joined(value.label("value"), sa.func.count().label("number")),
                                      dataset) for value in (TASK, held_out, first, schema.sample.c.source)))

    def removed(self) -> list[Dataset]:
        """Datasets that can be restored, the last removed first."""
        gone = sa.select(dataset).where(dataset.c.removed.is_not(None)).order_by(dataset.c.removed.desc())
        with self._database.reading() as connection:
            return [Dataset(row.id, row.name, row.created) for row in connection.execute(gone)]


def joined(*columns: sa.ColumnElement) -> sa.Select:
    """Samples as they were given beside their newest correction, as `reading.selected` has them."""
    return sa.select(*columns).select_from(dataset_sample).join(
        schema.sample, schema.sample.c.key == dataset_sample.c.sample).outerjoin(
        correction, correction.c.id == dataset_sample.c.head)


def narrowed(wanted: sa.Select, dataset: str, only: Only) -> sa.Select:
    of = dataset_sample.c
    wanted = wanted.where(of.dataset == dataset, of.removed.is_(False), of.status != "suggested")
    if only.label is not None:
        wanted = wanted.where(sa.exists().where(dataset_label.c.sample == of.id, dataset_label.c.label == only.label))
    if only.task is not None:
        wanted = wanted.where(only.task == TASK)
    if only.split is not None:
        held_out = _with_picture(schema.image.c.split == splits.HELD_OUT)
        wanted = wanted.where(held_out if only.split == splits.HELD_OUT else sa.not_(held_out))
    if only.size is not None:
        wanted = wanted.where(_with_picture(_size() == only.size, schema.sample_image.c.position == 0))
    if only.source is not None:
        wanted = wanted.where(schema.sample.c.source == only.source)
    return wanted


def _with_picture(*conditions: sa.ColumnElement) -> sa.ColumnElement:
    return sa.exists().where(schema.sample_image.c.sample == dataset_sample.c.sample,
                             schema.sample_image.c.image == schema.image.c.sha256, *conditions)


def _size() -> sa.ColumnElement:
    """`size_word`, in the database."""
    area = schema.image.c.width * sa.cast(schema.image.c.height, sa.BigInteger)
    return sa.case(*((area < limit * 1e6, word) for limit, word in SIZES[:-1]), else_=SIZES[-1][1])


def _counted(connection: sa.Connection, wanted: sa.Select, dataset: str) -> tuple[tuple[str, int], ...]:
    number = sa.literal_column("number")
    rows = connection.execute(narrowed(wanted, dataset, Only()).group_by(sa.literal_column("value")).order_by(
        number.desc(), sa.literal_column("value")).limit(MOST_CHOICES))
    return tuple((row.value, row.number) for row in rows)
