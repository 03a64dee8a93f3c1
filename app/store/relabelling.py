"""A class gets another name, in every sample of a dataset that has it; if that name is there already, they are one.

Each sample gets a correction, as if somebody had changed it in the editor, so that its history tells it and the whole
can be undone. Who changed a sample meanwhile keeps what they did.
"""
from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import sqlalchemy as sa

from app.store.browsing import TASK, Only, joined, narrowed
from app.store.corrections import Corrections
from app.store.database import Database
from app.store.dataset_tables import correction, dataset_sample
from app.store.errors import Conflict, NotFound
from app.types import Correction

TASKS = ("detect", "count", "keypoints")  # whose labels are classes; those of others are whole expressions
CLIENT = "rename"  # the first word of the client of such a correction; then come an id and what was renamed
AT_ONCE = 8  # savers: the store commits them together
LONGEST = 80  # characters of a name that the client keeps


@dataclass(frozen=True)
class Renamed:
    """How far a renaming or its undoing is. `total` samples have the class, `left` were changed by somebody else."""
    done: int
    total: int
    left: int = 0


@dataclass(frozen=True)
class Undoable:
    """A renaming that can be undone, and in how many samples it is the newest correction."""
    client: str
    words: str
    samples: int


class Relabelling:
    """Raises ValueError, StoreError. Both generators tell how far they are, and go on where a stopped one was."""

    def __init__(self, database: Database, corrections: Corrections):
        self._database, self._corrections = database, corrections

    def rename(self, dataset: str, old: str, new: str, author: str = "") -> Iterator[Renamed]:
        """`new` may be a class that is there: then both are one."""
        new = " ".join(new.split())
        if not new or ";" in new:
            raise ValueError(f"a class needs a name without semicolons, not {new!r}")
        if old == new:
            raise ValueError(f"the class is named {old!r} already")
        client = f"{CLIENT} {secrets.token_hex(6)} {old[:LONGEST]} → {new[:LONGEST]}"

        def change(sample: str) -> bool:
            before = self._corrections.now(sample)
            if before.task in TASKS and any(each.label == old for each in before.truth or ()):
                self._corrections.save(sample, parent=before.id, author=author, client=client,
                                       key=f"{client[:30]} {sample}", **_changes(before, old, new))
            return True

        yield from self._each(self._samples(dataset, old), change)

    def undo(self, dataset: str, client: str, author: str = "") -> Iterator[Renamed]:
        """Every sample whose newest correction this renaming is, as it was before."""
        def change(sample: str) -> bool:
            now = self._corrections.now(sample)
            if now.client != client:
                return False
            before = self._corrections.find(now.parent) if now.parent else self._corrections.given(sample)
            same = {name: getattr(before, name) for name in ("truth", "query", "reviewed", "skipped")}
            self._corrections.save(sample, parent=now.id, author=author, client=f"undo {client}"[:200],
                                   key=f"undo {now.id}", restores=before.id or None, **same)
            return True

        yield from self._each(self._renamed(dataset, client), change)

    def last(self, dataset: str) -> Undoable | None:
        """The newest renaming that can still be undone."""
        of = dataset_sample.c
        newest = sa.select(correction.c.client, sa.func.count().label("samples")).join(
            dataset_sample, of.head == correction.c.id).where(
            of.dataset == dataset, of.removed.is_(False), correction.c.client.like(f"{CLIENT} %")).group_by(
            correction.c.client).order_by(sa.func.max(correction.c.created).desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(newest).one_or_none()
        return None if row is None else Undoable(row.client, row.client.split(" ", 2)[2], row.samples)

    def _each(self, samples: list[str], change: Callable[[str], bool]) -> Iterator[Renamed]:
        now = Renamed(0, len(samples))
        with ThreadPoolExecutor(AT_ONCE) as savers:
            for start in range(0, len(samples), 10 * AT_ONCE):
                yield now
                told = list(savers.map(lambda sample: _kept(change, sample), samples[start:start + 10 * AT_ONCE]))
                now = replace(now, done=now.done + sum(told), left=now.left + len(told) - sum(told))
        yield now

    def _samples(self, dataset: str, label: str) -> list[str]:
        of = dataset_sample.c
        wanted = narrowed(joined(of.id), dataset, Only(label=label)).where(TASK.in_(TASKS)).order_by(of.seq)
        with self._database.reading() as connection:
            return list(connection.scalars(wanted))

    def _renamed(self, dataset: str, client: str) -> list[str]:
        of = dataset_sample.c
        with self._database.reading() as connection:
            return list(connection.scalars(sa.select(of.id).join(correction, of.head == correction.c.id).where(
                of.dataset == dataset, of.removed.is_(False), correction.c.client == client).order_by(of.seq)))


def _kept(change: Callable[[str], bool], sample: str) -> bool:
    """Whether it was changed; not where somebody was faster, or it was deleted for good."""
    try:
        return change(sample)
    except (Conflict, NotFound):
        return False


def _changes(before: Correction, old: str, new: str) -> dict:
    """What is renamed: the objects, and the class among those that were asked for. Who looked has still looked."""
    truth = tuple(replace(each, label=new) if each.label == old else each for each in before.truth or ())
    asked = [" ".join(name.split()) for name in before.query.split(";")]
    query = "; ".join(dict.fromkeys(new if name == old else name for name in asked if name))
    return {"truth": truth, "reviewed": before.reviewed, "skipped": before.skipped,
            "query": before.query if before.task == "keypoints" else query}
