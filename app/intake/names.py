"""File names: cleaned for a person to read, told apart, and found again as a list of captions writes them.

A name is never a path on this machine: what a browser or a zip calls a file only says how people call it.
"""
from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Sequence

LONGEST_NAME = 255  # characters, folders included; the end is kept, because it says which file it is
SHOWN = 3  # names in a sentence about many files
JUNK = {"thumbs.db", "desktop.ini", "__macosx"}
# Marks that turn the direction of text: `cat\u202egpj.exe` reads "catexe.jpg".
TURNS = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)}


def cleaned(name: str) -> str:
    """The name with `/` between folders, without `..`, drives, control characters and half surrogate pairs."""
    readable = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cs") and c not in TURNS)
    parts = [part.strip() for part in readable.replace("\\", "/").split("/")]
    kept = [part for part in parts if part not in ("", ".", "..") and not re.fullmatch(r"[A-Za-z]:", part)]
    return "/".join(kept)[-LONGEST_NAME:].lstrip("/") or "picture"


def suffix(name: str) -> str:
    """The ending in small letters, `.jpg`; empty where there is none."""
    _, dot, end = name.rpartition("/")[2].rpartition(".")
    return f".{end.lower()}" if dot else ""


def junk(name: str) -> bool:
    """What systems leave in folders and nobody means: `.DS_Store`, `__MACOSX/…`, `Thumbs.db`."""
    return any(part.startswith(".") or part.lower() in JUNK for part in name.split("/"))


def apart(name: str, others: Collection[str]) -> str:
    """The name, or `a (2).jpg` where there is an `a.jpg`. `others` are folded."""
    folder, slash, base = name.rpartition("/")
    stem, dot, end = base.rpartition(".") if "." in base.strip(".") else (base, "", "")
    number, told = 2, name
    while folded(told) in others:
        told = f"{folder}{slash}{stem} ({number}){dot}{end}"
        number += 1
    return told


def folded(name: str) -> str:
    """Equal for names that a person would call equal: é as one sign or as two, large and small letters."""
    return unicodedata.normalize("NFC", name).casefold()


def listed(names: Sequence[str]) -> str:
    """`a, b, c and 9 more`."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


class Names:
    """Names of pictures, to be looked up as lists write them. The nearest kind of match wins.

    0: the same; 1: the same but for letter case or accents' coding; 2: one is the end of the other's path
    (`train/a.jpg` for `data/train/a.jpg`); 3: only the file's own name is the same (`old/a.jpg` for `new/a.jpg`).
    """

    def __init__(self, names: Sequence[str]):
        self._names = list(names)
        self._by_base = defaultdict(list)
        for index, name in enumerate(self._names):
            self._by_base[_base(name)].append(index)

    def find(self, written: str) -> tuple[int, list[int]]:
        """(kind of match, places in `names`); more than one place is ambiguous, none is not there."""
        kinds = defaultdict(list)
        for index in self._by_base.get(_base(written), ()):
            kinds[_kind(written, self._names[index])].append(index)
        return min(kinds.items(), default=(0, []))


def _kind(written: str, name: str) -> int:
    if written == name:
        return 0
    short, long = sorted((folded(written), folded(name)), key=len)
    if short == long:
        return 1
    return 2 if long.endswith(f"/{short}") else 3


def _base(name: str) -> str:
    return folded(name.rpartition("/")[2])
