"""Augmented pictures: the boxes still lie on what they lay on, and the words still mean it."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from app import pictures
from app.geometry import iou
from app.spec import TrainSpec
from app.types import Annotation, Image, Point, Sample
from tests import runs
from trainer.augment import augmented, cropped, flipped, swapped


def red_in(picture: PIL.Image.Image) -> tuple[int, int, int, int] | None:
    """Where the red rectangle really is, in the pixels."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    ys, xs = np.nonzero((pixels[..., 0] > 150) & (pixels[..., 1] < 100) & (pixels[..., 2] < 100))
    return (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1) if len(xs) else None


@pytest.mark.parametrize("seed", range(30))
def test_the_box_lies_on_the_red_rectangle_after_every_change(tmp_path, seed):
    [sample] = runs.drawn(tmp_path, 1, seed)
    picture, changed = augmented(pictures.pixels(sample.images[0]), sample, TrainSpec(flip=0.5, crop=1.0, colour=1.0),
                                 np.random.default_rng(seed))
    assert changed.images[0].size == picture.size
    where = red_in(picture)
    if where is None:
        assert changed.truth == ()
    else:
        assert iou(changed.truth[0].box, where) == 1


def test_a_flipped_picture_has_the_other_hand_on_the_other_side():
    points = (Point("left hand", 10, 5), Point("head", 50, 2), Point("right hand", 90, 5, "hidden"))
    sample = Sample("s", (Image("", (100, 50)),), "keypoints", "left hand; head; right hand",
                    (Annotation("person", (5, 0, 95, 50), points),))
    _, changed = flipped(PIL.Image.new("RGB", (100, 50)), sample)
    assert changed.query == "right hand; head; left hand"
    assert changed.truth[0].points == (Point("right hand", 90, 5), Point("head", 50, 2),
                                       Point("left hand", 10, 5, "hidden"))
    assert changed.truth[0].box == (5, 0, 95, 50)
    _, back = flipped(PIL.Image.new("RGB", (100, 50)), changed)
    assert back == sample


@pytest.mark.parametrize(("words", "mirrored"), [
    ("the cup on the left", "the cup on the right"), ("LEFTMOST star, right of it", "RIGHTMOST star, left of it"),
    ("Left-hand door", "Right-hand door"), ("bright leftover copyright", "bright leftover copyright"),
    ("left_eye; right_eye", "right_eye; left_eye"), ("the man who left his bag", "the man who right his bag"),
])
def test_left_and_right_change_places_in_the_words(words, mirrored):
    assert swapped(words) == mirrored and swapped(mirrored) == words


def test_no_window_goes_through_an_object(tmp_path):
    [sample] = runs.drawn(tmp_path, 1)
    picture, kept = pictures.pixels(sample.images[0]), 0
    for seed in range(200):
        cut, changed = cropped(picture, sample, np.random.default_rng(seed))
        assert len(changed.truth) == (red_in(cut) is not None)
        if changed.truth:
            kept += 1
            box, before = changed.truth[0].box, sample.truth[0].box
            assert (box[2] - box[0], box[3] - box[1]) == (before[2] - before[0], before[3] - before[1])
    assert kept > 50


def test_what_is_largest_or_left_of_something_is_never_cropped(tmp_path):
    [sample] = runs.drawn(tmp_path, 1, task="ground")
    for seed in range(20):
        picture, changed = augmented(pictures.pixels(sample.images[0]), sample, TrainSpec(crop=1.0),
                                     np.random.default_rng(seed))
        assert picture.size == runs.SIZE and changed == sample


@pytest.mark.parametrize("truth", [None, (Annotation("red"),), (Annotation("red", (0, 0, 5, 5), crowd=True),)])
def test_where_nobody_knows_what_a_window_would_cut_there_is_none(tmp_path, truth):
    [sample] = runs.drawn(tmp_path, 1)
    sample = replace(sample, truth=truth)
    picture, changed = cropped(PIL.Image.new("RGB", runs.SIZE), sample, np.random.default_rng(1))
    assert picture.size == runs.SIZE and changed == sample


def test_the_same_row_is_changed_in_the_same_way(tmp_path):
    [sample] = runs.drawn(tmp_path, 1)
    picture, spec = pictures.pixels(sample.images[0]), TrainSpec(flip=0.5, crop=0.5, colour=0.5)
    found = [augmented(picture, sample, spec, np.random.default_rng((0, 1, 17))) for _ in range(2)]
    assert found[0][1] == found[1][1] and found[0][0].tobytes() == found[1][0].tobytes()
