"""The store's tables, in SQLAlchemy Core for SQLite and PostgreSQL alike, and how older stores become newer ones.

Rows are added, hardly ever changed: a newer answer is one more row, and what is removed is marked. A picture belongs
to nobody and has no name; a sample knows under which name somebody brought it. A secret is here as its sha256 only.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from app.store import answers, dataset_tables, migrations  # noqa: F401 the other tables belong to the same metadata
from app.store.columns import Document, Words, column, metadata
from app.store.errors import StoreError

OPENING = 0x626F786C  # the advisory lock under which PostgreSQL stores are brought up: "boxl"

version = sa.Table("boxloop", metadata, column("version", sa.Integer, primary_key=True, autoincrement=False))

image = sa.Table(
    "image", metadata,
    column("sha256", Words, primary_key=True),  # of the file
    column("pixels_sha256", Words, index=True),  # of the upright pixels, see app.store.pictures
    column("file", Words),  # below <home>/images
    column("bytes", sa.BigInteger),
    column("width", sa.Integer), column("height", sa.Integer),  # upright
    column("split", Words, nullable=True),
    column("created", sa.Double),
    column("fingerprint", Words, nullable=True),  # of what it looks like, see app.store.fingerprint
    column("split_group", Words, sa.ForeignKey("split_group.id"), nullable=True, index=True))

sample = sa.Table(
    "sample", metadata,
    column("key", Words, primary_key=True),  # a sha256 of all of it: equal samples are one row, none ever changes
    column("id", Words),
    column("task", Words),
    column("query", Words),
    column("truth", Document, nullable=True),  # NULL: nobody has looked; []: nothing is there
    column("answer", Words, nullable=True),
    column("source", Words),
    column("created", sa.Double))

sample_image = sa.Table(
    "sample_image", metadata,
    column("sample", Words, sa.ForeignKey("sample.key"), primary_key=True),
    column("position", sa.Integer, primary_key=True),
    column("image", Words, sa.ForeignKey("image.sha256"), index=True),
    column("name", Words))

comparison = sa.Table(
    "comparison", metadata,
    column("id", Words, primary_key=True),
    column("owner", Words),  # sha256 of the visitor's secret
    column("models", Document),
    column("created", sa.Double),
    column("removed", sa.Double, nullable=True),
    sa.Index("comparison_of_owner", "owner", "created"))

comparison_sample = sa.Table(
    "comparison_sample", metadata,
    column("comparison", Words, sa.ForeignKey("comparison.id"), primary_key=True),
    column("position", sa.Integer, primary_key=True),
    column("id", Words),  # the sample's own, by which answers name it
    column("sample", Words, sa.ForeignKey("sample.key"), index=True),
    sa.UniqueConstraint("comparison", "id"))

prediction = sa.Table(
    "prediction", metadata,
    column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),  # the order of arrival
    column("id", Words, unique=True),
    column("comparison", Words),
    column("sample", Words),
    column("model", Words),
    column("answer", Document),  # a Prediction but for its pictures, which are the sample's
    column("created", sa.Double),
    sa.ForeignKeyConstraint(["comparison", "sample"], ["comparison_sample.comparison", "comparison_sample.id"]),
    sa.Index("prediction_of_sample", "comparison", "sample", "model", "seq"))

share = sa.Table(
    "share", metadata,
    column("token", Words, primary_key=True),  # sha256 of what stands in the link
    column("comparison", Words, sa.ForeignKey("comparison.id"), index=True),
    column("created", sa.Double),
    column("revoked", sa.Double, nullable=True))

job = sa.Table(
    "job", metadata,
    column("id", Words, primary_key=True),  # the name of its run folder, too
    column("place", Words),  # whose pids these are: see app.jobs.queue
    column("kind", Words),
    column("device", Words),
    column("owner", Words),
    column("priority", sa.Integer),
    column("status", Words),
    column("handle", Document, nullable=True),  # by which its engine finds it again
    column("exit_code", sa.Integer, nullable=True),
    column("problem", Words),
    column("created", sa.Double),
    column("started", sa.Double, nullable=True),
    column("ended", sa.Double, nullable=True),
    column("stopping", sa.Double, nullable=True),
    sa.Index("job_of_place", "place", "status"))

# MIGRATIONS[0] turns version 1 into 2, and so on: a function of a connection, run once, in one transaction with its
# new version. Each says what it does in SQL of its own, because the tables above are those of the newest version.
MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (
    migrations.jobs, migrations.datasets, migrations.answers, migrations.flagged)


def bring_up(connection: sa.Connection, place: str, migrations: Sequence[Callable[[sa.Connection], None]] = MIGRATIONS
             ) -> None:
    """Make the tables in an empty database, or those of an older version into today's. Raises StoreError."""
    if connection.dialect.name == "postgresql":  # two processes that start together must not both make the tables
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(OPENING)))
    newest = 1 + len(migrations)
    here = sa.inspect(connection).get_table_names()
    if not here:
        metadata.create_all(connection)
        connection.execute(version.insert().values(version=newest))
        return
    found = connection.scalar(sa.select(version.c.version)) if version.name in here else None
    if found is None:
        raise StoreError(f"{place} is a database of another program (its tables: {', '.join(sorted(here)[:5])}); "
                          "name a new file or an empty database")
    if found > newest:
        raise StoreError(f"{place} was written by a newer Boxloop (version {found} of its tables, this one knows "
                          f"{newest}); update Boxloop, or name another home")
    for step in migrations[found - 1:]:
        step(connection)
    if found < newest:
        connection.execute(version.update().values(version=newest))


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[dict]) -> int:
    """Insert those of the rows that no key or constraint forbids. Of a single row, 1 if it was new, else 0."""
    def key(row: dict) -> list:
        return [row[column.name] for column in table.primary_key]
    if not rows:
        return 0
    # In one order for all: two processes on PostgreSQL would wait for each other's rows otherwise.
    ordered = rows[0] if len(rows) == 1 else sorted(rows, key=key)  # of several, a driver may not know how many
    return connection.execute(_ignoring(connection.dialect.name, table), ordered).rowcount


@cache
def _ignoring(dialect: str, table: sa.Table) -> sa.Insert:
    insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect]
    return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
