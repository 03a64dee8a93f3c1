"""Broken answers by the thousand: no exception, and every box that comes out is finite and inside the picture."""
from __future__ import annotations

import math

import numpy as np
import pytest

from app.families import every
from app.types import STATUSES, Annotation, Frame, Image, Point, Request

PIECES = ["[", "]", "{", "}", '"', ",", ":", "null", "NaN", "1e999", "-7", "99999", "<loc0512>", "<loc",
          "<seg001>", " ; ", "```",
          "<think>", "</think>", "<answer>", "</answer>", "\n", "\\", "'", "\x00", "\ud800",
          "猫", "(1,2),(3,4)", '"bbox_2d"', '"label"', '"keypoints"', "true",
          '<points x1="1" y1="2" alt="a">b</points>',
          "[[1,2],[3,4]]", "<|box_start|>", "<ref>", '{"count": 3}', "I'm sorry", "0", "１２", "1_000", "٣"]
TASKS = ("detect", "ground", "point", "keypoints", "count", "ask")
SIZE = (640, 480)
TRUTH = [Annotation("person", (10, 20, 300, 400), (Point("head", 30, 40), Point("left hand", 50, 60))),
         Annotation("person", (310, 20, 600, 400), (Point("head", 330, 40),))]


def request(task: str) -> Request:
    names = {"keypoints": ("head", "left hand"), "count": ("person",)}.get(task, ("person", "dog"))
    return Request((Image("", SIZE),), task, names=names, caption="person")


def mutated(text: str, rng) -> str:
    for _ in range(int(rng.integers(1, 6))):
        a, b = sorted(int(v) for v in rng.integers(0, len(text) + 1, 2))
        piece = PIECES[int(rng.integers(len(PIECES)))]
        versions = (text[:a] + text[b:], text[:a] + piece + text[a:], text[:a], text[:b] + text[a:],
                    text[:a] + text[a:b][::-1] + text[b:], piece + text)
        text = versions[int(rng.integers(len(versions)))]
    return text[:20_000]


@pytest.mark.parametrize("family", every(), ids=lambda family: family.name)
def test_nothing_that_a_model_writes_raises(family):
    rng = np.random.default_rng(20)
    frame = Frame(SIZE, family.frame(SIZE).input_size)
    statuses = set()
    for task in sorted(family.tasks):
        target = "person" if task == "ask" else family.format(TRUTH, request(task), frame)
        for start in (target, family.example.text, ""):
            for _ in range(150):
                text = mutated(start, rng)
                parsed = family.parse(text, request(task), frame)
                statuses.add(parsed.status)
                assert_sound(parsed, text)
    assert len(statuses) >= (4 if family.backend == "local" else 3), "the fuzz reaches the ways of failing"


def assert_sound(parsed, text: str) -> None:
    assert parsed.status in STATUSES and parsed.status != "failed"
    assert len(parsed.spans) == len(parsed.annotations)
    assert all(0 <= start <= end <= len(text) for start, end in parsed.spans)
    assert not (parsed.annotations and parsed.status in ("empty", "unreadable", "refused")), text
    assert parsed.problems or parsed.status != "unreadable", text
    for annotation in parsed.annotations:
        assert isinstance(annotation.label, str) and annotation.label
        places = [*(annotation.box or ()), *(v for point in annotation.points for v in (point.x, point.y))]
        assert all(math.isfinite(v) for v in places), text
        if annotation.box:
            x1, y1, x2, y2 = annotation.box
            assert 0 <= x1 <= x2 <= SIZE[0] and 0 <= y1 <= y2 <= SIZE[1], text
        assert all(0 <= p.x <= SIZE[0] and 0 <= p.y <= SIZE[1] for p in annotation.points), text
