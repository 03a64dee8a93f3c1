"""Corrections: events that are added and never changed. The newest of a sample is what is true of it.

    now = store.corrections.now(sample)                    # what the editor opens
    store.corrections.save(sample, parent=now.id, truth=boxes, author="me", client="tab 1", key=once)

Each says which event its author saw. If that is not the newest any more, nobody's work is lost: Conflict, with the
newer one. The same `key` again, after an answer that was lost on its way, is the same event and not a second.
"""
from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import sqlalchemy as sa

from app import annotations, rows
from app.store import adding, contents, schema
from app.store.database import Database
from app.store.dataset_tables import correction, dataset_label, dataset_sample
from app.store.errors import Conflict, NotFound
from app.store.remembered import Remembered
from app.store.schema import insert_new, prediction
from app.store.writer import Writer
from app.types import Annotation, Changes, Correction

SAME: Any = object()  # as the parent has it
LONGEST = {"author": 200, "client": 200, "key": 200, "note": 10_000, "query": 2_000, "answer": 20_000, "task": 40}
CHANGEABLE = ("truth", "answer", "task", "query", "note", "reviewed", "flagged", "skipped", "removed", "prediction")


@dataclass(frozen=True)
class Given:
    """A sample as it came, and the sizes and hashes of its pictures."""
    correction: Correction  # as if it were its own event, the one before the first: seq 0, id ""
    sizes: tuple[tuple[int, int], ...]
    pictures: tuple[str, ...]


class Corrections:
    """The corrections of all samples. Raises Conflict, StoreError, NotFound, or another ValueError of one sentence."""

    def __init__(self, database: Database, writer: Writer):
        self._database, self._writer = database, writer
        self._given, self._events = Remembered(), Remembered()

    def now(self, sample: str) -> Correction:
        """What is true of a sample. Where nobody has corrected it, it is as it was given: `id` is "" and `seq` 0."""
        with self._database.reading() as connection:
            row = connection.execute(_events().join(dataset_sample, dataset_sample.c.head == correction.c.id).where(
                dataset_sample.c.id == sample)).one_or_none()
        return self._given_of(sample).correction if row is None else self._remember(row)

    def find(self, id: str) -> Correction:
        """One event. Raises NotFound."""
        known = self._events.get(id)
        if known is None:
            with self._database.reading() as connection:
                row = connection.execute(_events().where(correction.c.id == id)).one_or_none()
            if row is None:
                raise NotFound(f"there is no correction {id[:80]!r} here")
            known = self._remember(row)
        return known

    def history(self, sample: str, limit: int = 200) -> list[Correction]:
        """All events of a sample, the newest first."""
        with self._database.reading() as connection:
            found = connection.execute(_events().where(correction.c.sample == sample).order_by(
                correction.c.seq.desc()).limit(limit)).all()
        return [self._remember(row) for row in found]

    def given(self, sample: str) -> Correction:
        """As it came, before anybody corrected it."""
        return self._given_of(sample).correction

    def save(self, sample: str, *, parent: str | None, author: str, key: str, client: str = "",
             truth: Sequence[Annotation] | None = SAME, answer: str | None = SAME, task: str = SAME, query: str = SAME,
             note: str = SAME, reviewed: bool = SAME, flagged: bool = SAME, skipped: bool = SAME,
             removed: bool = SAME, prediction: str | None = SAME, restores: str | None = None) -> Correction:
        """A new event on top of `parent`, the event that its author saw (None or "": the sample as it was given).

        What is not named stays as it was; who says what is there has reviewed it and does not skip it. `prediction` is
        the id of the answer that it came from. Raises Conflict if `parent` is not the newest, ValueError for an
        object that cannot be kept (see app.annotations); then nothing is saved.
        """
        said = dict(truth=truth, answer=answer, task=task, query=query, note=note, reviewed=reviewed, flagged=flagged,
                    skipped=skipped, removed=removed, prediction=prediction)
        event = self.event(sample, parent, {name: value for name, value in said.items() if value is not SAME},
                           author=author, key=key, client=client, restores=restores)
        saved = self._writer.write(_work(event, self._parent(sample, parent), self._given_of(sample)))
        if not saved:
            return self._already(event)
        self._events.put(event.id, event, weight(event))
        return event

    def event(self, sample: str, parent: str | None, said: dict, *, author: str, key: str, client: str = "",
              restores: str | None = None) -> Correction:
        """What `save` would add, checked but not saved: `said` has the fields that are not as they were."""
        given, before = self._given_of(sample), self._parent(sample, parent)
        event = replace(before, **self._checked(dict(said), given), id=secrets.token_hex(16), seq=before.seq + 1,
                        parent=before.id or None, author=author, client=client, key=key, created=time.time(),
                        restores=restores)
        event = replace(event, changes=annotations.changes(before.truth or (), event.truth or ()))
        judge(event)
        return event

    def remove(self, sample: str, *, parent: str | None, author: str, key: str, client: str = "") -> Correction:
        """The sample is out of its dataset; `restore` to the event before brings it back."""
        return self.save(sample, parent=parent, author=author, key=key, client=client, removed=True)

    def restore(self, sample: str, event: str | None, *, parent: str | None, author: str, key: str,
                client: str = "") -> Correction:
        """The content of an earlier event (None: as it was given) as a new one; what came in between stays."""
        old = self._parent(sample, event)
        same = {name: getattr(old, name) for name in CHANGEABLE} | {"removed": False}
        return self.save(sample, parent=parent, author=author, key=key, client=client, restores=old.id or None, **same)

    def since(self, sample: str) -> Changes:
        """What people changed against the model's answer that the newest correction came from, by id."""
        events = self.history(sample, limit=1_000_000)
        taken = [event for event in events if event.prediction and event.prediction == events[0].prediction]
        before = taken[-1].truth if taken else self.given(sample).truth
        return annotations.changes(before or (), (events[0].truth if events else before) or ())

    def forget(self) -> None:
        """What this process remembers, after a purge."""
        self._given.clear(), self._events.clear()

    def _given_of(self, sample: str) -> Given:
        known = self._given.get(sample)
        if known is None:
            known = self._read_given(sample)
            self._given.put(sample, known, weight(known.correction))
        return known

    def _read_given(self, sample: str) -> Given:
        with self._database.reading() as connection:
            row = connection.execute(sa.select(dataset_sample.c.created.label("came"), dataset_sample.c.author,
                                               schema.sample).join(
                schema.sample, schema.sample.c.key == dataset_sample.c.sample).where(
                dataset_sample.c.id == sample)).one_or_none()
            if row is None:
                raise NotFound(f"there is no sample {sample[:80]!r} here")
            images = connection.execute(contents.images_of().where(schema.sample_image.c.sample == row.key)).all()
        event = Correction("", sample, 0, None, row.author, "", "", row.came, row.task, row.query,
                           contents.truth(row.truth, f"truth of {sample}"), row.answer, reviewed=False)
        return Given(event, tuple((image.width, image.height) for image in images),
                     tuple(image.sha256 for image in images))

    def _parent(self, sample: str, id: str | None) -> Correction:
        if not id:
            return self.given(sample)
        event = self.find(id)
        if event.sample != sample:
            raise NotFound(f"there is no correction {id[:80]!r} of sample {sample[:80]!r}")
        return event

    def _checked(self, said: dict, given: Given) -> dict:
        """What is said, as it can be kept; with the model and prompt of the answer that it came from."""
        if said.get("truth") is not None:
            said["truth"], problems = annotations.checked(said["truth"], *given.sizes)
            if lost := [str(problem) for problem in problems if problem.lost]:
                raise ValueError("nothing was saved: " + "; ".join(lost[:3])
                                 + (f"; and {len(lost) - 3} more" if len(lost) > 3 else ""))
        if "truth" in said or "answer" in said:
            said = {"reviewed": True, "skipped": False} | said
        if said.get("prediction"):
            said |= self._asked(said["prediction"], given)
        elif "prediction" in said:
            said |= dict(model=None, revision=None, prompt=None)
        return said

    def _asked(self, id: str, given: Given) -> dict:
        with self._database.reading() as connection:
            row = connection.execute(sa.select(prediction.c.answer, schema.sample_image.c.image).join(
                schema.comparison_sample, sa.and_(schema.comparison_sample.c.comparison == prediction.c.comparison,
                                                  schema.comparison_sample.c.id == prediction.c.sample)).join(
                schema.sample_image, schema.sample_image.c.sample == schema.comparison_sample.c.sample).where(
                prediction.c.id == id)).first()
        if row is None or row.image not in given.pictures:
            raise NotFound(f"there is no answer {id[:80]!r} about this picture here")
        return {name: row.answer[name] for name in ("model", "revision", "prompt")}

    def _already(self, event: Correction) -> Correction:
        """Why an event was not new: it was sent before, or somebody else was faster."""
        with self._database.reading() as connection:
            row = connection.execute(_events().where(correction.c.key == event.key)).one_or_none()
        if row is None:
            raise Conflict(self.now(event.sample))
        if row.sample != event.sample:
            raise ValueError("nothing was saved: the key of this correction belongs to another sample's; "
                             "use a new key for each")
        return self._remember(row)

    def _remember(self, row: sa.Row) -> Correction:
        known = self._events.get(row.id)
        if known is None:
            known = _event(row)
            self._events.put(row.id, known, weight(known))
        return known


def judge(event: Correction) -> None:
    """Raises ValueError for what no page of ours sends."""
    if not event.key:
        raise ValueError("a correction needs a key of its own, by which it is known when it is sent again")
    for name, most in LONGEST.items():
        if len(getattr(event, name) or "") > most:
            raise ValueError(f"nothing was saved: {name} has {len(getattr(event, name)):,} characters; "
                             f"keep it under {most:,}")


def _work(event: Correction, before: Correction, given: Given):
    """The rows of an event, made here and not in the writer's thread; the work says whether it was new."""
    asked = contents.question(given.pictures, event.task, event.query)
    row = {name: getattr(event, name) for name in COLUMNS} | {
        "parent": event.parent or "", "truth": rows.write(event.truth, "truth"), "changes": rows.write(event.changes)}
    row["content"] = contents.content(asked, row["truth"], event.answer)
    now = {"of": event.sample, "head": event.id, "content": row["content"],
           "objects": None if event.truth is None else len(event.truth)}
    if _listed(event) != _listed(before):
        now |= {"flagged": event.flagged, "removed": event.removed, "model": event.model, "question": asked,
                "now": _status(event)}
    labels = adding.label_rows(event.sample, event.truth or ())
    relabelled = labels != adding.label_rows(event.sample, before.truth or ())

    def work(connection: sa.Connection) -> bool:
        if insert_new(connection, correction, [row]) == 0:
            return False
        connection.execute(NEWEST if "now" in now else NEWEST_TRUTH, now)
        if relabelled:
            connection.execute(dataset_label.delete().where(dataset_label.c.sample == event.sample))
            insert_new(connection, dataset_label, labels)
        return True
    return work


def _listed(event: Correction) -> tuple:
    """By what lists find a sample: columns with indexes, which cost something to write."""
    return event.flagged, event.removed, event.model, event.task, event.query, _status(event)


def _beside(*names: str) -> sa.Update:
    return dataset_sample.update().where(dataset_sample.c.id == sa.bindparam("of")).values(
        {name: sa.bindparam(name) for name in names})


NEWEST_TRUTH = _beside("head", "content", "objects")
# What a suggested sample becomes, it is still suggested.
NEWEST = _beside("head", "content", "objects", "flagged", "removed", "model", "question").values(
    status=sa.case((dataset_sample.c.status == "suggested", "suggested"), else_=sa.bindparam("now")))


def weight(event: Correction) -> int:
    return 10 + len(event.truth or ())


def _status(event: Correction) -> str:
    return "skipped" if event.skipped else "reviewed" if event.reviewed else "unreviewed"


def _events() -> sa.Select:
    return sa.select(correction)


def _event(row: sa.Row) -> Correction:
    values = {name: getattr(row, name) for name in COLUMNS} | {
        "parent": row.parent or None, "truth": contents.truth(row.truth, f"truth of {row.sample}"),
        "changes": rows.read(Changes, row.changes)}
    return Correction(**values)


COLUMNS = tuple(field.name for field in fields(Correction))
