"""Formats that are a list of rows, as JSON lines or as a JSON array: a file, or a folder or zip with such files.

Each of these formats says with `row` what one element means; finding files, pictures and classes is the same for all.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from app.formats import reading
from app.formats.base import Odd, Options, Refused, Repaired, Row, Told, Unreadable, split_of
from app.formats.finding import Pictures
from app.formats.judging import judged

ENDINGS = (".jsonl", ".json")
Tells = Callable[[dict], Iterable[Told | Repaired]]


def read(path: Path, options: Options, row: Tells, *, like: str, classes: Callable[[dict], Iterable[str]] | None = None,
         beside: tuple[str, ...] = ()) -> Iterator[Row]:
    """`row` makes Told of an element, without saying where; it raises Odd. `like` is an example, for a sentence.

    `classes` makes names of an element: given where a row's question is all the classes of its file.
    """
    path = Path(path)
    with reading.opened(path, options) as (place, left_out):
        yield from left_out
        files = [place] if place.is_file() else reading.files(place, *ENDINGS)
        if not files:
            raise Unreadable(f"{path.name} holds no .jsonl or .json file; a row is like {like}")
        for file in files:
            names = list(dict.fromkeys(_names(file, classes))) if classes else []
            prefix = f"{reading.shown(file, place)}: " if len(files) > 1 else ""
            pictures = Pictures(file.parent, options, beside=_beside(file, place, beside))
            yield from judged(_told(file, row, prefix, like), pictures, options, source=file.name, names=names)


def _told(file: Path, row: Tells, prefix: str, like: str) -> Iterator[Told | Refused | Repaired]:
    split, count = split_in_name(file), 0
    for where, value in reading.rows(file):
        count += 1
        try:
            if isinstance(value, Refused):
                yield replace(value, row=prefix + value.row)
                continue
            if not isinstance(value, dict):
                raise Odd(f"is not like {like}")
            for told in row(value):
                told = replace(told, row=prefix + where)
                yield replace(told, split=told.split or split) if isinstance(told, Told) else told
        except Odd as problem:
            yield Refused(prefix + where, str(problem))
    if not count:
        raise Unreadable(f"{file.name} holds no rows")


def _names(file: Path, classes: Callable[[dict], Iterable[str]]) -> Iterator[str]:
    for _, value in reading.rows(file):
        if isinstance(value, dict):
            yield from classes(value)


def _beside(file: Path, place: Path, names: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(each for name in names for each in (file.parent / name, file.parent.parent / name) if each.is_dir())


def split_in_name(file: Path) -> str | None:
    """`refcoco_val.jsonl`, `textvqa_cot_train.jsonl`."""
    words = file.stem.replace("-", "_").replace(".", "_").split("_")
    return next((split for word in reversed(words) if (split := split_of(word))), None)


def text(told: dict, *keys: str, least: bool = True) -> str:
    """The first of these that is there, as text. Raises Odd where none is (with `least`), or where it is no text."""
    for key in keys:
        if told.get(key) is not None:
            if not isinstance(told[key], str):
                raise Odd(f"has a {key} that is no text ({str(told[key])[:60]})")
            return told[key]
    if least:
        raise Odd(f"has no {keys[0]}")
    return ""


def pictures(told: dict, *keys: str) -> tuple[str, ...]:
    """One picture or several, as paths. Raises Odd."""
    for key in keys:
        value = told.get(key)
        if isinstance(value, str) and value.strip():
            return (value,)
        if isinstance(value, list) and value and all(isinstance(each, str) and each.strip() for each in value):
            return tuple(value)
    raise Odd(f"names no picture (its {keys[0]} is {str(told.get(keys[0]))[:60]})")


def size(told: dict) -> tuple[float, float] | None:
    """`width` and `height` where both are there and mean something."""
    for keys in (("width", "height"), ("image_width", "image_height")):
        values = tuple(told.get(key) for key in keys)
        if all(type(value) in (int, float) and value > 0 for value in values):
            return values
    return None


