"""Blind votes: which model's answer to one question was the best, said before their names were shown."""
from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app.store.contents import sha256
from app.store.database import Database
from app.store.dataset_tables import vote
from app.store.errors import NotFound
from app.store.schema import comparison_sample, insert_new
from app.store.writer import Writer


@dataclass(frozen=True)
class Wins:
    """How a model fared in all votes that it stood in."""
    won: int = 0
    lost: int = 0
    even: int = 0  # none was the best


class Votes:
    """All votes. The newest of a voter on a sample counts; the older ones stay."""

    def __init__(self, database: Database, writer: Writer):
        self._database, self._writer = database, writer

    def cast(self, comparison: str, sample: str, models: Sequence[str], winner: str | None, *, owner: str,
             key: str) -> str:
        """`winner` of these `models`, or None where none is better; the vote's id. The same `key` again is one vote."""
        if len(set(models)) < 2 or winner not in (None, *models):
            raise ValueError(f"a vote chooses one of several models, or none: {str(winner)[:80]!r} of "
                             f"{', '.join(models)[:200] or 'none'}")
        if not key:
            raise ValueError("a vote needs a key of its own, by which it is known when it is sent again")
        row = dict(id=secrets.token_hex(16), comparison=comparison, sample=sample, owner=sha256(owner), key=key,
                   models=list(dict.fromkeys(models)), winner=winner, created=time.time())

        def work(connection: sa.Connection) -> str:
            listed = comparison_sample.c
            if connection.scalar(sa.select(listed.id).where(listed.comparison == comparison, listed.id == sample)
                                 ) is None:
                raise NotFound(f"there is no sample {sample[:80]!r} in a comparison {comparison[:80]!r} here")
            insert_new(connection, vote, [row])
            return connection.scalar(sa.select(vote.c.id).where(vote.c.key == key))

        return self._writer.write(work)

    def of(self, comparison: str, owner: str) -> dict[str, str | None]:
        """What this voter chose in a comparison, by sample."""
        mine = sa.select(vote.c.sample, vote.c.winner).where(
            vote.c.comparison == comparison, vote.c.owner == sha256(owner)).order_by(vote.c.created, vote.c.id)
        with self._database.reading() as connection:
            return {row.sample: row.winner for row in connection.execute(mine)}

    def wins(self) -> dict[str, Wins]:
        """Of each model that ever stood in a vote."""
        newest = sa.select(vote.c.models, vote.c.winner, sa.func.row_number().over(
            partition_by=(vote.c.comparison, vote.c.sample, vote.c.owner),
            order_by=(vote.c.created.desc(), vote.c.id)).label("back")).subquery()
        counts: dict[str, list[int]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(sa.select(newest).where(newest.c.back == 1)):
                for model in row.models:
                    how = 2 if row.winner is None else 0 if row.winner == model else 1
                    counts.setdefault(model, [0, 0, 0])[how] += 1
        return {model: Wins(*numbers) for model, numbers in sorted(counts.items())}
