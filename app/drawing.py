"""An answer drawn on its picture by supervision, for files that leave the page: boxes, points, labels.

`sv.Detections` and `sv.KeyPoints` are built here, at the edge. The picture is upright and in its own resolution; lines
and letters grow with it. supervision takes over a second to import, so it waits until something is drawn.
"""
from __future__ import annotations

import logging
import math
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import PIL.Image
from PIL import ImageFont

from app import pictures
from app.colours import PALETTE, colour, ink, place
from app.geometry import area, clipped, ordered, scaled
from app.types import Annotation, Image, Point

MOST_LABELS = 200  # supervision spreads labels in quadratic time: 300 take 0.8 s, and nobody can read so many
LONGEST_LABEL = 300  # characters; a label is cut to fit the picture anyway, and a model can write forever
WIDEST = 0.6  # of the picture's width, for a label

# supervision draws without OpenCV too, which is all that we need of it, and says so at every start.
warnings.filterwarnings("ignore", message="OpenCV .* is not installed")
log = logging.getLogger(__name__)


def annotated(image: Image, annotations: Sequence[Annotation], longest: int | None = None) -> PIL.Image.Image:
    """The upright picture with the annotations on it. `longest` is its longer side in pixels, its own if None.

    Raises PictureError where the picture cannot be decoded.
    """
    picture = pictures.pixels(image)
    if longest:
        picture = picture.resize(_resized(picture.size, longest), PIL.Image.Resampling.LANCZOS)
    marks = [mark for each in annotations if (mark := _placed(each, image.size, picture.size))]
    marks.sort(key=lambda mark: -area(mark.box or (0, 0, 0, 0)))  # small ones last, on top, as on the page
    if not marks:
        return picture
    return _labelled(_outlined(picture, marks), marks)


def font(text: str, size: int, weight: str = "-Bold") -> ImageFont.FreeTypeFont:
    """A font that can write the text, as far as this machine has one. `weight` is "-Bold" or ""."""
    return ImageFont.truetype(_font_file(frozenset(text), weight), size)


def one_line(text: str) -> str:
    """Text as one line can show it: no line breaks, nothing invisible, such as marks that turn the writing around."""
    kept = (" " if letter.isspace() else letter for letter in text
            if letter.isspace() or unicodedata.category(letter)[0] != "C")
    return " ".join("".join(kept).split())


def fitted(text: str, writing: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, cut with an ellipsis to be no wider than `width`; empty where not even one letter fits."""
    if writing.getlength(text) <= width:
        return text
    few, many = 0, len(text)
    while few < many - 1:
        half = (few + many) // 2
        few, many = (half, many) if writing.getlength(text[:half] + "…") <= width else (few, half)
    return text[:few] + "…" if few else ""


def _resized(size: tuple[int, int], longest: int) -> tuple[int, int]:
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _placed(annotation: Annotation, before: tuple[int, int], now: tuple[int, int]) -> Annotation | None:
    """In pixels of what is drawn, inside it, without what has no place; None where nothing of it has one."""
    scale = now[0] / before[0], now[1] / before[1]
    last = now[0] - 1, now[1] - 1
    box = annotation.box
    if box is not None:
        box = clipped(ordered(scaled(box, scale)), last) if all(map(math.isfinite, box)) else None
    points = tuple(_moved(point, scale, last) for point in annotation.points
                   if point.visibility != "absent" and math.isfinite(point.x) and math.isfinite(point.y))
    return replace(annotation, box=box, points=points) if box or points else None


def _moved(point: Point, scale: tuple[float, float], last: tuple[int, int]) -> Point:
    x, y, *_ = clipped((*scaled((point.x, point.y), scale), 0.0, 0.0), last)
    return replace(point, x=x, y=y)


def _outlined(picture: PIL.Image.Image, marks: Sequence[Annotation]) -> PIL.Image.Image:
    """Boxes and points: each in its colour, with a black line around it that shows on any picture."""
    import numpy as np
    import supervision as sv
    line = _line(picture.size)
    edge = max(1, line // 3)
    scene = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])  # BGR, once: each annotator would turn it twice
    boxes = [mark for mark in marks if mark.box]
    if boxes:
        found = _detections([mark.box for mark in boxes], [mark.label for mark in boxes])
        scene = sv.BoxAnnotator(sv.Color.BLACK, thickness=line + 2 * edge).annotate(scene, found)
        scene = sv.BoxAnnotator(sv.ColorPalette.from_hex(list(PALETTE)), thickness=line).annotate(scene, found)
    for mark in marks:
        if mark.points:
            paint, joints, hidden = sv.Color.from_hex(colour(mark.label)), *_key_points(mark)
            scene = sv.VertexAnnotator(sv.Color.BLACK, radius=2 * line + edge).annotate(scene, joints)
            scene = sv.VertexAnnotator(paint, radius=2 * line).annotate(scene, joints)
            scene = sv.VertexAnnotator(sv.Color.WHITE, radius=line).annotate(scene, hidden)
    return PIL.Image.fromarray(np.ascontiguousarray(scene[:, :, ::-1]))


def _labelled(picture: PIL.Image.Image, marks: Sequence[Annotation]) -> PIL.Image.Image:
    """Every object's label, then the names of its points in smaller letters; all inside the picture."""
    size = max(10, round(max(picture.size) / 48))
    names = [(_around([point], _line(picture.size)), mark.label, point.name)
             for mark in marks if len(mark.points) > 1 for point in mark.points if point.name]
    picture = _written(picture, names[:MOST_LABELS], max(8, round(size * 0.7)))
    # A figure without a box has its label clear of the name of its uppermost point.
    tags = [(mark.box or _around(mark.points, 1.5 * size), mark.label, _tag(mark)) for mark in marks]
    return _written(picture, tags[:MOST_LABELS], size)


def _written(picture: PIL.Image.Image, tags: Sequence[tuple], size: int) -> PIL.Image.Image:
    """Tags are (box, label whose colour it has, text). Text too long is cut; where none fits there is none."""
    import supervision as sv
    padding = max(2, size // 4)
    tags = [(box, label, one_line(text[:LONGEST_LABEL])) for box, label, text in tags]
    letters = "".join(text for *_, text in tags)
    writing, widest = font(letters, size), min(picture.width, max(10 * size, picture.width * WIDEST)) - 2 * padding
    tags = [(box, label, short) for box, label, text in tags if (short := fitted(text, writing, widest))]
    # Ascent and descent hold the highest letter; a picture lower than that has no room for words.
    if not tags or sum(writing.getmetrics()) + 2 * padding > picture.height:
        return picture
    writer = sv.RichLabelAnnotator(
        color=sv.ColorPalette.from_hex(list(PALETTE)), font_path=writing.path, font_size=size, text_padding=padding,
        text_color=sv.ColorPalette.from_hex([ink(paint) for paint in PALETTE]), smart_position=True)
    return writer.annotate(picture, _detections([box for box, *_ in tags], [label for _, label, _ in tags]),
                           labels=[text for *_, text in tags])


def _detections(boxes: Sequence, labels: Sequence[str]):
    """`class_id` is the label's place in the palette, which is what the annotators take colours by."""
    import numpy as np
    import supervision as sv
    return sv.Detections(xyxy=np.array(boxes, dtype=float), class_id=np.array([place(label) for label in labels]))


def _key_points(mark: Annotation) -> tuple:
    """All points of one object, and those of them that are hidden."""
    import numpy as np
    import supervision as sv
    # supervision takes (0, 0) for "no point"; half a pixel further is the same pixel.
    places = np.array([[[max(point.x, 0.5), max(point.y, 0.5)] for point in mark.points]])
    hidden = np.array([[point.visibility == "hidden" for point in mark.points]])
    return sv.KeyPoints(xy=places), sv.KeyPoints(xy=places, visible=hidden)


def _tag(mark: Annotation) -> str:
    words = mark.label or (mark.points[0].name if mark.points else "")
    return words if mark.score is None else f"{words} {mark.score:.2f}"


def _around(points: Sequence[Point], margin: float) -> tuple[float, float, float, float]:
    xs, ys = [point.x for point in points], [point.y for point in points]
    return min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin


def _line(size: tuple[int, int]) -> int:
    return max(2, round(max(size) / 300))


@lru_cache(maxsize=256)
def _font_file(letters: frozenset[str], weight: str) -> str:
    """DejaVu Sans, which comes with matplotlib and writes most alphabets, or the machine's font that misses least.

    DejaVu has no Chinese, Japanese, Korean, Thai or Indian letters; a machine with Noto fonts has.
    """
    import matplotlib
    from matplotlib import font_manager
    ours = str(Path(matplotlib.get_data_path()) / f"fonts/ttf/DejaVuSans{weight}.ttf")
    wanted = {ord(letter) for letter in letters if not letter.isspace()}
    if wanted <= _letters(ours):
        return ours
    others = sorted(font_manager.findSystemFonts())
    return min([ours, *others], key=lambda path: len(wanted - _letters(path)))


@lru_cache(maxsize=1024)
def _letters(path: str) -> frozenset[int]:
    """The code points that a font file can write in any size; none for a file that is no such font."""
    from fontTools.ttLib import TTFont
    try:
        with TTFont(path, fontNumber=0, lazy=True) as file:
            outlines = {"glyf", "CFF ", "CFF2"} & set(file.keys())  # bitmaps, as of most emoji, have one size
            return frozenset(file.getBestCmap() or ()) if outlines else frozenset()
    except Exception as problem:  # fonts of the machine: broken in as many ways as files are
        log.info("the font %s cannot be read: %s", path, problem)
        return frozenset()
