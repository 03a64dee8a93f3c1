"""Zip files: pictures and lists come out under names of ours, one at a time, and never more than was allowed.

A member's own name is only shown to people, so it cannot lead out of the folder. Sizes are judged as declared before
anything is unpacked, and counted again while it is.
"""
from __future__ import annotations

import mmap
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from app.intake.names import cleaned, junk, listed, suffix

MOST_MEMBERS = 5_000
LARGEST_MEMBER = 100 * 1024**2  # bytes, unpacked
LARGEST_UNPACKED = 2 * 1024**3
HIGHEST_RATIO = 200  # pictures are compressed already; a drawn BMP reaches 100
RATIO_COUNTS_FROM = 20 * 1024**2  # a small file can hardly do harm, and a blank page packs very well
ARCHIVES = {".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"}
MEMBER_SIGNATURE = b"PK\x01\x02"  # PKWARE's APPNOTE 4.3.12: one before each entry of the central directory
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what every tool writes; LZMA's header may ask for 4 GB of memory
UTF8_NAME = 0x800
ENCRYPTED = 0x1


class ZipRefused(ValueError):
    """A zip file of which nothing can be used. The text is one sentence."""


def unpacked(path: Path, name: str, scratch: Path, wanted: set[str]) -> tuple[list[tuple[Path, str]], list[str]]:
    """The members with a wanted suffix as (path, name in the zip), and a sentence about each thing left out.

    Raises ZipRefused.
    """
    packed = members(path, name)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    files, problems, strange = [], [], []
    with zipfile.ZipFile(path) as archive:
        for number, (info, called) in enumerate(packed):
            if suffix(called) not in wanted | ARCHIVES:
                strange.append(called)
                continue
            try:
                files.append((written(archive, info, folder / f"{number:05d}{suffix(called)}"), called))
            except ZipRefused as problem:
                problems.append(f"{called} in {name} {problem}")
    if strange:
        count = f"{len(strange)} files that are" if len(strange) > 1 else "1 file that is"
        problems.append(f"{name} holds {count} neither picture nor list: {listed(strange)}")
    return files, problems


def members(path: Path, name: str, most: int = MOST_MEMBERS,
            largest: int = LARGEST_UNPACKED) -> list[tuple[zipfile.ZipInfo, str]]:
    """The files in a zip that are worth a look, with readable names. `largest` is in bytes. Raises ZipRefused."""
    if _signatures(path) > most:  # counted in the raw bytes: zipfile makes an object of each, 1 KB or more
        raise ZipRefused(f"{name} holds more than {most:,} files; make several smaller zips")
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as problem:
        raise ZipRefused(f"{name} is damaged or no zip file ({problem}); pack it again") from problem
    if any(info.flag_bits & ENCRYPTED for info in infos):
        raise ZipRefused(f"{name} is protected by a password; unpack it and give the pictures themselves")
    total, packed = sum(info.file_size for info in infos), path.stat().st_size
    if total > largest:
        raise ZipRefused(f"{name} holds {total / 1024**3:.1f} GB; the limit is {largest // 1024**3} GB")
    if total > RATIO_COUNTS_FROM and total > HIGHEST_RATIO * packed:
        raise ZipRefused(f"{name} would grow from {packed:,} to {total:,} bytes, which no pictures do; "
                         "give the pictures themselves")
    return [(info, called) for info in infos if not junk(called := _called(info))]


def _signatures(path: Path) -> int:
    if path.stat().st_size == 0:
        return 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return sum(1 for _ in _places(content))


def _places(content: mmap.mmap) -> Iterator[int]:
    at = content.find(MEMBER_SIGNATURE)
    while at >= 0:
        yield at
        at = content.find(MEMBER_SIGNATURE, at + 4)


def _called(info: zipfile.ZipInfo) -> str:
    """The member's name. macOS writes UTF-8 without saying so, and zipfile then reads it as code page 437."""
    if not info.flag_bits & UTF8_NAME:
        try:
            return cleaned(info.filename.encode("cp437").decode("utf-8"))
        except UnicodeError:
            pass  # it is code page 437, or something older: zipfile's reading is as good as any
    return cleaned(info.filename)


def written(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, largest: int | None = None) -> Path:
    """One member on disk, of at most `largest` bytes.

    Raises ZipRefused with the end of a sentence that begins with its name.
    """
    if stat.S_ISLNK(info.external_attr >> 16):
        raise ZipRefused("is a link to another file and was left out")
    if path.suffix in ARCHIVES:
        raise ZipRefused("is an archive inside an archive; unpack it first")
    largest = largest or LARGEST_MEMBER
    if info.file_size > largest:
        raise ZipRefused(f"has {info.file_size / 1024**2:.0f} MB; the limit is {largest // 1024**2} MB")
    if info.compress_type not in METHODS:
        raise ZipRefused(f"is compressed in an unusual way (method {info.compress_type}); pack it as an ordinary zip")
    try:
        with archive.open(info) as source, path.open("wb") as target:
            while piece := source.read(1024**2):  # ends at the declared size, whatever the data would unpack to
                target.write(piece)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as problem:
        path.unlink(missing_ok=True)
        raise ZipRefused(f"could not be unpacked ({str(problem)[:120]})") from problem
    return path
