"""Pictures alone: a folder or a zip. Nobody has asked anything about them yet."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from app.formats import reading
from app.formats.base import PLAIN, Format, Options, Row, Told, Unreadable, split_of
from app.formats.finding import Pictures, pictures_in
from app.formats.judging import judged
from app.formats.writing import Folder, Lost
from app.intake import PICTURES
from app.intake.names import suffix
from app.types import Sample


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A folder, a zip or one picture. Folders called train, val or test say which split. Raises Unreadable."""
    path = Path(path)
    with reading.opened(path, options) as (place, left_out):
        yield from left_out
        if place.is_file() and suffix(place.name) not in PICTURES:
            raise Unreadable(f"{path.name} is no folder, no zip and no picture")
        folder = place if place.is_dir() else place.parent
        found = pictures_in(place) if place.is_dir() else [place]
        told = (Told(reading.shown(file, folder), (file,), "detect", "", None, split=_split(file, folder))
                for file in found)
        count = 0
        for row in judged(told, Pictures(folder, options), options, source=path.name):
            count += 1
            yield row
        if not count:
            raise Unreadable(f"{path.name} holds no pictures")


def _split(file: Path, folder: Path) -> str | None:
    return next((split for part in reversed(file.relative_to(folder).parts[:-1]) if (split := split_of(part))), None)


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`images/`, in train/ and val/ where they belong to a split; each picture once."""
    lost = Lost()
    folder = Folder(out, lost)
    for sample in samples:
        if sample.query:
            lost.add("questions")
        if sample.truth is not None or sample.answer is not None:
            lost.add("true answers")
        for image in sample.images:
            folder.place(image, f"{image.split}/" if image.split else "")
    return lost.sentences()


FORMAT = Format("pictures", "Pictures", "a folder or zip of pictures, without any questions", read, write,
                aliases=("folder", "images", "zip"))
