"""Broken answers by the thousand: no exception, the text is kept, and every box is finite and inside the picture."""
from __future__ import annotations

import math
import time

import numpy as np
import pytest

from app import predict
from app.backends import Step
from app.families import every, find
from app.families.reading import MOST_OBJECTS
from app.types import STATUSES, Annotation, Frame, Image, ModelSpec, Point, Request

PIECES = ["[", "]", "{", "}", '"', ",", ":", "null", "NaN", "1e999", "-7", "99999", "<loc0512>", "<loc",
          "<seg001>", " ; ", "```",
          "<think>", "</think>", "<answer>", "</answer>", "\n", "\\", "'", "\x00", "\ud800",
          "猫", "(1,2),(3,4)", '"bbox_2d"', '"label"', '"keypoints"', "true",
          '<points x1="1" y1="2" alt="a">b</points>',
          "[[1,2],[3,4]]", "<|box_start|>", "<|box_end|>", "<ref>", "</ref>", "<box>[[1,2,3,4]]</box>", "<|ref|>",
          "<|det|>", "<|begin_of_box|>", "<phrase>", "<object>", "<patch_index_0001><patch_index_0900>",
          "<loc_12><loc_3>",
          '<points coords="1 1 308 305">', '<points coords="9e9 ;,1 x 2 -3', "<12><34>", "None", "[[001,002,003,004;",
          "<｜end▁of▁sentence｜>", "<pred>", "</s><s>", '{"x_min": 0.1, "y_min": 0.2, "x_max": "1", "y_max": null}',
          '"box_2d": [1, 2, 3', " <540> <351> ", "unvisible", "<|channel>", "<channel|>",
          '{"count": 3}', "I'm sorry", "0", "１２", "1_000", "٣"]
TASKS = ("detect", "ground", "point", "keypoints", "count", "ask")
SIZE = (640, 480)
MEGABYTE = 1_000_000
EVERY = pytest.mark.parametrize("family", every(), ids=lambda family: family.name)
READERS = {type(family).parse: family for family in every()}  # one of those that share their reading
TRUTH = [Annotation("person", (10, 20, 300, 400), (Point("nose", 30, 40), Point("left hand", 50, 60))),
         Annotation("person", (310, 20, 600, 400), (Point("nose", 330, 40),))]


def request(task: str, think: bool = False) -> Request:
    names = {"keypoints": ("nose", "left hand"), "count": ("person",)}.get(task, ("person", "dog"))
    return Request((Image("", SIZE),), task, names=names, caption="person", think=think)


def mutated(text: str, rng) -> str:
    for _ in range(int(rng.integers(1, 6))):
        a, b = sorted(int(v) for v in rng.integers(0, len(text) + 1, 2))
        piece = PIECES[int(rng.integers(len(PIECES)))]
        versions = (text[:a] + text[b:], text[:a] + piece + text[a:], text[:a], text[:b] + text[a:],
                    text[:a] + text[a:b][::-1] + text[b:], piece + text)
        text = versions[int(rng.integers(len(versions)))]
    return text[:20_000]


def broken(family, many: int, seed: int):
    """`many` broken answers with their requests: over all its tasks, from what it should write, from a real answer,
    and from nothing."""
    rng = np.random.default_rng(seed)
    tasks, frame = sorted(family.tasks), frame_of(family)
    starts = {task: ("person" if task == "ask" else family.format(TRUTH, request(task), frame),
                     family.example.text if family.example else "[[1, 2, 3, 4]]", "") for task in tasks}
    for number in range(many):
        task = tasks[number % len(tasks)]
        start = starts[task][number // len(tasks) % 3]
        yield mutated(start, rng), request(task, think=family.thinks and rng.random() < 0.1)


def frame_of(family) -> Frame:
    return Frame(SIZE, family.frame(SIZE).input_size)


@EVERY
def test_nothing_that_a_model_writes_raises(family):
    statuses = set()
    for text, asked in broken(family, 300, seed=20):
        parsed = family.parse(text, asked, frame_of(family))
        statuses.add(parsed.status)
        assert_sound(parsed, text)
    assert len(statuses) >= (3 if family.backend == "detector" else 4), "the fuzz reaches the ways of failing"


@pytest.mark.slow
@EVERY
def test_nothing_that_a_model_writes_raises_in_a_hundred_thousand_answers(family):
    for text, asked in broken(family, 100_000 // len(every()) + 1, seed=21):
        assert_sound(family.parse(text, asked, frame_of(family)), text)


@EVERY
def test_a_broken_answer_is_kept_letter_by_letter_while_it_streams_and_after(family):
    for number, (text, asked) in enumerate(broken(family, 24, seed=22)):
        spec = ModelSpec(str(number), family.name, "parrot", "nowhere")
        updates = [update for update in predict.compare(Parrot(text), [predict.Ask(spec, asked)]) if update]
        streamed = [update.prediction for update in updates if update.state == "answering"]
        assert all(text.startswith(prediction.text) and prediction.status == "ok" for prediction in streamed)
        assert updates[-1].prediction.text == text and updates[-1].prediction.status != "failed"


class Parrot:
    """Models that give one text, whatever they are asked: a quarter of it, half of it, all of it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def answer(self, spec, asked, generation, stop):
        family = find(spec.family)
        for quarters, finished in ((1, None), (2, None), (4, "stop")):
            said = self.text[:len(self.text) * quarters // 4]
            yield Step(said, len(said), "", frame_of(family), finished)


@EVERY
def test_a_megabyte_of_everything_is_read_in_a_second(family):
    rng = np.random.default_rng(23)
    text = "".join(PIECES[int(i)] for i in rng.integers(len(PIECES), size=200_000))[:MEGABYTE]
    assert len(text) == MEGABYTE
    assert_quick(family, text, sorted(family.tasks)[0])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(PIECES)), ids=lambda number: ascii(PIECES[number]))
def test_a_megabyte_of_any_one_thing_is_read_in_seconds(number):
    text = (PIECES[number] * MEGABYTE)[:MEGABYTE]
    for family in READERS.values():
        tasks = sorted(family.tasks)
        assert_quick(family, text, tasks[number % len(tasks)], seconds=5)


def assert_quick(family, text: str, task: str, seconds: float = 3) -> None:
    """By the time of this thread, so that a busy machine does not count."""
    began = time.thread_time()
    parsed = family.parse(text, request(task), frame_of(family))
    assert time.thread_time() - began < seconds
    assert_sound(parsed, text)
    assert len(parsed.annotations) <= MOST_OBJECTS


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
