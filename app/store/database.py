"""Opens the store's database: a SQLite file that several processes share, or PostgreSQL by its URL.

SQLite 3.7.0 to 3.51.2 can damage its write-ahead log when two connections write or checkpoint at the same instant, and
Python often brings one of those (3.40.1 with Debian 12). So a process writes and checkpoints on one connection only,
while it holds a lock file that all processes respect; readers open the file read-only, which never checkpoints.
"""
from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import filelock
import sqlalchemy as sa

from app.store import schema
from app.store.columns import dumps, loads
from app.store.errors import StoreError, in_words

PATIENCE = 30.0  # seconds to wait for whoever is writing; a commit takes milliseconds
POLL = 0.002  # seconds between two looks at the lock; two busy processes waited at most 0.2 s for each other
READERS = 40  # connections, opened when needed and kept open: as many as Gradio has threads
FILE = "boxloop.sqlite3"
PSYCOPG = "psycopg[binary]==3.3.9"  # as in requirements-dev.txt


class Database:
    """`reading()` and `writing()` give connections in a transaction; what goes wrong in them is a StoreError."""

    def __init__(self, readers: sa.Engine, writers: sa.Engine, alone: AbstractContextManager, place: str):
        self.place = place
        self._readers, self._writers, self._alone = readers, writers, alone

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self._in_words(), self._readers.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Committed and on the disk when the block is left. For one thread of this process: app.store.writer."""
        with self._in_words(), self._alone, self._writers.begin() as connection:
            yield connection

    def scrub(self) -> None:
        """What was deleted is in no file any more: SQLite's log still has the pages of before."""
        if self._writers.dialect.name != "sqlite":  # PostgreSQL vacuums by itself, when nobody can see the rows
            return
        with self._in_words(), self._alone, closing(self._writers.raw_connection()) as connection:
            connection.execute("pragma wal_checkpoint(truncate)")

    def close(self) -> None:
        self._readers.dispose()
        with self._in_words(), self._alone:  # the last connection to be closed checkpoints
            self._writers.dispose()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, filelock.Timeout, OSError) as problem:
            raise in_words(problem, self.place) from problem


def open_database(home: Path, url: str | None = None) -> Database:
    """The database at `url`, or the file in `home`, with its tables made or brought up to date. Raises StoreError."""
    database = _postgresql(url) if url and not url.startswith("sqlite") else _sqlite(_file(home, url))
    try:
        with database.writing() as connection:
            schema.bring_up(connection, database.place)
    except BaseException:
        database.close()
        raise
    return database


def _file(home: Path, url: str | None) -> Path:
    if not url:
        return home / FILE
    path = _address(url).database
    if not path or path == ":memory:":
        raise StoreError(f"{url} is no file, and what it keeps would be lost; write sqlite:////folder/name.sqlite3")
    return Path(path).absolute()


def _sqlite(path: Path) -> Database:
    place = f"the store {path}"
    writers = _engine("sqlite://", "BEGIN IMMEDIATE", creator=partial(_connect, path, "rwc"), pool_size=1)
    readers = _engine("sqlite://", "BEGIN", creator=partial(_connect, path, "ro"), pool_size=READERS)
    # A soft lock, which filelock makes where a disk knows no other, would outlive a kill -9 and shut everybody out.
    alone = filelock.FileLock(f"{path}.lock", timeout=PATIENCE, poll_interval=POLL, fallback_to_soft=False)
    return Database(readers, writers, alone, place)


def _engine(url: str, begin: str, **named) -> sa.Engine:
    engine = sa.create_engine(url, poolclass=sa.QueuePool, json_serializer=dumps, json_deserializer=loads, **named)

    @sa.event.listens_for(engine, "begin")
    def _(connection):
        connection.exec_driver_sql(begin)  # at once: a transaction that reads first can find the door shut later
    return engine


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=PATIENCE, isolation_level=None,
                                 check_same_thread=False)
    try:
        if mode == "rwc" and connection.execute("pragma journal_mode=wal").fetchone() != ("wal",):
            raise StoreError(f"the disk of the store {path} cannot hold a write-ahead log; name a home on a local disk")
        connection.execute("pragma synchronous=full")  # NORMAL lost 52 to 223 acknowledged rows per power cut
        connection.execute("pragma foreign_keys=on")
        connection.execute("pragma secure_delete=on")  # zeros over what a person wanted deleted; little else is
    except BaseException:
        connection.close()
        raise
    return connection


def _postgresql(url: str) -> Database:
    address = _address(url)
    if address.drivername in ("postgres", "postgresql"):
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername != "postgresql+psycopg":
        raise StoreError(f"the store can be SQLite or PostgreSQL, not {address.drivername}")
    try:
        engine = sa.create_engine(address, json_serializer=dumps, json_deserializer=loads, pool_pre_ping=True)
    except ImportError as problem:
        raise StoreError(f"a store on PostgreSQL needs its driver: pip install '{PSYCOPG}'") from problem
    return Database(engine, engine, nullcontext(), f"the store {address.render_as_string(hide_password=True)}")


def _address(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as problem:  # it is not repeated: it may hold a password
        raise StoreError("BOXLOOP_STORE is no address of a database; "
                         "write postgresql://user:password@host/database") from problem
