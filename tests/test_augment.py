"""Instruction augmentations: what they ask is true of the boxes that they came from."""
from __future__ import annotations

import random
import re

import pytest

from app import augment
from app.types import Annotation, Image, Sample

SIZE = (200, 100)


def scene(boxes, names="cat; dog", task="detect") -> Sample:
    truth = None if boxes is None else tuple(Annotation(label, box) for label, box in boxes)
    return Sample("s", (Image("a.png", SIZE, "0" * 64, split="train"),), task, names, truth)


def scenes(count: int = 60):
    rng = random.Random(7)
    for number in range(count):
        boxes = []
        for _ in range(1 + number % 4):
            x, y = rng.uniform(0, 150), rng.uniform(0, 70)
            boxes.append((rng.choice(("cat", "dog")), (x, y, x + rng.uniform(8, 50), y + rng.uniform(8, 30))))
        yield scene(boxes)


def region(query: str):
    x1, x2, y1, y2 = (int(number) for number in re.findall(r"(\d+)%", query))
    return x1 / 100 * SIZE[0], y1 / 100 * SIZE[1], x2 / 100 * SIZE[0], y2 / 100 * SIZE[1]


def inside(box, place) -> float:
    width = max(0, min(box[2], place[2]) - max(box[0], place[0]))
    height = max(0, min(box[3], place[3]) - max(box[1], place[1]))
    return width * height / ((box[2] - box[0]) * (box[3] - box[1]))


@pytest.mark.parametrize("name", ["enclosed", "partial", "empty"])
def test_a_region_holds_what_the_answer_says(name):
    asked = [(sample, more) for sample in scenes() for more in augment.augmented(sample, (name,))]
    assert len(asked) > 25
    for sample, more in asked:
        place, said = region(more.query), [] if more.answer == "nothing" else more.answer.split("; ")
        held = [(each.label, inside(each.box, place)) for each in sample.truth if inside(each.box, place) > 1e-9]
        assert [each.split(", ")[0] for each in said] == [label for label, _ in held]
        for words, (_, share) in zip(said, held, strict=True):
            part = words.split(", ")[1]
            assert share >= 0.98 if part == "whole" else abs(int(part[:-1]) / 100 - share) < 0.006
        assert {"enclosed": len(said) == 1 and said[0].endswith("whole"), "partial": any("%" in each for each in said),
                "empty": not said}[name]
        assert (more.task, more.truth, more.images) == ("ask", None, sample.images)


def test_counting_knows_how_many_and_that_there_are_none():
    more, = augment.augmented(scene([("cat", (1, 2, 3, 4)), ("cat", (5, 6, 9, 9))]), ("count",))
    assert (more.task, more.query) == ("count", "cat; dog") and more.truth == (Annotation("cat"),) * 2
    more, = augment.augmented(scene([]), ("count",))
    assert more.truth == ()


def test_what_says_too_little_gives_nothing():
    crowd = Sample("s", scene([]).images, "detect", "cat", (Annotation("cat", (1, 2, 3, 4), crowd=True),))
    for sample in (scene(None), scene([("a cat", (1, 2, 3, 4))], task="ground"), crowd,
                   Sample("s", scene([]).images, "detect", "cat", (Annotation("cat"),))):
        assert list(augment.augmented(sample, augment.AUGMENTATIONS)) == []
    full = scene([("cat", (0, 0, 200, 100))])
    assert augment.empty(full, random.Random(0)) is None


def test_the_same_seed_asks_the_same_and_another_does_not():
    sample = next(scenes())
    first, again, other = ([more.query for more in augment.augmented(sample, ("empty", "partial"), seed)]
                           for seed in (0, 0, 1))
    assert first == again != other


def test_an_unknown_augmentation_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match="no augmentation 'flip'; there are: count, enclosed, partial, empty"):
        augment.checked(("count", "flip"))
