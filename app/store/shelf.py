"""The pictures of a store: their files in the home, their rows in the database."""
from __future__ import annotations

import os
import time
from pathlib import Path

import sqlalchemy as sa

from app.store import pictures, schema
from app.store.database import Database
from app.store.dataset_tables import tombstone
from app.store.errors import NotFound, in_words
from app.types import Image


class Shelf:
    """Files are put down first and rows are written by whoever asked, together with what is said about them."""

    def __init__(self, home: Path, database: Database):
        self.folder = home / "images"
        self._database = database

    def keep(self, image: Image) -> tuple[Image, dict]:
        """The picture's file in its place, and the row that is to say so; a picture that is known is only read.

        Raises PictureError, StoreError, and NotFound for what was deleted for good.
        """
        try:
            row = self._row(pictures.sha256_of(image.path))
            if row is None:
                kept, file, looks = pictures.keep(self.folder, image)
                self._refuse_deleted(kept, image.name)
                return kept, dict(sha256=kept.sha256, pixels_sha256=kept.pixels_sha256, file=file,
                                  bytes=os.path.getsize(kept.path), width=kept.size[0], height=kept.size[1],
                                  split=None, created=time.time(), fingerprint=looks, split_group=None)
        except OSError as problem:
            raise in_words(problem, f"the store in {self.folder.parent}") from problem
        return self.image(row, image.name), dict(row._mapping)

    def find(self, sha256: str) -> Image:
        """Without a name, as several people may know it under several. Raises NotFound."""
        row = self._row(sha256)
        if row is None:
            raise NotFound(f"there is no picture {sha256[:80]!r} here")
        return self.image(row)

    def image(self, row: sa.Row, name: str = "") -> Image:
        return Image(str(self.folder / row.file), (row.width, row.height), row.sha256, row.pixels_sha256, row.split,
                     name)

    def _row(self, sha256: str) -> sa.Row | None:
        """What is known of a picture, unless its file was lost."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(schema.image).where(schema.image.c.sha256 == sha256)).one_or_none()
        return row if row is not None and (self.folder / row.file).is_file() else None

    def _refuse_deleted(self, kept: Image, name: str) -> None:
        with self._database.reading() as connection:
            when = connection.scalar(sa.select(tombstone.c.created).where(tombstone.c.sha256 == kept.sha256))
        if when is not None:
            Path(kept.path).unlink(missing_ok=True)
            day = time.strftime("%Y-%m-%d", time.gmtime(when))
            raise NotFound(f"{name or 'this picture'} was deleted for good on {day} at somebody's wish, and is not "
                           "taken again; use another picture")


