"""Picture files by the sha256 of their bytes: kept once, unaltered, and there completely or not at all.

Written beside their place, synced, renamed, and the folder synced: a power cut leaves the whole file or none.
"""
from __future__ import annotations

import hashlib
import os
import time
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import PIL.Image

from app import pictures
from app.store import fingerprint
from app.types import Image

# By the format that was decoded, never by the name a person gave: `photo.jpg` may well be a PNG, or `../x.html`.
EXTENSIONS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp",
              "TIFF": ".tif", "HEIF": ".heic", "AVIF": ".avif", "JPEG2000": ".jp2", "PPM": ".ppm", "ICO": ".ico",
              "TGA": ".tga"}
CHUNK = 1 << 20
STALE = 24 * 3600  # seconds after which an unfinished file is what a killed process left behind


def keep(folder: Path, image: Image) -> tuple[Image, str, str]:
    """The picture as it now lies under `folder`, with both of its hashes; its path below `folder`; its fingerprint.

    Raises PictureError for what cannot be decoded, OSError for what the disk could not do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"unfinished-{uuid.uuid4().hex}"
    try:
        sha256 = _copied(Path(image.path), unfinished)
        upright = pictures.pixels(replace(image, path=str(unfinished)))
        file = f"{sha256[:2]}/{sha256}{_extension(unfinished)}"
        _place(unfinished, folder / file)
    except pictures.PictureError as problem:  # a person knows the file under another name
        name = image.name or Path(image.path).name
        raise pictures.PictureError(str(problem).replace(unfinished.name, name)) from problem
    finally:
        unfinished.unlink(missing_ok=True)
    return replace(image, path=str(folder / file), size=upright.size, sha256=sha256,
                   pixels_sha256=pixels_sha256(upright)), file, fingerprint.of(upright)


def pixels_sha256(upright: PIL.Image.Image) -> str:
    """sha256 of the size as "WxH" and the RGB bytes: equal for one picture in two lossless files."""
    return hashlib.sha256(f"{upright.width}x{upright.height}".encode() + upright.tobytes()).hexdigest()


def sha256_of(path: str | Path) -> str:
    if not Path(path).is_file():
        raise pictures.PictureError(f"there is no file {path}")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(folder: Path) -> None:
    """Delete what killed processes left unfinished."""
    for path in folder.glob("unfinished-*"):
        with suppress(FileNotFoundError):  # another process sweeps too
            if time.time() - path.stat().st_mtime > STALE:
                path.unlink()


def _copied(path: Path, copy: Path) -> str:
    """Copy and hash the same bytes, so that a file which changes meanwhile cannot get the hash of another."""
    hashed = hashlib.sha256()
    with path.open("rb") as source, copy.open("xb") as target:
        while chunk := source.read(CHUNK):
            hashed.update(chunk)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    return hashed.hexdigest()


def _extension(path: Path) -> str:
    with PIL.Image.open(path) as opened:  # judged and decoded a moment ago
        return EXTENSIONS.get(opened.format, ".picture")


def _place(unfinished: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(exist_ok=True)
    os.replace(unfinished, target)
    for folder in (target.parent, target.parent.parent):
        _sync(folder)


def _sync(folder: Path) -> None:
    if os.name == "nt":  # where a folder cannot be opened, and a rename is not lost
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
