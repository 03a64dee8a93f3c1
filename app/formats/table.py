"""Captions as a table: a CSV of file name and caption, which spreadsheets open.

A cell that begins with `=`, `+`, `-` or `@` is a formula to a spreadsheet, and runs when somebody opens the file: what
is written gets an apostrophe in front, and what is read loses it again.
"""
from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.formats import reading
from app.formats.base import PLAIN, Format, Options, Refused, Row, Told, Unreadable
from app.formats.captions import DEFAULT
from app.formats.finding import Pictures
from app.formats.judging import judged
from app.formats.listing import split_in_name
from app.formats.writing import Folder, Lost
from app.intake import lists
from app.types import Sample

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A .csv or .tsv, or a folder or zip with such files. Raises Unreadable."""
    path = Path(path)
    with reading.opened(path, options) as (place, left_out):
        yield from left_out
        files = [place] if place.is_file() else reading.files(place, *lists.TABLES)
        if not files:
            raise Unreadable(f"{path.name} holds no .csv file with the columns file_name and caption")
        for file in files:
            pictures = Pictures(file.parent, options)
            yield from judged(_told(file), pictures, options, source=file.name)


def _told(file: Path) -> Iterator[Told | Refused]:
    with file.open(encoding=_coding(file), errors="replace", newline="") as opened:
        start = opened.read(1 << 16)
        if not start.strip():
            raise Unreadable(f"{file.name} is empty")
        delimiter = lists.delimiter_of(start)
        opened.seek(0)
        split, problems, count = split_in_name(file), [], 0
        try:
            for line, told in lists.table(opened, delimiter, file.name):
                count += 1
                try:
                    row = lists.row({key: _plain(value) for key, value in told.items()}, line, problems, file.name)
                except lists.ListRefused as problem:
                    yield Refused(f"line {line}", str(problem))
                    continue
                repairs = [problems.pop().partition(": ")[2]] if problems else []
                if told["query"].startswith(FORMULA):
                    repairs.append("begins like a formula of a spreadsheet; it was kept as words")
                yield Told(f"line {line}", (row.file,), row.task or DEFAULT, row.query, None, split=split,
                           repairs=tuple(repairs))
        except lists.ListRefused as problem:
            if not count:
                raise Unreadable(str(problem)) from problem
            yield Refused("the rest of the file", str(problem))
    if not count:
        raise Unreadable(f"{file.name} holds no rows")


def _coding(file: Path) -> str:
    with file.open("rb") as opened:
        start = opened.read(1 << 16)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        start[:start.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def neutral(cell: str) -> str:
    """A cell that no spreadsheet runs."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`captions.csv` and `images/`: pictures and questions, without the answers."""
    lost = Lost()
    folder = Folder(out, lost)
    with (out / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "caption", "task"])
        for sample in samples:
            if len(sample.images) > 1:
                lost.add("samples about several pictures")
                continue
            if sample.truth is not None or sample.answer is not None:
                lost.add("true answers")
            if sample.images[0].split:
                lost.add("samples' splits")
            rows.writerow([neutral(folder.place(sample.images[0])), neutral(sample.query), sample.task])
    return lost.sentences()


FORMAT = Format("csv", "Captions as a table", "a .csv of file_name and caption. Pictures and questions", read, write,
                aliases=("tsv", "captions-csv"))
