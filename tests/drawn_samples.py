"""Drawn pictures and samples of every task, for tests of formats, imports and exports."""
from __future__ import annotations

import random
from pathlib import Path

import PIL.Image
from PIL import ImageDraw

from app import pictures
from app.skeletons import PERSON
from app.types import Annotation, Image, Point, Sample

SIZES = ((64, 48), (80, 120), (200, 31))


def picture(folder: Path, name: str, size=(64, 48), seed: int = 0, split: str | None = None) -> Image:
    """A picture unlike all others, in a file of that name."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"{name} {seed}")
    drawn = PIL.Image.new("RGB", size, tuple(rng.randrange(256) for _ in range(3)))
    drawing = ImageDraw.Draw(drawn)
    for _ in range(4):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        drawing.rectangle((x, y, x + 8, y + 6), fill=tuple(rng.randrange(256) for _ in range(3)))
    drawn.save(path)
    read = pictures.read(path)
    return Image(str(path), read.size, read.sha256, split=split, name=name)


def sample(image, task: str, query: str, truth=None, answer=None) -> Sample:
    images = image if isinstance(image, tuple) else (image,)
    return Sample("", images, task, query, None if truth is None else tuple(truth), answer)


def detect(folder: Path, split: bool = True) -> list[Sample]:
    """Several objects, a label in another script, one that is everywhere, and a picture with nothing on it."""
    names = "cat; 犬 <dog> & \"co\"; traffic light"
    one, two, three = (picture(folder, f"p{i}.png", size, split=(("train", "val", "train")[i] if split else None))
                       for i, size in enumerate(SIZES))
    return [sample(one, "detect", names, [Annotation("cat", (1.5, 2.25, 30, 40)), Annotation("cat", (0, 0, 64, 48)),
                                          Annotation('犬 <dog> & "co"', (10, 20, 11, 21))]),
            sample(two, "detect", names, [Annotation("traffic light", (79, 119, 80, 120))]),
            sample(three, "detect", names, [])]


def ground(folder: Path) -> list[Sample]:
    one, two = picture(folder, "g1.png"), picture(folder, "g2.png", SIZES[1])
    said = "the small “red” star, left of it"
    return [sample(one, "ground", said, [Annotation(said, (3, 4, 20, 30.5))]),
            sample(one, "ground", "the other one", [Annotation("the other one", (30, 4, 40, 30))]),
            sample(two, "ground", "a whale", [])]


def pointed(folder: Path) -> list[Sample]:
    said = "the handle"
    return [sample(picture(folder, "t1.png"), "point", said, [Annotation(said, None, (Point(said, 3, 4),))])]


def figures(folder: Path) -> list[Sample]:
    """Joints that are visible, hidden and absent, and a figure of which only the box is known."""
    joints = tuple(Point(name, 2 + i, 40 - i, ("visible", "hidden")[i % 2]) for i, name in enumerate(PERSON.names[:-1]))
    absent = Point(PERSON.names[-1], 0, 0, "absent")
    one = picture(folder, "k1.png", split="train")
    return [sample(one, "keypoints", "; ".join(PERSON.names),
                   [Annotation("person", (1, 2, 40, 44), (*joints, absent)), Annotation("person", (50, 2, 60, 44))])]


def counted(folder: Path) -> list[Sample]:
    return [sample(picture(folder, "c1.png"), "count", "cat; dog", [Annotation("cat")] * 3)]


def asked(folder: Path) -> list[Sample]:
    return [sample(picture(folder, "a1.png"), "ask", "What colour is it?", answer="Red, with\n=two lines")]


def several(folder: Path) -> list[Sample]:
    images = picture(folder, "m1.png"), picture(folder, "m2.png", SIZES[1])
    return [sample(images, "ask", "How many in both?", answer="3"),
            sample(images, "detect", "cat", [Annotation("cat", (1, 2, 30, 40)),
                                             Annotation("cat", (1, 2, 70, 100), image=1)])]
