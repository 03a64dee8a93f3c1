"""What visitors suggest, kept apart from what is true until somebody who may decides.

A suggestion to a sample that is there is a correction which is not one yet; a sample that a visitor brought, with the
corrections they made of it, has the status "suggested" and is in no queue, snapshot or training until it is accepted.
"""
from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from app import rows
from app.store import contents
from app.store.corrections import SAME, Corrections
from app.store.database import Database
from app.store.dataset_tables import dataset_sample, suggestion
from app.store.errors import NotFound
from app.store.schema import insert_new
from app.store.writer import Writer
from app.types import Annotation, Correction

MOST_WAITING = 5_000  # anybody may suggest, and a disk is finite


@dataclass(frozen=True)
class Suggestion:
    """What a visitor would make of a sample. `correction` is how it would look, on top of what they saw."""
    id: str
    correction: Correction
    decided: float | None = None
    decided_by: str | None = None
    accepted: str | None = None  # the id of the correction that it became; decided without one: declined


class Suggestions:
    """All suggestions. Raises Conflict, StoreError, NotFound, or another ValueError of one sentence."""

    def __init__(self, database: Database, writer: Writer, corrections: Corrections):
        self._database, self._writer, self._corrections = database, writer, corrections

    def offer(self, sample: str, *, parent: str | None, author: str, key: str, client: str = "",
              truth: Sequence[Annotation] | None = SAME, answer: str | None = SAME, note: str = SAME) -> Suggestion:
        """As `Corrections.save`, checked in the same way; the same `key` again is the same suggestion."""
        said = {name: value for name, value in (("truth", truth), ("answer", answer), ("note", note))
                if value is not SAME}
        event = self._corrections.event(sample, parent, said, author=author, key=key, client=client)
        content = {name: rows.write(getattr(event, name), name) for name in said}
        row = dict(id=secrets.token_hex(16), sample=sample, parent=event.parent or "", key=key, author=author,
                   client=client, created=event.created, content=content, decided=None, decided_by=None,
                   correction=None)

        def work(connection: sa.Connection) -> str:
            waiting = sa.select(sa.func.count()).select_from(suggestion).where(suggestion.c.decided.is_(None))
            if connection.scalar(waiting) >= MOST_WAITING:
                raise ValueError(f"{MOST_WAITING:,} suggestions wait to be looked at, so none can be added now; "
                                 "try again later")
            insert_new(connection, suggestion, [row])
            return connection.scalar(sa.select(suggestion.c.id).where(suggestion.c.key == key))

        offered = self.find(self._writer.write(work))
        if offered.correction.sample != sample:
            raise ValueError("the key of this suggestion belongs to another sample's; use a new key for each")
        return offered

    def find(self, id: str) -> Suggestion:
        """Raises NotFound."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(suggestion).where(suggestion.c.id == id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no suggestion {id[:80]!r} here")
        return self._suggestion(row)

    def waiting(self, dataset: str | None = None, limit: int = 200) -> list[Suggestion]:
        """Those that nobody has decided, the oldest first."""
        of = suggestion.c
        wanted = sa.select(suggestion).join(dataset_sample, dataset_sample.c.id == of.sample).where(
            of.decided.is_(None), *([] if dataset is None else [dataset_sample.c.dataset == dataset])).order_by(
            of.created, of.id).limit(limit)
        with self._database.reading() as connection:
            found = connection.execute(wanted).all()
        return [self._suggestion(row) for row in found]

    def accept(self, id: str, by: str) -> Correction:
        """It becomes a correction by its own author. Raises Conflict if the sample has changed since it was made.

        Then `Conflict.newest` is what is true now, and `find(id).correction` what was suggested: both can be shown.
        """
        offered = self.find(id)
        if offered.accepted:
            return self._corrections.find(offered.accepted)
        self._undecided(offered)
        with self._database.reading() as connection:
            content = connection.scalar(sa.select(suggestion.c.content).where(suggestion.c.id == id))
        said = {name: getattr(offered.correction, name) for name in content}
        saved = self._corrections.save(offered.correction.sample, parent=offered.correction.parent,
                                       author=offered.correction.author, client=offered.correction.client,
                                       key=f"suggestion {id}", **said)
        self._decide(id, by, saved.id)
        return saved

    def decline(self, id: str, by: str) -> None:
        """It is kept, and waits no more."""
        self._undecided(self.find(id))
        self._decide(id, by, None)

    def is_of(self, sample: str, author: str) -> bool:
        """Whether this author brought the sample and nobody has accepted it: then it is theirs to correct."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(dataset_sample.c.id).where(
                dataset_sample.c.id == sample, dataset_sample.c.status == "suggested",
                dataset_sample.c.author == author)) is not None

    def accept_sample(self, sample: str, by: str) -> Correction:
        """A sample that a visitor brought is one of its dataset from now on; its history says who let it in."""
        of = dataset_sample.c
        waits = sa.and_(of.id == sample, of.status == "suggested")
        with self._database.reading() as connection:
            if connection.scalar(sa.select(of.id).where(waits)) is None:
                raise NotFound(f"sample {sample[:80]!r} does not wait to be accepted; it may have been already")
        now = self._corrections.now(sample)
        event = self._corrections.save(sample, parent=now.id, author=by, key=f"accepted {sample}")
        status = "skipped" if event.skipped else "reviewed" if event.reviewed else "unreviewed"
        self._writer.write(lambda connection: connection.execute(dataset_sample.update().where(waits).values(
            status=status)) and None)
        return event

    def _undecided(self, offered: Suggestion) -> None:
        if offered.decided is not None:
            how = "accepted" if offered.accepted else "declined"
            raise ValueError(f"this suggestion was {how} by {offered.decided_by or 'somebody'} already")

    def _decide(self, id: str, by: str, event: str | None) -> None:
        self._writer.write(lambda connection: connection.execute(suggestion.update().where(
            suggestion.c.id == id, suggestion.c.decided.is_(None)).values(
            decided=time.time(), decided_by=by, correction=event)) and None)

    def _suggestion(self, row: sa.Row) -> Suggestion:
        said = dict(row.content)
        if "truth" in said:
            said["truth"] = contents.truth(said["truth"], f"suggested truth of {row.sample}")
        event = self._corrections.event(row.sample, row.parent, said, author=row.author, key=row.key,
                                        client=row.client)
        return Suggestion(row.id, replace(event, id=row.id, created=row.created), row.decided, row.decided_by,
                          row.correction)
