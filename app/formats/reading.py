"""Files read in pieces: JSON element by element, lines one by one, zips unpacked under names that cannot lead away.

`json.load` needs ten times the size of a file; COCO's training set has 450 MB. Here an element is decoded when its
turn comes, and what is broken at element 70,000 is said with that number.
"""
from __future__ import annotations

import json
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from app.formats.base import Options, Refused, Unreadable
from app.intake import DRAWINGS, PICTURES, archive
from app.intake.lists import LISTS
from app.intake.names import cleaned, folded, junk, suffix

CHUNK = 1 << 20
FOLLOWS = tuple(",]}: \t\r\n")  # what may stand behind a value
LARGEST_ELEMENT = 1 << 26  # characters; a COCO picture with a thousand outlines has one million
DESCRIPTIONS = LISTS | {".xml", ".txt", ".yaml", ".yml", ".p", ".parquet", ".arrow", ".names", ".md"}
# A set of pictures is larger than what a person puts on a desk; the ratio that betrays a bomb is the same.
MOST_MEMBERS = 500_000
LARGEST_UNPACKED = 200 * 1024**3
LARGEST_DESCRIPTION = 4 * 1024**3  # read in pieces


class Broken(Unreadable):
    """JSON that stops making sense. `key` and `number` say after which element; those before it were good."""

    def __init__(self, why: str, key: str, number: int):
        super().__init__(why)
        self.key, self.number = key, number


def elements(path: Path) -> Iterator[tuple[str, int, object]]:
    """(key, number from 1, value) of every element of a JSON array (key ""), or of the arrays in a JSON object.

    What is no array comes whole as (key, 0, value). Raises Broken where the file stops making sense, or ends early.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        yield from _Scanner(file, path.name).all()


def lines(path: Path) -> Iterator[tuple[int, object]]:
    """(line number, value) of JSON lines; a line that cannot be read has the value Refused."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        number = 0
        while written := file.readline(LARGEST_ELEMENT):
            number += 1
            if not written.strip():
                continue
            try:
                yield number, json.loads(written)
            except (ValueError, RecursionError) as problem:
                half = not written.endswith("\n")
                why = "is cut off in the middle: the file was not written to its end" if half else (
                    f"is no JSON ({str(problem)[:100]})")
                yield number, Refused(f"line {number}", why)


def rows(path: Path) -> Iterator[tuple[str, object]]:
    """(where, value) of a list of rows: a JSON array, or JSON lines. What is broken is a Refused."""
    with path.open("rb") as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise Unreadable(f"{path.name} is empty")
    if not start.startswith(b"["):
        yield from ((f"line {number}", value) for number, value in lines(path))
        return
    try:
        yield from ((f"row {number}", value) for _, number, value in elements(path))
    except Broken as problem:
        where = f"row {problem.number + 1}"
        yield where, Refused(where, f"{problem}; it and all after it were not read")


@contextmanager
def opened(path: Path, options: Options) -> Iterator[tuple[Path, list[Refused]]]:
    """The file or folder itself; a zip as a folder in the scratch, with what was left out of it.

    Samples point to the pictures there, so they stay as long as the scratch does.
    """
    if not path.exists():
        raise Unreadable(f"there is no {path}")
    if path.is_dir() or suffix(path.name) not in archive.ARCHIVES:
        yield path, []
        return
    if suffix(path.name) != ".zip":
        raise Unreadable(f"{path.name} is an archive of a kind that is not read here; pack it as a zip, or unpack it")
    above = Path(tempfile.mkdtemp(prefix="unpacked-", dir=scratch(options)))
    folder = above / path.stem  # two levels: what looks beside a folder must not find another import's
    folder.mkdir()
    yield folder, _unpack(path, folder)


def scratch(options: Options) -> Path:
    """Where files may lie for a while. Who gives a scratch empties it; one of our own goes with the process."""
    if options.scratch:
        options.scratch.mkdir(parents=True, exist_ok=True)
        return options.scratch
    return Path(_own_scratch().name)


@cache
def _own_scratch() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="boxloop-", ignore_cleanup_errors=True)


def only(folder: Path) -> Path:
    """The folder itself, or the single one in it, as zips of a folder have."""
    inside = [each for each in folder.iterdir() if not junk(each.name)] if folder.is_dir() else []
    return only(inside[0]) if len(inside) == 1 and inside[0].is_dir() else folder


def files(folder: Path, *endings: str) -> list[Path]:
    """The files under a folder with one of these endings, in one order for ever; links to folders are not followed."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in endings and path.is_file()
             and not junk(path.relative_to(folder).as_posix())]
    return sorted(found)


@contextmanager
def index(options: Options) -> Iterator[sqlite3.Connection]:
    """A database on the disk for what does not fit in memory; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="index-", dir=scratch(options), ignore_cleanup_errors=True) as folder:
        connection = sqlite3.connect(Path(folder) / "rows.sqlite")
        try:
            connection.execute("PRAGMA journal_mode=OFF")
            connection.execute("PRAGMA synchronous=OFF")
            yield connection
        finally:
            connection.close()


def _unpack(path: Path, folder: Path) -> list[Refused]:
    try:
        members = archive.members(path, path.name, MOST_MEMBERS, LARGEST_UNPACKED)
    except archive.ZipRefused as problem:
        raise Unreadable(str(problem)) from problem
    left_out, used = [], set()
    with zipfile.ZipFile(path) as packed:
        for info, called in members:
            if suffix(called) not in PICTURES | DRAWINGS | DESCRIPTIONS | archive.ARCHIVES:
                continue  # a licence, a script: nobody means them
            if _leads_out(info.filename):
                left_out.append(Refused(called, "has a name that leads out of the zip, and was left out"))
                continue
            if folded(called) in used:
                left_out.append(Refused(called, "is there twice in the zip; the first was kept"))
                continue
            used.add(folded(called))
            target = folder / called
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                archive.written(packed, info, target, LARGEST_DESCRIPTION if suffix(called) in DESCRIPTIONS else None)
            except archive.ZipRefused as problem:
                left_out.append(Refused(called, str(problem)))
            except OSError as problem:
                left_out.append(Refused(called, f"could not be unpacked ({problem.strerror})"))
    return left_out


def _leads_out(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or name.startswith(("/", "\\")) or (len(parts[0]) == 2 and parts[0].endswith(":"))


class _Scanner:
    """Decodes one element after the other from a window on the file that moves along."""

    def __init__(self, file, name: str):
        self._file, self._name = file, name
        self._text, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder()
        self._key, self._number, self._line = "", 0, 0

    def all(self) -> Iterator[tuple[str, int, object]]:
        start = self._next()
        if start == "[":
            yield from self._array()
        elif start == "{":
            yield from self._object()
        else:
            self._broken("is neither a JSON array nor a JSON object")
        if self._peek():
            self._broken("goes on after its end")

    def _object(self) -> Iterator[tuple[str, int, object]]:
        if self._peek() == "}":
            self._next()
            return
        while True:
            self._key, self._number = "", 0
            key = self._value()
            if not isinstance(key, str) or self._next() != ":":
                self._broken("is no JSON")
            self._key = key
            if self._peek() == "[":
                self._next()
                yield from self._array()
            else:
                yield key, 0, self._value()
            follows = self._next()
            if follows == "}":
                return
            if follows != ",":
                self._broken("is no JSON" if follows else "ends in the middle")

    def _array(self) -> Iterator[tuple[str, int, object]]:
        if self._peek() == "]":
            self._next()
            return
        while True:
            value = self._value()
            self._number += 1
            yield self._key, self._number, value
            follows = self._next()
            if follows == "]":
                return
            if follows != ",":
                self._broken("is no JSON" if follows else "ends in the middle")

    def _value(self) -> object:
        self._peek()
        wanted = CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                # a number may go on behind the window: 12|34, -2|e3
                if self._ended or self._text[end:end + 1] in FOLLOWS or end < len(self._text) - 64:
                    self._at = end
                    return value
            except RecursionError:
                self._broken("is nested too deeply")
            except ValueError as problem:
                if self._ended:
                    self._broken("ends in the middle" if "Unterminated" in str(problem) or problem.pos >= len(
                        self._text) - 1 else f"is no JSON ({problem.msg})")
                if problem.pos < len(self._text) - 64 and "Unterminated" not in problem.msg:  # not the window's end
                    self._broken(f"is no JSON ({problem.msg})")
            if len(self._text) - self._at > LARGEST_ELEMENT:
                self._broken("has an element that is too large, or never ends")
            self._more(wanted)
            wanted *= 2

    def _peek(self) -> str:
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\r\n":
                    return self._text[self._at]
                self._at += 1
            if self._ended:
                return ""
            self._more(CHUNK)

    def _next(self) -> str:
        found = self._peek()
        self._at += len(found)
        return found

    def _more(self, size: int) -> None:
        piece = self._file.read(size)
        self._ended = not piece
        self._line += self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at:] + piece, 0

    def _broken(self, why: str):
        line = self._line + self._text.count("\n", 0, self._at) + 1
        where = f"{self._key}[{self._number + 1}]" if self._key else f"element {self._number + 1}"
        raise Broken(f"{self._name} {why}, at {where}, line {line}", self._key, self._number)


def text_of(path: Path, largest: int = 10 * 1024**2) -> str:
    """A small text file, whatever its coding. Raises Unreadable."""
    with suppress(OSError):
        if path.stat().st_size > largest:
            raise Unreadable(f"{path.name} has {path.stat().st_size / 1024**2:.0f} MB, and should be small")
    return path.read_bytes().decode("utf-8-sig", errors="replace")


def shown(path: Path, folder: Path) -> str:
    """A file's name for a person: from the folder that they gave on."""
    return cleaned(path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name)
