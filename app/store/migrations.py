"""How a store of each version becomes one of the next: in SQL of its own, as the tables of today will be others' past.

A step runs once, in one transaction with its new version. A test holds what it makes against a store that begins today.
"""
from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa


def jobs(connection: sa.Connection) -> None:
    """1 → 2: background jobs."""
    _run(connection, JOBS)


def datasets(connection: sa.Connection) -> None:
    """2 → 3: datasets with their corrections; pictures know what they look like and who shares their split."""
    _run(connection, DATASETS)


def answers(connection: sa.Connection) -> None:
    """3 → 4: what evaluations were told, to be told once."""
    _run(connection, ANSWERS)


def flagged(connection: sa.Connection) -> None:
    """4 → 5: what is flagged is found without a look at every sample."""
    _run(connection, ("CREATE INDEX dataset_sample_flagged ON dataset_sample (flagged, removed, dataset, status)",))


def _run(connection: sa.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement.format(**KINDS[connection.dialect.name]))


KINDS = {"sqlite": {"real": "DOUBLE", "json": "JSON", "serial": "INTEGER"},
         "postgresql": {"real": "DOUBLE PRECISION", "json": "JSONB", "serial": "BIGSERIAL"}}
JOBS = (
    """CREATE TABLE job (
        id TEXT NOT NULL, place TEXT NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL, owner TEXT NOT NULL,
        priority INTEGER NOT NULL, status TEXT NOT NULL, handle {json}, exit_code INTEGER, problem TEXT NOT NULL,
        created {real} NOT NULL, started {real}, ended {real}, stopping {real}, PRIMARY KEY (id))""",
    "CREATE INDEX job_of_place ON job (place, status)",
)
DATASETS = (
    """CREATE TABLE dataset (
        id TEXT NOT NULL, name TEXT NOT NULL, author TEXT NOT NULL, created {real} NOT NULL, removed {real},
        PRIMARY KEY (id))""",
    "CREATE UNIQUE INDEX dataset_by_name ON dataset (name) WHERE removed IS NULL",
    """CREATE TABLE split_group (
        id TEXT NOT NULL, split TEXT NOT NULL, lot INTEGER, created {real} NOT NULL, PRIMARY KEY (id))""",
    "CREATE INDEX ix_split_group_lot ON split_group (lot)",
    """CREATE TABLE tombstone (
        sha256 TEXT NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL, created {real} NOT NULL,
        PRIMARY KEY (sha256))""",
    """CREATE TABLE dataset_sample (
        seq {serial} NOT NULL, id TEXT NOT NULL, dataset TEXT NOT NULL, sample TEXT NOT NULL, given TEXT NOT NULL,
        question TEXT NOT NULL, author TEXT NOT NULL, created {real} NOT NULL, agreement {real} NOT NULL,
        head TEXT, content TEXT NOT NULL, status TEXT NOT NULL, flagged BOOLEAN NOT NULL,
        removed BOOLEAN NOT NULL, model TEXT, objects INTEGER, PRIMARY KEY (seq), UNIQUE (dataset, given),
        UNIQUE (id), FOREIGN KEY(dataset) REFERENCES dataset (id), FOREIGN KEY(sample) REFERENCES sample (key))""",
    "CREATE INDEX dataset_sample_order ON dataset_sample (dataset, removed, seq)",
    "CREATE INDEX dataset_sample_question ON dataset_sample (dataset, question)",
    "CREATE INDEX dataset_sample_queue ON dataset_sample (dataset, removed, status, agreement, seq)",
    "CREATE INDEX dataset_sample_queue_of_all ON dataset_sample (removed, status, agreement, seq)",
    "CREATE INDEX ix_dataset_sample_sample ON dataset_sample (sample)",
    """CREATE TABLE snapshot (
        id TEXT NOT NULL, dataset TEXT NOT NULL, author TEXT NOT NULL, created {real} NOT NULL,
        digest TEXT NOT NULL, samples INTEGER NOT NULL, purged {real}, PRIMARY KEY (id),
        FOREIGN KEY(dataset) REFERENCES dataset (id))""",
    "CREATE INDEX ix_snapshot_dataset ON snapshot (dataset)",
    """CREATE TABLE dataset_label (
        sample TEXT NOT NULL, label TEXT NOT NULL, PRIMARY KEY (sample, label),
        FOREIGN KEY(sample) REFERENCES dataset_sample (id))""",
    "CREATE INDEX dataset_label_by_name ON dataset_label (label, sample)",
    """CREATE TABLE picture_band (
        band INTEGER NOT NULL, image TEXT NOT NULL, PRIMARY KEY (band, image),
        FOREIGN KEY(image) REFERENCES image (sha256))""",
    """CREATE TABLE snapshot_sample (
        snapshot TEXT NOT NULL, position BIGINT NOT NULL, sample TEXT NOT NULL, correction TEXT,
        content TEXT NOT NULL, split TEXT NOT NULL, PRIMARY KEY (snapshot, position),
        FOREIGN KEY(snapshot) REFERENCES snapshot (id))""",
    "CREATE INDEX ix_snapshot_sample_sample ON snapshot_sample (sample)",
    """CREATE TABLE suggestion (
        id TEXT NOT NULL, sample TEXT NOT NULL, parent TEXT NOT NULL, key TEXT NOT NULL, author TEXT NOT NULL,
        client TEXT NOT NULL, created {real} NOT NULL, content {json} NOT NULL, decided {real}, decided_by TEXT,
        correction TEXT, PRIMARY KEY (id), FOREIGN KEY(sample) REFERENCES dataset_sample (id), UNIQUE (key))""",
    "CREATE INDEX suggestion_of_sample ON suggestion (sample)",
    "CREATE INDEX suggestion_waiting ON suggestion (decided, created)",
    """CREATE TABLE vote (
        id TEXT NOT NULL, comparison TEXT NOT NULL, sample TEXT NOT NULL, owner TEXT NOT NULL, key TEXT NOT NULL,
        models {json} NOT NULL, winner TEXT, created {real} NOT NULL, PRIMARY KEY (id),
        FOREIGN KEY(comparison, sample) REFERENCES comparison_sample (comparison, id), UNIQUE (key))""",
    "CREATE INDEX vote_of_sample ON vote (comparison, sample, owner, created)",
    """CREATE TABLE correction (
        id TEXT NOT NULL, sample TEXT NOT NULL, seq INTEGER NOT NULL, parent TEXT NOT NULL, key TEXT NOT NULL,
        author TEXT NOT NULL, client TEXT NOT NULL, created {real} NOT NULL, task TEXT NOT NULL,
        query TEXT NOT NULL, truth {json}, answer TEXT, note TEXT NOT NULL, reviewed BOOLEAN NOT NULL,
        flagged BOOLEAN NOT NULL, skipped BOOLEAN NOT NULL, removed BOOLEAN NOT NULL, changes {json} NOT NULL,
        prediction TEXT, model TEXT, revision TEXT, prompt TEXT, restores TEXT, content TEXT NOT NULL,
        PRIMARY KEY (id), UNIQUE (sample, parent), UNIQUE (sample, seq),
        FOREIGN KEY(sample) REFERENCES dataset_sample (id), UNIQUE (key),
        FOREIGN KEY(prediction) REFERENCES prediction (id))""",
    "ALTER TABLE image ADD COLUMN fingerprint TEXT",
    "ALTER TABLE image ADD COLUMN split_group TEXT REFERENCES split_group (id)",
    "CREATE INDEX ix_image_split_group ON image (split_group)",
)
ANSWERS = (
    """CREATE TABLE known_answer (
        key TEXT NOT NULL, pixels_sha256 TEXT NOT NULL, answer {json} NOT NULL, created {real} NOT NULL,
        PRIMARY KEY (key))""",
)
