"""What the editor's events say. A browser may send anything, so anything is read: into a Told, or a sentence. Pure."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app import tasks

LONGEST_ID = 100
LONGEST_NOTE = 2_000


@dataclass(frozen=True)
class Told:
    """One save, as it was sent: which sample, from which event, what it is to be. `objects` is not checked yet: only
    the store knows the size of the picture."""
    sample: str
    parent: str | None
    client: str
    key: str
    objects: list
    reviewed: bool
    nothing: bool
    task: str
    query: str
    answer: str | None
    note: str
    flagged: bool
    skipped: bool
    restores: str | None


def read(told: object) -> Told:
    """Raises ValueError with one sentence."""
    if not isinstance(told, Mapping):
        raise ValueError("this save holds nothing that can be read; reload the page")
    task = _text(told, "task", LONGEST_ID)
    if task not in tasks.TASKS:
        raise ValueError(f"there is no task {task[:40]!r}; there are: {', '.join(tasks.TASKS)}")
    found = told.get("objects")
    if not isinstance(found, list):
        raise ValueError(f"the objects are {str(found)[:40]!r}, not a list; reload the page")
    answer = told.get("answer")
    return Told(_needed(told, "sample"), _text(told, "parent", LONGEST_ID) or None, _needed(told, "client"),
                _needed(told, "key"), found, told.get("reviewed") is True, told.get("nothing") is True, task,
                _text(told, "query", tasks.LONGEST_QUERY),
                None if answer is None else _text(told, "answer", tasks.LONGEST_QUERY),
                _text(told, "note", LONGEST_NOTE), told.get("flagged") is True, told.get("skipped") is True,
                _text(told, "restores", LONGEST_ID) or None)


def key_of(told: object) -> str:
    """The key of a save that could not be read, so that even this one gets an answer."""
    return str(told.get("key", ""))[:LONGEST_ID] if isinstance(told, Mapping) else ""


def _needed(told: Mapping, name: str) -> str:
    text = _text(told, name, LONGEST_ID)
    if not text:
        raise ValueError(f"this save has no {name}; reload the page")
    return text


def _text(told: Mapping, name: str, longest: int) -> str:
    text = told.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise ValueError(f"the {name} is {str(text)[:40]!r}, not a text; reload the page")
    if len(text) > longest:
        raise ValueError(f"the {name} has {len(text):,} characters; keep it under {longest:,}")
    return text
