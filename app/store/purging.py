"""A person asks that a picture be deleted: it and all that is about it goes for good, and a tombstone says that it did.

Gone are the file, equal pictures in other files, their samples with all corrections, the answers of models, votes and
suggestions. Snapshots that had some of it are marked. What was written is overwritten with zeros, on SQLite at once.
Copies that Boxloop does not keep are not reached: exports, run folders, what models learnt, backups.
"""
from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from app.store.answers import known_answer
from app.store.dataset_tables import (
    correction,
    dataset_label,
    dataset_sample,
    picture_band,
    snapshot,
    snapshot_sample,
    split_group,
    suggestion,
    tombstone,
    vote,
)
from app.store.errors import NotFound
from app.store.schema import (
    comparison,
    comparison_sample,
    image,
    insert_new,
    prediction,
    sample,
    sample_image,
    share,
)


@dataclass(frozen=True)
class Purged:
    """What went. `alike` are pictures that look like it and are still here: for a person to look at."""
    pictures: tuple[str, ...]
    samples: int
    answers: int
    snapshots: tuple[str, ...]  # that had some of it
    alike: tuple[str, ...]


def purge(connection: sa.Connection, sha256: str, author: str, reason: str) -> Purged:
    """All rows, in the transaction of `connection`. Raises NotFound. The files go afterwards: `sweep`."""
    pixels, group = connection.execute(sa.select(image.c.pixels_sha256, image.c.split_group).where(
        image.c.sha256 == sha256)).one_or_none() or (None, None)
    if pixels is None:
        raise NotFound(f"there is no picture {sha256[:80]!r} here")
    gone = connection.scalars(sa.select(image.c.sha256).where(image.c.pixels_sha256 == pixels)).all()
    keys = connection.scalars(sa.select(sample_image.c.sample).where(sample_image.c.image.in_(gone)).distinct()).all()
    ids = connection.scalars(sa.select(dataset_sample.c.id).where(dataset_sample.c.sample.in_(keys))).all()
    marked = connection.scalars(sa.select(snapshot_sample.c.snapshot).where(
        snapshot_sample.c.sample.in_(ids)).distinct()).all()
    connection.execute(snapshot.update().where(snapshot.c.id.in_(marked), snapshot.c.purged.is_(None)).values(
        purged=time.time()))
    for table in (suggestion, correction, dataset_label):
        connection.execute(table.delete().where(table.c.sample.in_(ids)))
    connection.execute(dataset_sample.delete().where(dataset_sample.c.id.in_(ids)))
    answers = _without_answers(connection, keys)
    answers += connection.execute(known_answer.delete().where(known_answer.c.pixels_sha256.contains(pixels))).rowcount
    connection.execute(sample_image.delete().where(sample_image.c.sample.in_(keys)))
    connection.execute(sample.delete().where(sample.c.key.in_(keys)))
    connection.execute(picture_band.delete().where(picture_band.c.image.in_(gone)))
    connection.execute(image.delete().where(image.c.sha256.in_(gone)))
    alike = connection.scalars(sa.select(image.c.sha256).where(image.c.split_group == group)).all() if group else []
    if group and not alike:
        connection.execute(split_group.delete().where(split_group.c.id == group))
    insert_new(connection, tombstone, [dict(sha256=one, author=author, reason=reason, created=time.time())
                                       for one in gone])
    return Purged(tuple(gone), len(ids), answers, tuple(marked), tuple(alike))


def _without_answers(connection: sa.Connection, keys: list[str]) -> int:
    """Take these samples out of all comparisons, with their answers; a comparison without samples goes too."""
    listed = connection.execute(sa.select(comparison_sample.c.comparison, comparison_sample.c.id).where(
        comparison_sample.c.sample.in_(keys))).all()
    answers = 0
    for row in listed:
        asked = sa.and_(prediction.c.comparison == row.comparison, prediction.c.sample == row.id)
        connection.execute(correction.update().where(correction.c.prediction.in_(
            sa.select(prediction.c.id).where(asked))).values(prediction=None))  # of a sample of one of its pictures
        connection.execute(vote.delete().where(vote.c.comparison == row.comparison, vote.c.sample == row.id))
        answers += connection.execute(prediction.delete().where(asked)).rowcount
        connection.execute(comparison_sample.delete().where(comparison_sample.c.comparison == row.comparison,
                                                            comparison_sample.c.id == row.id))
    touched = {row.comparison for row in listed}
    left = set(connection.scalars(sa.select(comparison_sample.c.comparison).where(
        comparison_sample.c.comparison.in_(touched))))
    connection.execute(share.delete().where(share.c.comparison.in_(touched - left)))
    connection.execute(comparison.delete().where(comparison.c.id.in_(touched - left)))
    return answers


def sweep(connection: sa.Connection, folder: Path) -> None:
    """Delete the files of all tombstones: also those that a killed process did not come to."""
    for sha256 in connection.scalars(sa.select(tombstone.c.sha256)):
        for path in (folder / sha256[:2]).glob(f"{sha256}.*"):
            path.unlink(missing_ok=True)
