"""Every noun that is kept becomes JSON and again itself; what is no such noun is refused with its place."""
from __future__ import annotations

import json
import random
import types
import typing
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from app import rows
from app.types import Annotation, Generation, Image, Point, Prediction, Request, Sample

NOUNS = (Sample, Prediction, Annotation, Point, Image, Request, Generation)
TEXTS = ("", "cat", "\x00\ud800\u202e", "null", "猫; 🐈", "<script>", "9" * 50)


@pytest.mark.parametrize("kind", NOUNS)
def test_a_noun_comes_back_as_it_was(kind):
    chance = random.Random(kind.__name__)
    for _ in range(100):
        before = drawn(kind, chance)
        after = rows.read(kind, json.loads(json.dumps(rows.write(before), allow_nan=False)))
        assert after == before and repr(after) == repr(before)


def drawn(kind, chance: random.Random):
    """Anything that has this type."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: drawn(hints[field.name], chance) for field in fields(kind)})
    if origin in (types.UnionType, typing.Union):
        return drawn(chance.choice(inside), chance)
    if origin is tuple and inside[-1] is Ellipsis:
        return tuple(drawn(inside[0], chance) for _ in range(chance.randrange(3)))
    if origin is tuple:
        return tuple(drawn(one, chance) for one in inside)
    return {float: lambda: chance.choice([0.0, -0.0, 1 / 3, 1e22, 5e-324, chance.uniform(-1e4, 1e4)]),
            int: lambda: chance.choice([0, -1, 2**63, chance.randrange(5000)]), bool: lambda: chance.random() < 0.5,
            str: lambda: chance.choice(TEXTS), type(None): lambda: None}[kind]()


def test_nobody_has_looked_and_nothing_is_there_stay_apart():
    looked, unseen = (rows.write(Sample("s", (), "detect", "cat", truth=truth)) for truth in ((), None))
    assert looked["truth"] == [] and unseen["truth"] is None
    assert rows.read(Sample, looked).truth == () and rows.read(Sample, unseen).truth is None


def test_what_json_cannot_say_is_refused_with_its_place():
    for bad in (float("nan"), float("inf"), np.float32("nan")):
        with pytest.raises(ValueError, match=r"truth\[1\].box\[3\] is .*only finite numbers"):
            rows.write(Sample("s", (), "", "", truth=(Annotation("a"), Annotation("b", (0, 0, 1, bad)))))
    with pytest.raises(TypeError, match="label is a bytes"):
        rows.write(Annotation(b"cat"))


def test_numbers_of_numpy_become_plain_ones():
    before = Annotation("cat", tuple(np.float32(value) for value in (0.5, 1, 2, 3)), image=np.int64(7))
    after = rows.read(Annotation, json.loads(json.dumps(rows.write(before))))
    assert after == Annotation("cat", (0.5, 1.0, 2.0, 3.0), image=7) and type(after.box[0]) is float


def test_a_row_from_before_a_field_gets_its_default():
    row = rows.write(Annotation("cat"))
    del row["crowd"]
    assert rows.read(Annotation, row) == Annotation("cat")


@pytest.mark.parametrize(("change", "words"), [
    ({"box": [1, 2, 3]}, "box"), ({"box": "1234"}, "box"), ({"label": 5}, "label"), ({"points": None}, "points"),
    ({"colour": "red"}, "has colour"), ({"image": True}, "image"), ({"score": "high"}, "score"),
    ({"points": [["left", 1, 2]]}, "points"),
])
def test_a_damaged_row_is_an_error_and_not_a_strange_noun(change, words):
    with pytest.raises(ValueError, match=words):
        rows.read(Annotation, rows.write(Annotation("cat")) | change)


def test_an_incomplete_row_is_an_error():
    row = rows.write(Annotation("cat"))
    del row["label"]
    with pytest.raises(ValueError, match=r"incomplete.*label"):
        rows.read(Annotation, row)
