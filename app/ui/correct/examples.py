"""Pictures to try the editor on: the shipped drawn scenes, with mistakes put into what is known of them."""
from __future__ import annotations

from dataclasses import replace

from app.geometry import clipped
from app.store import Store
from app.types import Annotation, Sample
from app.ui.examples import examples

NAME = "Example"
TASKS = ("detect", "ground", "keypoints")
OFF = (9.0, -7.0)  # pixels: enough to be seen on pictures of 160 to 320 pixels


def add(store: Store) -> str:
    """The id of the dataset, made anew or as it is there. The same pictures again are already there."""
    dataset = store.datasets.open(NAME)
    found = [_wrong(example.sample()) for example in examples() if example.task in TASKS and example.truth]
    store.datasets.add(dataset.id, found)
    return dataset.id


def _wrong(sample: Sample) -> Sample:
    """Every other object is off by a few pixels, and the last has a wrong name or is missing."""
    size = sample.images[0].size
    off = [_moved(each, size) if n % 2 == 0 else each for n, each in enumerate(sample.truth)]
    if len(off) > 2:
        off.pop()
    return replace(sample, source="", truth=tuple(replace(each, id=f"example {n}") for n, each in enumerate(off)))


def _moved(annotation: Annotation, size: tuple[int, int]) -> Annotation:
    x, y = OFF
    box = annotation.box and clipped(tuple(v + (x, y)[n % 2] for n, v in enumerate(annotation.box)), size)
    points = tuple(replace(point, x=min(max(point.x + x, 0), size[0]), y=min(max(point.y + y, 0), size[1]))
                   for point in annotation.points)
    return replace(annotation, box=box, points=points)
