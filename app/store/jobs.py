"""The rows of the queue of jobs: which there are, and what became of each. What they do lies in their run folders."""
from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from app.store import schema
from app.store.database import Database
from app.store.errors import NotFound
from app.store.writer import Writer
from app.types import Job

Handle = dict  # by which an engine finds a process again: plain JSON


class JobRows:
    """`change` is the only way a job goes from one status to the next, and only from a status it may leave."""

    def __init__(self, database: Database, writer: Writer):
        self._database, self._writer = database, writer

    def add(self, job: Job, place: str) -> None:
        row = {name: getattr(job, name) for name in ("id", "kind", "device", "owner", "priority", "status", "problem",
                                                     "created", "started", "ended", "stopping", "exit_code")}
        self._writer.write(lambda connection: connection.execute(
            schema.job.insert().values(**row, place=place, handle=None)) and None)

    def all(self, limit: int) -> list[Job]:
        """The newest first."""
        newest = sa.select(schema.job).order_by(schema.job.c.created.desc(), schema.job.c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return [_job(row) for row in connection.execute(newest)]

    def find(self, id: str) -> Job:
        with self._database.reading() as connection:
            row = connection.execute(sa.select(schema.job).where(schema.job.c.id == id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no job {id[:80]!r} here; `python -m app jobs` lists them")
        return _job(row)

    def unfinished(self, place: str) -> list[tuple[Job, Handle]]:
        """Those of a place that are queued or running, in the order in which they are to start."""
        wanted = sa.select(schema.job).where(schema.job.c.place == place, schema.job.c.status.in_(
            ("queued", "running"))).order_by(schema.job.c.priority.desc(), schema.job.c.created, schema.job.c.id)
        with self._database.reading() as connection:
            return [(_job(row), row.handle or {}) for row in connection.execute(wanted)]

    def change(self, id: str, statuses: Sequence[str], **values) -> bool:
        """Set these columns if the job has one of these statuses, and say whether it had."""
        update = schema.job.update().where(schema.job.c.id == id, schema.job.c.status.in_(statuses)).values(**values)
        return self._writer.write(lambda connection: connection.execute(update).rowcount == 1)

    def remove(self, id: str, statuses: Sequence[str]) -> bool:
        """Forget the job if it has one of these statuses, and say whether it had."""
        gone = schema.job.delete().where(schema.job.c.id == id, schema.job.c.status.in_(statuses))
        return self._writer.write(lambda connection: connection.execute(gone).rowcount == 1)


def _job(row: sa.Row) -> Job:
    handle = row.handle or {}
    return Job(row.id, row.kind, row.status, row.device, row.owner, row.priority, row.created, row.started, row.ended,
               row.stopping, handle.get("pid"), handle.get("pid_started"), row.exit_code, row.problem)
