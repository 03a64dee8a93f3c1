"""A store moves to another database, such as from SQLite to PostgreSQL: every row, in one transaction, then compared.

    python -m app.store.moving sqlite:////home/me/boxloop/boxloop.sqlite3 postgresql://me@server/boxloop

Nobody should write meanwhile. The pictures are files of the home folder and stay there.
"""
from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import sqlalchemy as sa

from app.store.database import Database, open_database
from app.store.dataset_tables import dataset_sample
from app.store.errors import StoreError
from app.store.schema import metadata, prediction, version

CONTENT = [table for table in metadata.sorted_tables if table is not version]


def move(source: Database, target: Database) -> int:
    """Copy all rows into an empty store, and how many. Raises StoreError, and then the target stays empty."""
    with source.reading() as old, target.writing() as new:
        filled = [table.name for table in CONTENT if new.execute(sa.select(table).limit(1)).first()]
        if filled:
            raise StoreError(f"{target.place} holds rows already (in {', '.join(filled)}); name an empty one")
        for table in CONTENT:
            for rows in old.execute(sa.select(table)).mappings().partitions(1000):
                new.execute(table.insert(), [dict(row) for row in rows])
        if new.dialect.name == "postgresql":  # it counts in sequences of its own, which saw none of these
            for table in (prediction, dataset_sample):
                last = sa.select(sa.func.coalesce(sa.func.max(table.c.seq), 0) + 1).scalar_subquery()
                new.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence(table.name, "seq"), last, False)))
        if _digest(old) != _digest(new):
            raise StoreError(f"{target.place} does not hold what {source.place} holds; nothing was moved")
        return sum(new.scalar(sa.select(sa.func.count()).select_from(table)) for table in CONTENT)


def digest(database: Database) -> str:
    """A sha256 of all that is kept: equal for equal stores on different databases."""
    with database.reading() as connection:
        return _digest(connection)


def _digest(connection: sa.Connection) -> str:
    hashed = hashlib.sha256()
    for table in CONTENT:
        for row in connection.execute(sa.select(table).order_by(*table.primary_key)):
            hashed.update(json.dumps(_whole([*row]), sort_keys=True).encode() + b"\n")
    return hashed.hexdigest()


def _whole(value):
    """Without the difference of 1e22 and 10000000000000000000000, which JSONB does not keep."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    return value


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m app.store.moving FROM_URL TO_URL")
    try:
        print(move(*(open_database(Path.cwd(), url) for url in sys.argv[1:])), "rows moved")
    except StoreError as problem:
        sys.exit(str(problem))
