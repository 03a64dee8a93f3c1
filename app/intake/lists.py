"""Lists of questions: a CSV (or what a spreadsheet calls so), JSON lines, or a JSON array; a row names a picture.

    a.jpg;the cat on the left
    {"file_name": "a.jpg", "caption": "the cat on the left", "task": "ground", "truth": [ANNOTATION]}
"""
from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.intake.names import cleaned, listed, suffix
from app.tasks import LONGEST_QUERY, TASKS

TABLES = {".csv", ".tsv"}
LISTS = TABLES | {".json", ".jsonl"}
LARGEST_LIST = 10 * 1024**2  # bytes; twenty thousand rows have two
MOST_ROWS = 20_000
FILE_KEYS = ("file_name", "filename", "file", "image", "picture", "path")
QUERY_KEYS = ("caption", "question", "query", "text", "expression", "prompt")
DELIMITERS = ",;\t|"
EXAMPLE = '{"file_name": "a.jpg", "caption": "red star"}'


class ListRefused(ValueError):
    """A list of which nothing can be used. The text is one sentence."""


@dataclass(frozen=True)
class Row:
    """One line of a list. `truth` is as it was written, None where there was none; sizes are needed to judge it."""
    file: str
    query: str
    task: str | None = None
    truth: object = None
    line: int = 0


def read(path: Path, name: str) -> tuple[list[Row], list[str]]:
    """The rows, and sentences about those that could not be read. Raises ListRefused."""
    if path.stat().st_size > LARGEST_LIST:
        raise ListRefused(f"{name} has {path.stat().st_size / 1024**2:.0f} MB; "
                          f"a list may have {LARGEST_LIST // 1024**2} MB")
    text = _text(path.read_bytes(), name)
    if not text.strip():
        raise ListRefused(f"{name} is empty")
    is_table = suffix(name) in TABLES
    found = table(io.StringIO(text, newline=""), delimiter_of(text), name) if is_table else _json(text, name)
    rows, wrong, problems = [], [], []
    for line, told in found:
        try:
            rows.append(row(told, line, problems, name))
        except ListRefused as problem:
            wrong.append(f"line {line} {problem}")
        if len(rows) + len(wrong) >= MOST_ROWS:
            problems.append(f"{name} has more than {MOST_ROWS:,} rows; those after line {line} were left out")
            break
    if wrong:
        problems.append(f"{name}: {listed(wrong)}")
    return rows, problems


def _text(content: bytes, name: str) -> str:
    """UTF-8 and UTF-16 by their marks, else UTF-8, else Latin-1, in which every byte is a letter."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ("utf-16",)
    elif content[:200].count(b"\0") > 0.4 * len(content[:200]):  # letters of two bytes, and no mark
        encodings = ("utf-16-le",) if content[1:2] == b"\0" else ("utf-16-be",)
    else:
        encodings = ("utf-8", "latin-1")
    for encoding in encodings:
        try:
            text = content.decode(encoding).lstrip("\ufeff")
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise ListRefused(f"{name} is not a text file; save it as CSV in UTF-8")


def table(text: Iterable[str], delimiter: str, name: str) -> Iterator[tuple[int, dict]]:
    """(line, {"file", "query", "task"}) of each row; the first row names the columns, unless it is a row itself.

    `text` is an opened file, or its lines with their ends. Raises ListRefused.
    """
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True)
    columns = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(cells, name)
                if columns:
                    continue
                columns = {"file": 0, "query": 1}
            last = max(columns.values()) == columns["query"]  # a caption with commas and without quotes goes on
            query = f"{delimiter} ".join(cells[columns["query"]:]) if last else _cell(cells, columns["query"])
            yield reader.line_num, {"file": _cell(cells, columns["file"]), "query": query,
                                    "task": _cell(cells, columns["task"]) if "task" in columns else ""}
    except csv.Error as problem:
        raise ListRefused(f"{name} cannot be read at line {reader.line_num} ({problem}); "
                          "save it again as CSV in UTF-8") from problem


def delimiter_of(text: str) -> str:
    """From the names of the columns where there are some; captions are full of commas and would mislead a count."""
    first = text.lstrip().splitlines()[0]
    for delimiter in DELIMITERS:
        words = {cell.strip().strip('"').casefold() for cell in first.split(delimiter)}
        if words & set(FILE_KEYS) and words & set(QUERY_KEYS):
            return delimiter
    try:
        return csv.Sniffer().sniff(first[:1000], delimiters=DELIMITERS).delimiter
    except csv.Error:
        return ","


def _columns(cells: Sequence[str], name: str) -> dict[str, int] | None:
    """Which column is what; None if this is no header but a row that begins with a file name."""
    words = [cell.strip().casefold() for cell in cells]
    file, query = _first(FILE_KEYS, words), _first(QUERY_KEYS, words)
    if file is not None and query is not None:
        task = {"task": words.index("task")} if "task" in words else {}
        return {"file": words.index(file), "query": words.index(query), **task}
    if len(cells) >= 2 and suffix(cells[0].strip()) and file is None:
        return None
    raise ListRefused(f"{name} needs a column file_name and a column caption; it has: {listed(words)}")


def _first(keys: Sequence[str], words: Sequence[str]) -> str | None:
    return next((key for key in keys if key in words), None)


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place] if place < len(cells) else ""


def _json(text: str, name: str) -> Iterator[tuple[int, object]]:
    """(row, object) of an array, else (line, object) of JSON lines."""
    if text.lstrip().startswith("["):
        try:
            yield from enumerate(json.loads(text), 1)
        except (ValueError, RecursionError) as problem:
            raise ListRefused(f"{name} is no readable JSON ({str(problem)[:120]})") from problem
        return
    for line, written in enumerate(text.splitlines(), 1):
        if not written.strip():
            continue
        try:
            yield line, json.loads(written)
        except (ValueError, RecursionError) as problem:
            if line == 1:
                raise ListRefused(f"{name} is not a list of pictures and captions; "
                                  f"each line should be like {EXAMPLE}") from problem
            yield line, None


def row(told: object, line: int, problems: list[str], name: str) -> Row:
    """Raises ListRefused with the end of a sentence about the line; adds to problems what only costs a part of it."""
    if not isinstance(told, dict):
        raise ListRefused(f"is not like {EXAMPLE}")
    keys = {str(key).casefold(): value for key, value in told.items()}
    file, query = (keys.get(_first(each, list(keys))) for each in (FILE_KEYS, ("query", *QUERY_KEYS)))
    if not isinstance(file, str) or not file.strip():
        raise ListRefused("names no file")
    if not isinstance(query or "", str):
        raise ListRefused("has a caption that is not text")
    query = " ".join((query or "").encode("utf-8", "replace").decode("utf-8").split())
    if len(query) > LONGEST_QUERY:
        raise ListRefused(f"has a caption of {len(query):,} characters; the limit is {LONGEST_QUERY:,}")
    task = str(keys.get("task") or "").strip().casefold() or None
    if task not in (None, *TASKS):
        problems.append(f"{name}: line {line} has the task {task[:50]!r}, which is none of {', '.join(TASKS)}")
        task = None
    return Row(cleaned(file), query, task, keys.get("truth"), line)
