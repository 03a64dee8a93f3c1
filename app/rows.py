"""Nouns to JSON and back, exactly: read(Kind, write(noun)) == noun, for every noun of app.types that is kept.

None ("nobody has looked") and () ("nothing is there") stay apart. What JSON cannot say, NaN and infinity, is refused.
A noun's new field needs no word here; a row from before the field gets the field's default.
"""
from __future__ import annotations

import dataclasses
import math
import types
import typing
from functools import cache
from numbers import Integral, Real


def write(value, where: str = ""):
    """A noun, or what its fields hold, in lists, dictionaries, texts and numbers. Raises ValueError with the place."""
    try:
        return _plain(value)
    except _Cannot as why:
        raise type(why.problem)(f"{_joined(where, why.path) or 'the value'} {why.problem}") from None


class _Cannot(Exception):
    """What is wrong with a value, and the way to it from the outermost one, the last step first."""

    def __init__(self, problem: Exception):
        self.problem, self.path = problem, []


def _plain(value):
    kind = type(value)
    if value is None or kind is str or kind is bool or (kind is float and math.isfinite(value)):
        return value
    try:
        if isinstance(value, list | tuple):
            step, plain = 0, []
            for step, one in enumerate(value):  # noqa: B007 it is part of the way
                plain.append(_plain(one))
            return plain
        if dataclasses.is_dataclass(kind):
            plain = {}
            for step in _names(kind):
                plain[step] = _plain(getattr(value, step))
            return plain
    except _Cannot as why:
        why.path.append(step)
        raise
    if isinstance(value, Integral):  # numpy's too
        return int(value)
    if isinstance(value, Real):
        if not math.isfinite(value):
            raise _Cannot(ValueError(f"is {float(value)}, and only finite numbers can be kept"))
        return float(value)
    if isinstance(value, str):
        return value
    raise _Cannot(TypeError(f"is a {kind.__name__}, which no row can hold"))


def _joined(where: str, path: list) -> str:
    for step in reversed(path):
        where += f"[{step}]" if isinstance(step, int) else f".{step}"
    return where.lstrip(".")


@cache
def _names(kind) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def read(kind, row, where: str = ""):
    """What `write` made a row of, as a `kind`: a noun, or the type of a noun's field. Raises ValueError."""
    if dataclasses.is_dataclass(kind):
        return _noun(kind, row, where or kind.__name__)
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        real, = (one for one in inside if one is not type(None))
        return None if row is None else read(real, row, where)
    if origin is tuple and isinstance(row, list):
        kinds = [inside[0]] * len(row) if inside[-1] is Ellipsis else inside
        if len(kinds) == len(row):
            return tuple(read(one, value, f"{where}[{i}]") for i, (one, value) in enumerate(zip(kinds, row)))
    elif kind is float and type(row) in (int, float):  # JSONB gives 1e22 back as a whole number
        return float(row)
    elif type(row) is kind:
        return row
    raise ValueError(f"the store holds {str(row)[:80]!r} as {where}, which should be a {kind}")


def _noun(kind, row, where: str):
    if not isinstance(row, dict):
        raise ValueError(f"the store holds {str(row)[:80]!r} as {where}, which should be a {kind.__name__}")
    types_of = _types(kind)
    unknown = row.keys() - types_of
    if unknown:
        raise ValueError(f"the store's {where} has {', '.join(sorted(unknown))}, which no {kind.__name__} has")
    try:
        return kind(**{name: read(types_of[name], value, f"{where}.{name}") for name, value in row.items()})
    except TypeError as problem:  # a field without a default is not there
        raise ValueError(f"the store's {where} is incomplete: {problem}") from problem


@cache
def _types(kind) -> dict:
    return typing.get_type_hints(kind)
