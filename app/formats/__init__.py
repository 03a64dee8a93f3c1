"""One file per format of datasets; this page finds them. A new format is a new file, nothing else is edited."""
from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from app.formats.base import Format, Options, Refused, Repaired, Unclear, Unreadable

__all__ = ["Format", "Options", "Refused", "Repaired", "Unclear", "Unreadable", "every", "find"]


@cache
def every() -> tuple[Format, ...]:
    """All formats, by name: each module of this folder that has a `FORMAT`."""
    pages = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return tuple(sorted((page.FORMAT for page in pages if hasattr(page, "FORMAT")), key=lambda format: format.name))


def find(name: str, able: str = "") -> Format:
    """The format of that name or alias, that is able to `read` or `write` if so asked. Raises ValueError."""
    known = [format for format in every() if not able or getattr(format, able)]
    for format in known:
        if _plain(name) in {_plain(called) for called in (format.name, *format.aliases)}:
            return format
    names = ", ".join(format.name for format in known)
    verb = {"read": "import", "write": "export"}.get(able, "know")
    raise ValueError(f"there is no format {name!r} to {verb}; there are: {names}")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
