"""A format, explained in a line under its menu."""
from __future__ import annotations

from collections.abc import Callable

from app import formats
from app.ui import words
from app.ui.panel import Notice


def hint_of(able: str, place: Notice) -> Callable:
    """What a choice of the menu puts into `place`. `able`: "read" or "write"."""
    return lambda name: {place: words.sentence(formats.find(name or "", able).hint + ".")}
