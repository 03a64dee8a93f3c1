"""What a workspace keeps: pictures, samples, comparisons and their answers, in one database and one folder of files.

    store = Store(home)                                    # SQLite in the home, or PostgreSQL by its URL
    comparison = store.begin(owner, samples, models)       # on the disk when it returns, like all that follows
    store.keep(comparison.id, sample.id, prediction)
    store.comparison(comparison.id, owner).answers[sample.id, model]

Any thread, and several processes at once. Whoever asks is named by `owner`, a secret of their browser; another owner's
comparison is not there. Answers are added and never overwritten; what is removed can be restored.
"""
from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from app import rows
from app.store import contents, pictures, purging, schema
from app.store.adding import Added
from app.store.answers import Answers
from app.store.browsing import Browsing
from app.store.contents import image_rows, sample_row, sha256
from app.store.corrections import Corrections
from app.store.database import open_database
from app.store.datasets import Datasets
from app.store.errors import Conflict, NotFound, StoreError, in_words
from app.store.jobs import JobRows
from app.store.purging import Purged
from app.store.relabelling import Relabelling
from app.store.remembered import Remembered
from app.store.reviewing import Queue
from app.store.shelf import Shelf
from app.store.snapshots import Snapshots
from app.store.suggestions import Suggestions
from app.store.votes import Votes
from app.store.writer import Writer
from app.types import Comparison, Image, Prediction, Sample

__all__ = ["Added", "Conflict", "NotFound", "Store", "StoreError"]


class Store:
    """One home's store. Raises StoreError or NotFound, both ValueErrors of one sentence."""

    def __init__(self, home: str | Path, url: str | None = None):
        """`url` is a database other than the file in `home`; BOXLOOP_STORE names one too. Pictures stay in `home`."""
        home = Path(home).absolute()
        try:
            (home / "images").mkdir(parents=True, exist_ok=True)
            pictures.sweep(home / "images")
        except OSError as problem:
            raise in_words(problem, f"the store in {home}") from problem
        self._database = open_database(home, url or os.environ.get("BOXLOOP_STORE"))
        self._home = home
        self._finish_purges()
        self._writer = Writer(self._database)
        self._images_of = Remembered()
        self.jobs = JobRows(self._database, self._writer)
        self.answers = Answers(self._database, self._writer)
        self._shelf = Shelf(home, self._database)
        self.corrections = Corrections(self._database, self._writer)
        self.snapshots = Snapshots(self._database, self._writer)
        self.suggestions = Suggestions(self._database, self._writer, self.corrections)
        self.queue = Queue(self._database, self._writer, self._shelf)
        self.votes = Votes(self._database, self._writer)
        self.browsing = Browsing(self._database, self._shelf)
        self.relabelling = Relabelling(self._database, self.corrections)
        self.datasets = Datasets(self._database, self._writer, self._shelf, self.corrections, self.snapshots)

    @property
    def home(self) -> Path:
        """The folder that it lies in."""
        return self._home

    def close(self) -> None:
        self._writer.close()
        self._database.close()

    def keep_picture(self, image: Image) -> Image:
        """The same picture as it lies in the store, under the name it came with. Raises PictureError too."""
        kept, row = self._shelf.keep(image)
        self._writer.write(lambda connection: schema.insert_new(connection, schema.image, [row]))
        return replace(self.picture(kept.sha256), name=image.name)

    def picture(self, sha256: str) -> Image:
        """By the sha256 of its file; without a name, as several people may know it under several."""
        return self._shelf.find(sha256)

    def purge(self, sha256: str, *, author: str, reason: str = "") -> Purged:
        """Delete a picture, and all that is about it, for good: see app.store.purging. Nobody can take it back."""
        purged = self._writer.write(lambda connection: purging.purge(connection, sha256, author, reason))
        self._finish_purges()
        self.corrections.forget()
        self._images_of.clear()
        self._database.scrub()
        return purged

    def begin(self, owner: str, samples: Sequence[Sample], models: Sequence[str]) -> Comparison:
        """A new comparison; its samples' pictures are kept if they were not yet. Raises PictureError too."""
        if not samples or len({one.id for one in samples}) < len(samples) or not all(one.images for one in samples):
            raise ValueError("a comparison needs samples, each with a picture and an id of its own; "
                             f"given: {', '.join(sample.id for sample in samples)[:200] or 'none'}")
        files = [self._shelf.keep(image) for sample in samples for image in sample.images]
        kept = iter(files)
        samples = [replace(one, images=tuple(next(kept)[0] for _ in one.images)) for one in samples]
        id, now = secrets.token_hex(16), time.time()
        listed = [sample_row(sample, now) for sample in samples]
        named = [one for sample, row in zip(samples, listed) for one in image_rows(row["key"], sample.images)]

        def work(connection: sa.Connection) -> None:
            schema.insert_new(connection, schema.image, [row for _, row in files])
            schema.insert_new(connection, schema.sample, listed)
            schema.insert_new(connection, schema.sample_image, named)
            connection.execute(schema.comparison.insert().values(
                id=id, owner=sha256(owner), models=list(models), created=now))
            connection.execute(schema.comparison_sample.insert(), [
                {"comparison": id, "position": position, "id": row["id"], "sample": row["key"]}
                for position, row in enumerate(listed)])

        self._writer.write(work)
        return self.comparison(id, owner)

    def keep(self, comparison: str, sample: str, prediction: Prediction) -> str:
        """One more answer, and its id. The newest of a model on a sample is what the comparison shows."""
        images = self._images_of.get((comparison, sample)) or self._read_images_of(comparison, sample)
        asked = [image.sha256 for image in prediction.request.images]
        if asked != images:
            raise ValueError(f"the answer of {prediction.model} is about another picture than sample {sample[:80]!r}: "
                             f"{', '.join(asked)[:80]!r} instead of {', '.join(images)[:80]!r}")
        answer = rows.write(replace(prediction, request=replace(prediction.request, images=())))
        row = dict(id=secrets.token_hex(16), comparison=comparison, sample=sample, model=prediction.model,
                   answer=answer, created=time.time())
        self._writer.write(lambda connection: connection.execute(schema.prediction.insert(), row) and None)
        return row["id"]

    def _read_images_of(self, comparison: str, sample: str) -> list[str]:
        with self._database.reading() as connection:
            images = connection.scalars(_sample_images().with_only_columns(schema.image.c.sha256).where(
                schema.comparison_sample.c.comparison == comparison, schema.comparison_sample.c.id == sample)).all()
        if not images:
            raise NotFound(f"there is no sample {sample[:80]!r} in a comparison {comparison[:80]!r} here")
        self._images_of.put((comparison, sample), images, 10)
        return images

    def comparison(self, id: str, owner: str) -> Comparison:
        """With its newest answers. Raises NotFound if it is not there, was removed, or is not this owner's."""
        with self._database.reading() as connection:
            found = connection.execute(_comparisons().where(
                schema.comparison.c.id == id, schema.comparison.c.owner == sha256(owner))).one_or_none()
            if found is None:
                raise _no_comparison(id)
            return self._with_answers(connection, found)

    def comparisons(self, owner: str, limit: int = 50) -> list[Comparison]:
        """The newest first, with their samples, without their answers."""
        newest = _comparisons().where(schema.comparison.c.owner == sha256(owner)).order_by(
            schema.comparison.c.created.desc(), schema.comparison.c.id).limit(limit)
        with self._database.reading() as connection:
            found = connection.execute(newest).all()
            samples = self._samples(connection, [row.id for row in found])
        return [_comparison(row, samples[row.id]) for row in found]

    def remove(self, id: str, owner: str) -> None:
        """Not shown any more, to nobody, until it is restored."""
        self._mark(id, owner, time.time())

    def restore(self, id: str, owner: str) -> None:
        """As it was before it was removed, with its link."""
        self._mark(id, owner, None)

    def share(self, id: str, owner: str) -> str:
        """What stands in a link that shows this comparison to whoever has it. An earlier link shows nothing more."""
        token, now = secrets.token_urlsafe(24), time.time()

        def work(connection: sa.Connection) -> None:
            _revoke(connection, id, owner, now)
            connection.execute(schema.share.insert().values(token=sha256(token), comparison=id, created=now))

        self._writer.write(work)
        return token

    def revoke(self, id: str, owner: str) -> None:
        """The link shows nothing more."""
        self._writer.write(lambda connection: _revoke(connection, id, owner, time.time()))

    def shared(self, token: str) -> Comparison:
        """The comparison of a link. Raises NotFound for whatever is no link, or no longer."""
        linked = sa.select(schema.share.c.comparison).where(
            schema.share.c.token == sha256(token), schema.share.c.revoked.is_(None)).scalar_subquery()
        with self._database.reading() as connection:
            found = connection.execute(_comparisons().where(schema.comparison.c.id == linked)).one_or_none()
            if found is None:
                raise NotFound("this link shows nothing: it is incomplete, or whoever made it has taken it back")
            return self._with_answers(connection, found)

    def _finish_purges(self) -> None:
        try:
            with self._database.reading() as connection:
                purging.sweep(connection, self._home / "images")
        except OSError as problem:
            raise in_words(problem, f"the store in {self._home}") from problem

    def _with_answers(self, connection: sa.Connection, row: sa.Row) -> Comparison:
        samples = self._samples(connection, [row.id])[row.id]
        images = {sample.id: sample.images for sample in samples}
        newest = sa.select(sa.func.max(schema.prediction.c.seq)).where(schema.prediction.c.comparison == row.id
                                                                       ).group_by("sample", "model")
        found = connection.execute(sa.select(schema.prediction).where(schema.prediction.c.seq.in_(newest)))
        answers = {(one.sample, one.model): _prediction(one.answer, images[one.sample])
                   for one in found.all()}
        return replace(_comparison(row, samples), answers=answers)

    def _samples(self, connection: sa.Connection, comparisons: list[str]) -> dict[str, list[Sample]]:
        """The samples of each of these comparisons, in their order."""
        listed = schema.comparison_sample.c
        wanted = connection.execute(sa.select(listed.comparison, schema.sample).join(
            schema.sample, schema.sample.c.key == listed.sample).where(listed.comparison.in_(comparisons)
                                                                       ).order_by(listed.position)).all()
        images: dict[str, list[Image]] = {}
        for row in connection.execute(_sample_images().distinct().where(listed.comparison.in_(comparisons))):
            images.setdefault(row.sample, []).append(self._shelf.image(row, row.name))
        found: dict[str, list[Sample]] = {id: [] for id in comparisons}
        for row in wanted:
            truth = contents.truth(row.truth, f"truth of {row.id}")
            found[row.comparison].append(Sample(row.id, tuple(images[row.key]), row.task, row.query, truth,
                                                row.answer, row.source))
        return found

    def _mark(self, id: str, owner: str, removed: float | None) -> None:
        mine = schema.comparison.update().where(schema.comparison.c.id == id,
                                                schema.comparison.c.owner == sha256(owner))

        def work(connection: sa.Connection) -> None:
            if connection.execute(mine.values(removed=removed)).rowcount == 0:
                raise _no_comparison(id)

        self._writer.write(work)


def _comparisons() -> sa.Select:
    """Comparisons that were not removed, and whether a link shows them."""
    link = sa.exists().where(schema.share.c.comparison == schema.comparison.c.id, schema.share.c.revoked.is_(None))
    return sa.select(schema.comparison, link.label("shared")).where(schema.comparison.c.removed.is_(None))


def _sample_images() -> sa.Select:
    """The pictures of comparisons' samples, in the order of each sample."""
    image, of, listed = schema.image.c, schema.sample_image.c, schema.comparison_sample.c
    return sa.select(of.sample, of.position, of.name, schema.image).select_from(schema.comparison_sample).join(
        schema.sample_image, of.sample == listed.sample).join(
        schema.image, image.sha256 == of.image).order_by(of.sample, of.position)


def _comparison(row: sa.Row, samples: list[Sample]) -> Comparison:
    return Comparison(row.id, row.created, tuple(samples), tuple(row.models), shared=row.shared)


def _prediction(row: dict, images: tuple[Image, ...]) -> Prediction:
    prediction = rows.read(Prediction, row)
    return replace(prediction, request=replace(prediction.request, images=images))


def _revoke(connection: sa.Connection, id: str, owner: str, now: float) -> None:
    if connection.scalar(_comparisons().with_only_columns(schema.comparison.c.id).where(
            schema.comparison.c.id == id, schema.comparison.c.owner == sha256(owner))) is None:
        raise _no_comparison(id)
    connection.execute(schema.share.update().where(schema.share.c.comparison == id, schema.share.c.revoked.is_(None)
                                                   ).values(revoked=now))


def _no_comparison(id: str) -> NotFound:
    return NotFound(f"there is no comparison {id[:80]!r} of yours here; it may have been removed")
