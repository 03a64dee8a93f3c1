"""A store that Boxloop wrote in its first version, rows and all, is one of today after it was opened."""
from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.store import Store, StoreError, migrations, schema
from app.store.database import FILE, open_database
from app.types import Annotation
from tests.conftest import draw
from tests.test_store import empty, opened, server, url  # noqa: F401 fixtures

# The dump of a database that commit 7ef2458 wrote: a comparison of two samples on one drawn picture, with an answer.
FIRST = (Path(__file__).parent / "store_version_1.sql").read_text(encoding="utf-8")
COMPARISON = "86ad6b3abbb4b504636261c47f88050b"
PICTURE = "50487a579de3ad162bf5be3e1ed906adb330a484f5fdc1ae089a489c13cfd0f3"


def first(home: Path, address: str | None) -> None:
    """The store of version 1 at `address`, or the file in the home; and its picture in the home."""
    (home / "images" / PICTURE[:2]).mkdir(parents=True)
    draw(home / "images" / PICTURE[:2] / f"{PICTURE}.png", (64, 48))
    if address is None:
        connection = sqlite3.connect(home / FILE)
        connection.executescript(FIRST)
        connection.close()
        return
    script = FIRST.replace("DOUBLE", "DOUBLE PRECISION").replace(" JSON", " JSONB").replace(
        "seq INTEGER NOT NULL", "seq BIGSERIAL NOT NULL").replace(":", "\\:")
    engine = sa.create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            table.drop(connection, checkfirst=True)
        for statement in in_order(script):
            connection.execute(sa.text(statement))
        connection.execute(sa.text("select setval(pg_get_serial_sequence('prediction', 'seq'), 1)"))
    engine.dispose()


def in_order(script: str) -> list[str]:
    """Tables before those that name them, and rows after all tables: SQLite's dump is by name."""
    statements = [statement.strip() for statement in script.split(";\n") if statement.strip()]
    order = [table.name for table in schema.metadata.sorted_tables]
    def place(statement: str) -> tuple:
        kind, name = statement.split()[1], statement.split()[2].strip('"')
        return (0 if kind == "TABLE" else 1, order.index(name)) if kind in ("TABLE", "INTO") else (2, 0)
    return sorted(statements, key=place)


def shape(store: Store) -> dict:
    """Everything that tables are made of, but for the order in which their columns came."""
    with store._database.reading() as connection:
        there = sa.inspect(connection)
        return {table: (
            sorted((one["name"], str(one["type"]), one["nullable"]) for one in there.get_columns(table)),
            there.get_pk_constraint(table)["constrained_columns"],
            sorted((one["constrained_columns"], one["referred_table"], one["referred_columns"])
                   for one in there.get_foreign_keys(table)),
            sorted(one["column_names"] for one in there.get_unique_constraints(table)),
            sorted((one["name"], one["column_names"], bool(one["unique"]), bool(one["dialect_options"]))
                   for one in there.get_indexes(table) if not one.get("duplicates_constraint")))
            for table in there.get_table_names()}


def test_a_store_of_the_first_version_keeps_its_rows_and_has_datasets(opened, url, tmp_path):  # noqa: F811
    first(tmp_path / "home", url)
    store = opened(url)
    comparison = store.comparison(COMPARISON, "mine")
    assert comparison.shared and comparison.models == ("m1", "m2")
    assert comparison.samples[1].truth == (Annotation("cat", (1.0, 2.0, 30.0, 40.0), id="c"),)
    assert comparison.answers["s1", "m1"].text == "two cats" and comparison.samples[0].images[0].sha256 == PICTURE
    taken = store.datasets.take(comparison, "s1", "m1", store.datasets.open("old").id, author="me")
    sample, = store.datasets.samples(store.datasets.find("old").id)
    assert [each.label for each in sample.truth] == ["cat", "dog"] and sample.images[0].split in ("train", "val")
    assert store.corrections.save(taken.sample, parent=taken.id, author="me", key="k", truth=()).changes.deleted


def test_an_old_store_has_the_tables_of_a_new_one(opened, url, tmp_path):  # noqa: F811
    new = shape(opened(url))
    if url is None:
        (tmp_path / "home").rename(tmp_path / "new")
    else:
        (tmp_path / "home" / "images").rmdir()
    first(tmp_path / "home", url)
    assert shape(opened(url)) == new


def test_a_migration_that_is_cut_short_leaves_the_store_of_before(tmp_path, monkeypatch):
    first(tmp_path, None)
    monkeypatch.setattr(migrations, "DATASETS", (*migrations.DATASETS, "CREATE TABLE dataset (again TEXT)"))
    with pytest.raises(StoreError, match="already exists"):
        open_database(tmp_path)
    connection = sqlite3.connect(tmp_path / FILE)
    assert connection.execute("select version from boxloop").fetchall() == [(1,)]
    assert connection.execute("select count(*) from sqlite_master where name = 'dataset'").fetchone() == (0,)
    connection.close()
