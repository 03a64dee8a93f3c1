"""What all writers share: pictures copied once under names that are safe and apart, and what could not be carried.

A writer gets an empty folder; `app.exporting` puts it in its place when it is whole.
"""
from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from app import pictures
from app.intake.names import cleaned, folded, suffix
from app.types import Annotation, Image, Sample

UNSAFE = re.compile(r'[<>:"|?*\s]+')
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}  # Windows


class Lost:
    """What a format cannot carry, counted by kind; each kind becomes one sentence."""

    def __init__(self):
        self._counts: Counter[str] = Counter()

    def add(self, what: str, count: int = 1) -> None:
        """`what` ends a sentence that begins with a number: "scores", "samples of the task ask"."""
        self._counts[what] += count

    def sentences(self) -> list[str]:
        return [f"{count:,} {what}" for what, count in self._counts.items() if count]

    def unsaid(self, annotation: Annotation, *, carried: Sequence[str] = ()) -> None:
        """Count what this annotation says beyond what is `carried`: score, crowd, area, points, box, visibility."""
        for field, what, there in (
                ("score", "scores of objects", annotation.score is not None),
                ("crowd", "marks that a box holds a crowd", annotation.crowd),
                ("area", "areas of outlines", annotation.area is not None),
                ("points", "objects' points", bool(annotation.points)),
                ("box", "objects' boxes", annotation.box is not None),
                ("visibility", "marks that a point is hidden or absent",
                 "points" in carried and any(p.visibility != "visible" for p in annotation.points))):
            if there and field not in carried:
                self.add(what)


def told_apart(annotation: Annotation) -> int:
    """Equal for objects that say the same: ids are a sample's own."""
    return hash(replace(annotation, id="", score_source=""))


class Folder:
    """The pictures of a written dataset: each file once, named as the person knows it, under `images/`."""

    def __init__(self, out: Path, lost: Lost, name: str = "images"):
        self._out, self._lost, self._name = out, lost, name
        self._placed: dict[str, str] = {}
        self._used: set[str] = set()

    def place(self, image: Image, below: str = "") -> str:
        """Its path below the folder of the dataset, with `/`. Raises OSError."""
        key = f"{below}|{image.sha256 or image.path}"
        if key not in self._placed:
            name = f"{self._name}/{below}{safe(image)}"
            stem, dot, end = name.rpartition(".")
            number = 2
            # labels are named as pictures without their ending, so a.jpg and a.png must not be neighbours
            while folded(name.rpartition(".")[0]) in self._used:
                name, number = f"{stem}_{number}{dot}{end}", number + 1
            self._used.add(folded(name.rpartition(".")[0]))
            target = self._out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image.path, target)
            if pictures.turned(image):
                self._lost.add("pictures that their files hold lying: the numbers are for the upright picture, as "
                               "programs see it that mind EXIF")
            self._placed[key] = name
        return self._placed[key]

    @property
    def count(self) -> int:
        return len(self._placed)


def safe(image: Image) -> str:
    """A file name that every system takes, with the ending of the file as it lies on the disk."""
    ending = suffix(str(image.path)) or ".png"
    name = cleaned(image.name or Path(image.path).name).rpartition("/")[2]
    stem = name[:-len(suffix(name))] if suffix(name) else name
    stem = UNSAFE.sub("_", stem).strip("._-") or "picture"
    stem = stem.encode()[:120].decode("utf-8", "ignore")
    return f"{'_' if stem.casefold() in RESERVED else ''}{stem}{ending}"


class Lines:
    """A file of JSON lines, or a JSON array written element by element."""

    def __init__(self, path: Path, array: bool = False):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file, self._array, self.count = path.open("w", encoding="utf-8"), array, 0

    def add(self, row: object) -> None:
        if self._array:
            self._file.write(",\n" if self.count else "[\n")
        self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False))
        if not self._array:
            self._file.write("\n")
        self.count += 1

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, kind, *_) -> None:
        if self._array and kind is None:
            self._file.write("\n]\n" if self.count else "[]\n")
        self._file.close()


def known(samples: Iterable[Sample], tasks: Sequence[str], lost: Lost, *, truth: bool = True, pictures: int = 1):
    """The samples of these tasks, that somebody has looked at, with at most so many pictures; the others are lost."""
    for sample in samples:
        if sample.task not in tasks:
            lost.add(f"samples of the task {sample.task}")
        elif truth and sample.truth is None and not (sample.task == "ask" and sample.answer is not None):
            lost.add("samples whose answer nobody has given")
        elif len(sample.images) > pictures:
            lost.add("samples about several pictures")
        else:
            yield sample


def names_of(sample: Sample) -> list[str]:
    """The classes that a sample asks for, then those that its truth holds beyond them."""
    asked = [" ".join(name.split()) for name in sample.query.split(";") if name.strip()]
    joints = sample.task == "keypoints"
    return list(dict.fromkeys([*([] if joints else asked), *(each.label for each in sample.truth or ())]))


def rounded(values: Iterable[float], digits: int = 2) -> list[float]:
    """Whole numbers stay whole: 260, not 260.0."""
    return [int(value) if float(value).is_integer() else round(value, digits) for value in values]


