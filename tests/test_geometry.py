"""Boxes, clipping, and the resize rule that Qwen's answers are measured in."""
from __future__ import annotations

import numpy as np
import pytest
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as smart_resize_of_transformers

from app.geometry import clipped, iou, ordered, scaled, smart_resize, to_image, to_input
from app.types import Frame


def test_iou_of_hand_computed_boxes():
    assert iou((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert iou((0.5, 0.5, 1, 1), (0, 0, 1, 1)) == 0.25
    assert iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    assert iou((3, 3, 3, 3), (3, 3, 3, 3)) == 0


def test_a_box_is_ordered_and_clipped():
    assert ordered((30, 40, 10, 20)) == (10, 20, 30, 40)
    assert clipped((-5, -5, 700, 20), (640, 480)) == (0, 0, 640, 20)


def test_there_and_back_between_the_two_frames():
    frame = Frame((720, 1280), (728, 1288))
    assert scaled(scaled((1, 2, 3, 4), to_input(frame)), to_image(frame)) == pytest.approx((1, 2, 3, 4))
    assert to_image(frame)[0] != to_image(frame)[1], "each axis has its own scale"


@pytest.mark.parametrize("factor, least, most", [
    (28, 56 * 56, 14 * 14 * 4 * 1280), (28, 4 * 28 * 28, 100 * 28 * 28), (32, 65536, 16777216), (32, 1024, 64 * 1024)])
def test_the_resize_rule_is_transformers_own(factor, least, most):
    """Over 4,000 sizes and the halves where `round` goes to the even number."""
    theirs = smart_resize_of_transformers
    rng = np.random.default_rng(3)
    sizes = [tuple(int(v) for v in np.exp(rng.uniform(np.log(2), np.log(9000), 2))) for _ in range(4000)]
    sizes += [(factor * n + factor // 2, factor * m + factor // 2) for n in range(1, 9) for m in range(1, 9)]
    compared = 0
    for width, height in sizes:
        try:
            wanted = theirs(height, width, factor=factor, min_pixels=least, max_pixels=most)
        except ValueError:
            with pytest.raises(ValueError, match="200:1"):
                smart_resize((width, height), factor, least, most)
            continue
        assert smart_resize((width, height), factor, least, most) == (wanted[1], wanted[0]), (width, height)
        compared += 1
    assert compared > 3000


def test_a_picture_longer_than_200_to_1_is_refused_with_its_size():
    with pytest.raises(ValueError, match="3000×10"):
        smart_resize((3000, 10), 28, 3136, 1_003_520)
