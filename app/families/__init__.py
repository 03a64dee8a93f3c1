"""One file per model family; this page finds them. A new family is a new file, nothing else is edited."""
from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from app.families.base import Example, Family

__all__ = ["Example", "Family", "every", "find", "for_model_type"]


@cache
def every() -> tuple[Family, ...]:
    """All families, by name: each module of this folder that has a `FAMILY`, or `FAMILIES` for close relatives."""
    found: list[Family] = []
    for module in pkgutil.iter_modules(__path__):
        page = importlib.import_module(f"{__name__}.{module.name}")
        found += getattr(page, "FAMILIES", ())
        if hasattr(page, "FAMILY"):
            found.append(page.FAMILY)
    return tuple(sorted(found, key=lambda family: family.name))


def find(name: str) -> Family:
    """The family of that name or alias, however it is spelt: `Qwen2.5-VL`, `qwen2_5_vl` and `qwen2.5vl` are one."""
    for family in every():
        if _plain(name) in {_plain(known) for known in (family.name, *family.aliases, *family.model_types)}:
            return family
    raise ValueError(f"no family named {name!r}; there are: {', '.join(family.name for family in every())}")


def for_model_type(model_type: str) -> Family:
    """The family that reads a checkpoint whose config says this `model_type`."""
    for family in every():
        if model_type in family.model_types:
            return family
    known = sorted(kind for family in every() for kind in family.model_types)
    raise ValueError(f"no family reads checkpoints of type {model_type!r}; known types: {', '.join(known)}")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
