"""Contact sheets: pages of small pictures with their true boxes and points, for the eye. Only for taking away."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import PIL.Image
from PIL import ImageDraw

from app.drawing import annotated, fitted, font, one_line
from app.formats.base import Format
from app.formats.writing import Lost
from app.pictures import PictureError
from app.types import Sample

CELL, GAP, COLUMNS, ROWS = 320, 12, 5, 4  # pixels, cells
LINE = 22  # pixels for what was asked
MOST_PAGES = 500
INK, MUTED = "#111827", "#6b7280"


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`page-001.png` and so on, twenty pictures each. A picture that cannot be decoded leaves its cell empty."""
    lost, samples = Lost(), iter(samples)
    for number, some in enumerate(_pages(islice(samples, MOST_PAGES * COLUMNS * ROWS)), 1):
        _page(some, lost).save(out / f"page-{number:03d}.png")
    if rest := sum(1 for _ in samples):
        lost.add(f"samples beyond {MOST_PAGES} pages", rest)
    return lost.sentences()


def _pages(samples: Iterable[Sample]) -> Iterable[tuple[Sample, ...]]:
    samples = iter(samples)
    while some := tuple(islice(samples, COLUMNS * ROWS)):
        yield some


def _page(samples: tuple[Sample, ...], lost: Lost) -> PIL.Image.Image:
    rows = -(-len(samples) // COLUMNS)
    page = PIL.Image.new("RGB", (COLUMNS * (CELL + GAP) + GAP, rows * (CELL + LINE + GAP) + GAP), "white")
    drawing = ImageDraw.Draw(page)
    for place, sample in enumerate(samples):
        x, y = GAP + place % COLUMNS * (CELL + GAP), GAP + place // COLUMNS * (CELL + LINE + GAP)
        try:
            marks = [each for each in sample.truth or () if each.image == 0]
            picture = annotated(sample.images[0], marks, CELL)
            page.paste(picture, (x + (CELL - picture.width) // 2, y + (CELL - picture.height) // 2))
        except PictureError as problem:
            lost.add(f"pictures that could not be drawn ({problem})")
        words = one_line(_words(sample))
        if sample.truth is None and sample.answer is None:
            words, ink = f"unanswered: {words}", MUTED
        else:
            ink = INK
        writing = font(words, 14, "")
        drawing.text((x, y + CELL + 2), fitted(words, writing, CELL), ink, writing)
    return page


def _words(sample: Sample) -> str:
    """What was asked; for a list of classes, which nobody could read, what is there."""
    if sample.task not in ("detect", "keypoints", "count"):
        return f"{sample.query}: {sample.answer}" if sample.answer else sample.query
    counts = Counter(each.label for each in sample.truth or ())
    found = ", ".join(f"{count} {label}" for label, count in counts.most_common()) or "nothing"
    return sample.images[0].name if sample.truth is None else f"{found} ({sample.images[0].name})"


FORMAT = Format("contact-sheet", "Contact sheet", "pages of small pictures with their boxes, as PNG", None, write,
                aliases=("sheet", "contact_sheet"))
