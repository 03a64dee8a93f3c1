"""Which picture file a row means: looked up as written, then by the end of its path, and never outside the folders.

Rows say `a.jpg`, `train2014/a.jpg`, `D:\\data\\a.jpg` or `/home/somebody/data/a.jpg`. A name that two pictures share is
not guessed, and a link that leads out of the folders is not followed.
"""
from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from app.formats import fetching
from app.formats.base import Options, Unreadable
from app.intake import PICTURES
from app.intake.names import folded, listed

URL = re.compile(r"^https?://", re.IGNORECASE)
# Where pictures lie beside what describes them: the layouts of COCO, Pascal VOC, YOLO and RefCOCO.
BESIDE = ("images", "Images", "JPEGImages", "pictures", "img", "imgs", "train2017", "val2017", "test2017", "train2014",
          "val2014", "test2014", "coco", "data")
MOST_FILES = 2_000_000
REMEMBERED = 10_000  # rows come back to the same picture


class Missing(ValueError):
    """Why a row's picture is not there: the end of a sentence that begins with the row."""


class Pictures:
    """The pictures that the rows of one file may mean: beside it, in the folders beside it, or where a person says."""

    def __init__(self, near: Path, options: Options, *, beside: tuple[str | Path, ...] = (),
                 own: tuple[Path, ...] = ()):
        """`beside` are more folders to look in; `own` are ours, from which a reader names files itself."""
        near = near.resolve()
        self._near = near
        self._mirror = options.pictures.rstrip("/") if URL.match(options.pictures) else ""
        self._urls, self._scratch = options.urls, options.scratch
        given = Path(options.pictures).expanduser().resolve() if options.pictures and not self._mirror else None
        if given and not given.is_dir():
            raise Unreadable(f"there is no folder {given} with pictures")
        above = near.parent if near.parent != near.parent.parent else near  # never the whole disk
        places = [given] if given else [near, *(near / name for name in BESIDE), *(above / name for name in BESIDE)]
        self._bases = [place for place in (*map(Path, beside), *places) if place.is_dir()]
        self._roots = [given.resolve()] if given else [above]
        self._roots += [Path(place).resolve() for place in (*beside, *own)]
        self._found: dict[tuple, tuple[Path, str]] = {}
        self._listed: dict[str, list[Path]] | None = None

    def find(self, file: str | Path, url: str = "") -> tuple[Path, str]:
        """(where it lies, its name for a person). Raises Missing."""
        found = self._found.get((file, url))
        if found is None:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            found = self._found[file, url] = self._look(file, url)
        return found

    def _look(self, file: str | Path, url: str) -> tuple[Path, str]:
        if isinstance(file, Path):
            return self._inside(file, file.name), self._called(file)
        if not isinstance(file, str) or not file.strip() or "\0" in file:
            raise Missing("names no picture")
        if URL.match(file):
            return self._fetched(file, url or file)
        parts = [part for part in file.replace("\\", "/").split("/") if part not in ("", ".")]
        if parts and re.fullmatch(r"[A-Za-z]:", parts[0]):
            parts = parts[1:]
        climbs = ".." in parts
        for base in self._bases if not climbs else self._bases[:1]:
            path = base.joinpath(*parts)
            if path.is_file():
                return self._inside(path, file), "/".join(part for part in parts if part != "..")
        parts = [part for part in parts if part != ".."]
        if not parts:
            raise Missing("names no picture")
        try:
            path = self._by_end(parts, file)
        except Missing:
            if self._mirror or (self._urls and url):
                return self._fetched("/".join(parts), url)
            raise
        return self._inside(path, file), "/".join(parts)

    def _by_end(self, parts: list[str], file: str) -> Path:
        """The one picture whose path ends like the row's, the longer end the better."""
        if self._listed is None:
            self._listed = _listing(self._bases)
        same = self._listed.get(folded(parts[-1]), [])
        if not same and "." not in parts[-1]:
            same = self._listed.get("." + folded(parts[-1]), [])
        best, length = [], -1
        for path in same:
            shared = _shared(path.parts[:-1], parts[:-1])
            if shared > length:
                best, length = [path], shared
            elif shared == length:
                best.append(path)
        best = list({path.resolve(): path for path in best}.values())
        if len(best) > 1:
            raise Missing(f"names {file}, and there are {len(best)} pictures of that name: "
                          f"{listed([self._called(path) for path in best])}; give their folders in the row")
        if not best:
            raise Missing(f"names {file[-200:]}, and there is no such picture beside it")
        return best[0]

    def _inside(self, path: Path, file: str) -> Path:
        real = path.resolve()
        if not any(real.is_relative_to(root) for root in self._roots):
            raise Missing(f"names {file[-200:]}, which leads out of the folder; name the folder of the pictures "
                          "(--pictures), or put it here")
        return path

    def _fetched(self, file: str, url: str) -> tuple[Path, str]:
        name = file.rpartition("/")[2].partition("?")[0]
        if URL.match(file) and not self._urls and not self._mirror:
            raise Missing(f"names {file[:200]}, and fetching pictures was not allowed; allow it, or give a folder")
        folder = self._scratch or self._near
        ways = [] if not self._mirror else [f"{self._mirror}/{end}" for end in fetching.ends(file)]
        own = [url] if self._urls and url else []
        return fetching.first(ways, own, folder), name

    def _called(self, path: Path) -> str:
        for base in self._bases:
            if path.is_relative_to(base):
                return path.relative_to(base).as_posix()
        return path.name


def pictures_in(folder: Path) -> Iterator[Path]:
    """All picture files under a folder by name, in one order for ever; links to folders are not followed."""
    count = 0
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in PICTURES:
                yield Path(at, name)
                count += 1
                if count >= MOST_FILES:
                    return


def _listing(bases: list[Path]) -> dict[str, list[Path]]:
    """Pictures by folded name, and by `.` and name without ending."""
    found, seen = defaultdict(list), set()
    for base in bases:
        for path in pictures_in(base):
            if path in seen:
                continue
            seen.add(path)
            found[folded(path.name)].append(path)
            found["." + folded(path.stem)].append(path)
    return found


def _shared(a: tuple[str, ...] | list[str], b: list[str]) -> int:
    """How many folders at the end of both paths are the same."""
    count = 0
    for x, y in zip(reversed(a), reversed(b)):
        if folded(x) != folded(y):
            break
        count += 1
    return count
