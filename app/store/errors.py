"""What can go wrong with a store, in sentences: what happened, what was spared, what would work."""
from __future__ import annotations

import errno
import sqlite3

import filelock
import sqlalchemy as sa

from app.types import Correction


class StoreError(ValueError):
    """The store cannot do it. The text is one sentence."""


class Locked(StoreError):
    """Somebody else has been writing for too long."""


class NotFound(ValueError):
    """There is no such thing, or it is somebody else's: the sentence is the same, so that it tells nothing."""


class Conflict(ValueError):
    """Somebody else was faster: `newest` is what they made of the sample. Nothing was saved and nothing is lost."""

    def __init__(self, newest: Correction):
        super().__init__(f"{newest.author or 'somebody'} has changed this sample since you opened it; look at both, "
                         "and save again on top of the newer one")
        self.newest = newest


def in_words(problem: Exception, place: str) -> StoreError:
    """An error of the database, its lock or its disk, as a person can act on it."""
    if isinstance(problem, filelock.Timeout):
        return Locked(LOCKED.format(place))
    if isinstance(problem, OSError):
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        return StoreError((FULL if full else DISK).format(place, why=problem.strerror or problem))
    cause = getattr(problem, "orig", None) or problem
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the extended codes have their detail above
    state = getattr(cause, "sqlstate", None)
    lost = isinstance(problem, sa.exc.OperationalError) and not code and not state  # no server answered
    gone = getattr(cause, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY or state == "23503"
    known = GONE if gone else UNREACHABLE if lost else SQLITE.get(code) or POSTGRESQL.get(state)
    sentence = known or "{} could not do it ({why})"
    why = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    return (Locked if sentence == LOCKED else StoreError)(sentence.format(place, why=why))


FULL = "the disk of {} is full: what was kept before is safe, but this was not kept; make room and try again"
DISK = ("the disk of {} could not be read or written ({why}): what was kept before is safe, but this was not kept; "
        "look after the disk and try again")
LOCKED = "{} has been locked by another program for too long; end that program, or try again"
DAMAGED = "{} is damaged, or no database ({why}); move it away, or put a copy of it back, and start again"
UNUSABLE = "{} cannot be used ({why}); name another home with --home or BOXLOOP_HOME"
GONE = "{} does not have what this belongs to ({why}); it may have been deleted meanwhile, so nothing was saved"
UNREACHABLE = "{} cannot be reached ({why}); see whether the server runs, and what BOXLOOP_STORE says"
SQLITE = {sqlite3.SQLITE_FULL: FULL, sqlite3.SQLITE_IOERR: DISK, sqlite3.SQLITE_BUSY: LOCKED,
          sqlite3.SQLITE_CORRUPT: DAMAGED, sqlite3.SQLITE_NOTADB: DAMAGED,
          sqlite3.SQLITE_READONLY: UNUSABLE, sqlite3.SQLITE_CANTOPEN: UNUSABLE}
POSTGRESQL = {"53100": FULL, "55P03": LOCKED}
