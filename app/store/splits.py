"""Which pictures are held out: a split belongs to a picture in the whole workspace, and to all that look the same.

Equal upright pixels and near duplicates share a group, and a group has one split. Held out wins: whoever says that a
picture is to be held out is heard at once, whoever says that a held-out one is for training is not; both are told.
"""
from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from app import pictures
from app.store import fingerprint
from app.store.dataset_tables import picture_band, split_group
from app.store.schema import image, insert_new
from app.types import Image

TRAIN, HELD_OUT = SPLITS = ("train", "val")
ONE_IN = 5  # groups without a declared split is held out: one of each five that come, so that few pictures have one too
TRAINED = "it was not held out before, so a model may have been tuned on it"


@dataclass(frozen=True)
class SplitConflict:
    """A picture whose split is not what was said about it."""
    picture: str  # the sha256 of its file
    name: str
    said: str
    split: str  # what it is now
    why: str

    def to_json(self) -> dict:
        return {"picture": self.picture, "name": self.name, "said": self.said, "split": self.split, "why": self.why}


def known(split: str | None) -> str | None:
    """The split, if it is one or None. Raises ValueError."""
    if split not in (None, *SPLITS):
        raise ValueError(f"there is no split {split[:80]!r}; use train, or val for what is held out")
    return split


def of_all(images: Iterable[Image]) -> str:
    """The split of a sample: held out as soon as one of its pictures is."""
    return HELD_OUT if any(one.split == HELD_OUT for one in images) else TRAIN


def assign(connection: sa.Connection, images: Iterable[tuple[Image, str | None]]) -> list[SplitConflict]:
    """Give each picture, whose row is there, the split of its group; beside it what was said of it, if anything.

    Within a transaction that nothing else assigns in: see `alone`.
    """
    conflicts: dict[tuple, SplitConflict] = {}
    for one, said in images:
        group, split, merged = _group(connection, one, said)
        if merged:
            conflicts[one.sha256, merged] = SplitConflict(one.sha256, one.name, TRAIN, HELD_OUT, merged)
        if said and said != split:
            if said == HELD_OUT:
                _set(connection, group, HELD_OUT)
            why = ("it, or a copy of it, is held out in this workspace and stays so" if said == TRAIN else
                   f"it is held out from now on, with its copies; {TRAINED}")
            conflicts[one.sha256, said] = SplitConflict(one.sha256, one.name, said, HELD_OUT, why)
    return list(conflicts.values())


def alone(connection: sa.Connection) -> None:
    """Until the transaction ends, no other process adds samples: two would make two groups of one picture."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADDING)))


def _group(connection: sa.Connection, one: Image, said: str | None) -> tuple[str, str, str]:
    """The group of a picture and its split; and why others of it are held out from now on, if they are."""
    row = connection.execute(sa.select(image.c.split_group, image.c.split, image.c.fingerprint).where(
        image.c.sha256 == one.sha256)).one()
    if row.split_group:
        return row.split_group, row.split, ""
    looks = row.fingerprint or fingerprint.of(pictures.pixels(one))  # from a store of version 1
    groups = _alike(connection, looks)
    if groups:
        split = HELD_OUT if any(group.split == HELD_OUT for group in groups) else TRAIN
        mixed = any(group.split != split for group in groups)
        group = groups[0].id
        for other in groups[1:]:
            connection.execute(image.update().where(image.c.split_group == other.id).values(split_group=group))
            connection.execute(split_group.delete().where(split_group.c.id == other.id))
        if len(groups) > 1:
            _set(connection, group, split)
    else:
        group, mixed = one.sha256, False
        lot = None if said else (connection.scalar(sa.select(sa.func.max(split_group.c.lot))) or 0) + 1
        split = said or _drawn(lot)
        connection.execute(split_group.insert().values(id=group, split=split, lot=lot, created=time.time()))
    connection.execute(image.update().where(image.c.sha256 == one.sha256).values(
        split_group=group, split=split, fingerprint=looks))
    insert_new(connection, picture_band, [{"band": band, "image": one.sha256} for band in fingerprint.bands(looks)])
    return group, split, f"it joins pictures that are held out with others that were not; {TRAINED}" if mixed else ""


def _alike(connection: sa.Connection, looks: str) -> list[sa.Row]:
    """The groups with a picture that looks the same, the oldest first."""
    candidates = connection.execute(sa.select(image.c.split_group, image.c.fingerprint).join(
        picture_band, picture_band.c.image == image.c.sha256).where(
        picture_band.c.band.in_(fingerprint.probes(looks))).distinct())
    near = {row.split_group for row in candidates if fingerprint.near(looks, row.fingerprint)}
    return [] if not near else connection.execute(sa.select(split_group).where(split_group.c.id.in_(near)).order_by(
        split_group.c.created, split_group.c.id)).all()


def _set(connection: sa.Connection, group: str, split: str) -> None:
    connection.execute(split_group.update().where(split_group.c.id == group).values(split=split))
    connection.execute(image.update().where(image.c.split_group == group).values(split=split))


def _drawn(lot: int) -> str:
    """One of each five in a row, which one being as good as random: pictures often come in an order that repeats."""
    five, place = divmod(lot - 1, ONE_IN)
    return HELD_OUT if hashlib.sha256(f"{five}".encode()).digest()[0] % ONE_IN == place else TRAIN


ADDING = 0x626F7861  # the advisory lock of PostgreSQL: "boxa"
