"""The tables of datasets: their samples, the corrections of these, snapshots, splits, suggestions, votes, tombstones.

A sample as it was given lies in `sample`, like those of comparisons; what people made of it since then are its
corrections. What stands beside it in `dataset_sample` repeats the newest correction, so that 100,000 can be filtered
and put in order without a look at each; both are written in one transaction.
"""
from __future__ import annotations

import sqlalchemy as sa

from app.store.columns import Document, Words, column, metadata

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")

dataset = sa.Table(
    "dataset", metadata,
    column("id", Words, primary_key=True),
    column("name", Words),
    column("author", Words),
    column("created", sa.Double),
    column("removed", sa.Double, nullable=True),
    sa.Index("dataset_by_name", "name", unique=True, sqlite_where=sa.text("removed IS NULL"),
             postgresql_where=sa.text("removed IS NULL")))

dataset_sample = sa.Table(
    "dataset_sample", metadata,
    column("seq", SERIAL, primary_key=True),  # the order of arrival
    column("id", Words, unique=True),
    column("dataset", Words, sa.ForeignKey("dataset.id")),
    column("sample", Words, sa.ForeignKey("sample.key"), index=True),
    column("given", Words),  # a sha256 of what it was when it came, see app.store.contents
    column("question", Words),  # a sha256 of its pictures, task and query
    column("author", Words),
    column("created", sa.Double),
    column("agreement", sa.Double),  # of the models that were asked, 0 to 1: the least comes first to be corrected
    # What follows is the newest correction's, or that of the sample as it was given.
    column("head", Words, nullable=True),
    column("content", Words),  # a sha256 of what it is now
    column("status", Words),  # "suggested", "unreviewed", "reviewed", "skipped"
    column("flagged", sa.Boolean),
    column("removed", sa.Boolean),
    column("model", Words, nullable=True),  # whose answer it came from
    column("objects", sa.Integer, nullable=True),
    sa.UniqueConstraint("dataset", "given"),
    sa.Index("dataset_sample_question", "dataset", "question"),
    sa.Index("dataset_sample_order", "dataset", "removed", "seq"),
    sa.Index("dataset_sample_queue", "dataset", "removed", "status", "agreement", "seq"),
    sa.Index("dataset_sample_flagged", "flagged", "removed", "dataset", "status"),
    sa.Index("dataset_sample_queue_of_all", "removed", "status", "agreement", "seq"))

dataset_label = sa.Table(
    "dataset_label", metadata,
    column("sample", Words, sa.ForeignKey("dataset_sample.id"), primary_key=True),
    column("label", Words, primary_key=True),
    sa.Index("dataset_label_by_name", "label", "sample"))

correction = sa.Table(
    "correction", metadata,
    column("id", Words, primary_key=True),
    column("sample", Words, sa.ForeignKey("dataset_sample.id")),
    column("seq", sa.Integer),  # 1, 2, 3 … of its sample
    column("parent", Words),  # "" for the first, because NULL is never equal to NULL
    column("key", Words, unique=True),  # of the sender: the same one twice is one event
    column("author", Words),
    column("client", Words),
    column("created", sa.Double),
    column("task", Words),
    column("query", Words),
    column("truth", Document, nullable=True),
    column("answer", Words, nullable=True),
    column("note", Words),
    column("reviewed", sa.Boolean), column("flagged", sa.Boolean), column("skipped", sa.Boolean),
    column("removed", sa.Boolean),
    column("changes", Document),
    column("prediction", Words, sa.ForeignKey("prediction.id"), nullable=True),
    column("model", Words, nullable=True),
    column("revision", Words, nullable=True),
    column("prompt", Words, nullable=True),
    column("restores", Words, nullable=True),
    column("content", Words),  # a sha256 of pictures, task, query, truth and answer
    sa.UniqueConstraint("sample", "parent"),  # no forks
    sa.UniqueConstraint("sample", "seq"))  # no gaps, no twins

suggestion = sa.Table(
    "suggestion", metadata,
    column("id", Words, primary_key=True),
    column("sample", Words, sa.ForeignKey("dataset_sample.id")),
    column("parent", Words),
    column("key", Words, unique=True),
    column("author", Words),
    column("client", Words),
    column("created", sa.Double),
    column("content", Document),  # the fields of a correction that it would change
    column("decided", sa.Double, nullable=True),
    column("decided_by", Words, nullable=True),
    column("correction", Words, nullable=True),  # what it became; NULL once decided is "declined"
    sa.Index("suggestion_waiting", "decided", "created"),
    sa.Index("suggestion_of_sample", "sample"))

snapshot = sa.Table(
    "snapshot", metadata,
    column("id", Words, primary_key=True),
    column("dataset", Words, sa.ForeignKey("dataset.id"), index=True),
    column("author", Words),
    column("created", sa.Double),
    column("digest", Words),
    column("samples", sa.Integer),
    column("purged", sa.Double, nullable=True))

# Without foreign keys to what a purge deletes: the row stays, so that what the digest was taken of can be shown.
snapshot_sample = sa.Table(
    "snapshot_sample", metadata,
    column("snapshot", Words, sa.ForeignKey("snapshot.id"), primary_key=True),
    column("position", sa.BigInteger, primary_key=True),
    column("sample", Words, index=True),
    column("correction", Words, nullable=True),
    column("content", Words),
    column("split", Words))

split_group = sa.Table(
    "split_group", metadata,
    column("id", Words, primary_key=True),  # the sha256 of its first picture
    column("split", Words),  # "train", "val"
    column("lot", sa.Integer, nullable=True, index=True),  # its number among those that nobody declared
    column("created", sa.Double))

picture_band = sa.Table(
    "picture_band", metadata,
    column("band", sa.Integer, primary_key=True, autoincrement=False),
    column("image", Words, sa.ForeignKey("image.sha256"), primary_key=True))

vote = sa.Table(
    "vote", metadata,
    column("id", Words, primary_key=True),
    column("comparison", Words),
    column("sample", Words),
    column("owner", Words),  # sha256 of the visitor's secret
    column("key", Words, unique=True),
    column("models", Document),  # that one could choose from
    column("winner", Words, nullable=True),  # NULL: none is better
    column("created", sa.Double),
    sa.ForeignKeyConstraint(["comparison", "sample"], ["comparison_sample.comparison", "comparison_sample.id"]),
    sa.Index("vote_of_sample", "comparison", "sample", "owner", "created"))

tombstone = sa.Table(
    "tombstone", metadata,
    column("sha256", Words, primary_key=True),  # of a picture's file that was deleted for good
    column("author", Words),
    column("reason", Words),
    column("created", sa.Double))
