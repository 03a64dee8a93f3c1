"""What anybody sends becomes annotations that can be kept, or a sentence; nothing changes in silence."""
from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import pytest

from app import annotations
from app.annotations import MOST, changes, checked, read
from app.types import Annotation, Changes, Point

SIZE = (640, 480)
CAT = Annotation("cat", (10.0, 20.0, 30.0, 40.0), id="c")
NAN, INF = float("nan"), float("inf")


def said(annotation: Annotation) -> tuple[Annotation | None, str]:
    """What is kept of one annotation, and what was said."""
    kept, problems = checked([annotation], SIZE)
    assert any(problem.lost for problem in problems) == (not kept)
    return (kept[0] if kept else None), "; ".join(map(str, problems))


def test_what_is_right_stays_as_it_is():
    given = (CAT, Annotation("dog", points=(Point("nose", 0.0, 480.0), Point("tail", 1e9, NAN, "absent")), id="d",
                             crowd=True, area=5.5, score=0.5, score_source="model"), Annotation("", id="e"))
    kept, problems = checked(given, SIZE)
    assert not problems and kept[0] == CAT and kept[2] == given[2]
    assert kept[1] == replace(given[1], points=(given[1].points[0], Point("tail", 0.0, 0.0, "absent")))


@pytest.mark.parametrize(("box", "becomes", "words"), [
    ((30.0, 40.0, 10.0, 20.0), (10.0, 20.0, 30.0, 40.0), "corners of its box (30, 40, 10, 20) were swapped"),
    ((-5.0, 20.0, 700.0, 40.0), (0.0, 20.0, 640.0, 40.0), "went over the edge of the picture of 640×480 and was cut"),
    ((1e300, 5, -1e300, 6), (0.0, 5.0, 640.0, 6.0), "was cut"),
])
def test_a_box_that_can_have_been_meant_is_repaired_and_said(box, becomes, words):
    kept, told = said(Annotation("cat", box, id="c"))
    assert kept.box == becomes and words in told and "object 1 ('cat')" in told


@pytest.mark.parametrize(("box", "words"), [
    ((NAN, 1, 2, 3), "no four numbers"), ((0, 0, INF, 3), "no four numbers"), ((0, 0, 3), "no four numbers"),
    ((5, 5, 5, 9), "no area; draw it again"), ((5, 5, 5, 5), "no area"),
    ((700, 10, 800, 20), "outside the picture of 640×480"), ((-9, -9, 0, 0), "outside the picture"),
])
def test_a_box_that_nobody_can_have_meant_is_left_out_and_said(box, words):
    kept, told = said(Annotation("cat", box))
    assert kept is None and words in told and "left out" in told


def test_points_scores_and_areas_are_judged_too():
    kept, told = said(Annotation("p", points=(Point("nose", -5.0, 500.0, "hidden"),), score=NAN, area=-1.0, id="p"))
    assert kept == Annotation("p", points=(Point("nose", 0.0, 480.0, "hidden"),), id="p")
    assert "moved to its edge" in told and "its score nan" in told and "its area -1.0" in told
    for bad, words in ((Point("nose", NAN, 1.0), "lies at nan"), (Point("nose", 1, 1, "seen"), "not one of: absent"),
                       (Point("n" * 4000, 1, 1), "4,000 characters")):
        assert words in said(Annotation("p", points=(bad,)))[1]
    assert "501 points" in said(Annotation("p", points=(Point("n", 1, 1),) * 501))[1]
    assert said(replace(CAT, score=2.0))[0].score is None


@pytest.mark.parametrize("label", ["<img src=x onerror=alert(1)>", "\u202eright to left", "קפה", "🐈‍⬛", "x" * 2000])
def test_any_label_is_kept_as_it_is(label):
    assert said(replace(CAT, label=label)) == (replace(CAT, label=label), "")


def test_a_label_of_4000_characters_is_refused_and_blanks_are_made_single():
    assert "its label has 4,000 characters; keep it under 2,000" in said(replace(CAT, label="x" * 4000))[1]
    kept, told = said(replace(CAT, label="  two\n\x00cats "))
    assert kept.label == "two cats" and "blanks" in told


def test_ten_thousand_objects_are_kept_and_one_more_is_refused():
    many = [replace(CAT, id="")] * MOST
    kept, problems = checked(many, SIZE)
    assert len({each.id for each in kept}) == MOST == 10_000 and not problems
    for refuse in (lambda: checked([*many, CAT], SIZE), lambda: read([{}] * (MOST + 1), SIZE)):
        with pytest.raises(ValueError, match="10,001 objects are more than the 10,000"):
            refuse()


def test_ids_that_are_missing_or_doubled_are_given_and_the_others_stay():
    kept, _ = checked([CAT, CAT, replace(CAT, id=""), replace(CAT, id="a2"), replace(CAT, id="x" * 101)], SIZE)
    ids = [each.id for each in kept]
    assert ids[0] == "c" and ids[3] == "a2" and len(set(ids)) == 5 and max(map(len, ids)) < 10


def test_an_object_is_on_one_of_the_pictures():
    kept, problems = checked([replace(CAT, image=1), replace(CAT, image=2), replace(CAT, image=-1)], SIZE, (20, 30))
    assert [each.box for each in kept] == [(10.0, 20.0, 20.0, 30.0)]
    assert [problem.index for problem in problems if problem.lost] == [1, 2]


def test_what_json_holds_is_read_and_what_it_should_not_hold_is_said():
    row = CAT.to_json() | {"id": "c", "image": 0, "crowd": False, "area": None, "score_source": "", "unknown": 1}
    assert read(json.loads(json.dumps([row])), SIZE) == ((CAT,), [])
    bad = [None, 5, "cat", [], {"label": 5}, {"box": "1234"}, {"box": [1, 2, 3]}, {"box": [1, 2, "3", 4]},
           {"box": [True, 2, 3, 4]}, {"box": [10 ** 400, 2, 3, 4]}, {"points": "x"}, {"points": [5]},
           {"points": [{"name": "a"}]}, {"image": "0"}, {"image": True}, {"score": "high"}, {"id": 5}]
    kept, problems = read([row, *bad], SIZE)
    assert kept == (CAT,) and [problem.index for problem in problems] == list(range(1, len(bad) + 1))
    assert all(problem.lost and len(str(problem)) < 200 for problem in problems)
    for nothing in (None, {}, "[]", 5):
        with pytest.raises(ValueError, match="objects are a list"):
            read(nothing, SIZE)


def test_whatever_is_read_can_be_kept():
    """A fuzz: whatever comes, what is kept is finite, inside, has an area and an id of its own."""
    chance = random.Random(6)
    values = [0, -1, 5.5, 1e9, -1e9, NAN, INF, None, True, "5", [], {}, 10 ** 400, 320, 640]
    for _ in range(3000):
        one = {"label": chance.choice(["cat", "", None, "x" * 5000, "\x00"]), "id": chance.choice(["", "a", "a1", 5]),
               "box": chance.choice([None, [chance.choice(values) for _ in range(4)],
                                     [chance.uniform(-700, 1400) for _ in range(4)]]),
               "points": chance.choice([None, [], [{"name": "n", "x": chance.choice(values), "y": chance.choice(values),
                                                    "visibility": chance.choice(["", "hidden", "absent", "seen"])}]]),
               "score": chance.choice(values), "area": chance.choice(values), "image": chance.choice([0, 1, -1, "0"])}
        for each in read([one, one], SIZE)[0]:
            numbers = [*(each.box or ()), *(value for point in each.points for value in (point.x, point.y))]
            assert all(math.isfinite(value) and 0 <= value <= 640 for value in numbers) and each.id
            assert each.box is None or (each.box[0] < each.box[2] and each.box[1] < each.box[3])
            assert checked([each], SIZE) == ((each,), [])


def test_changes_name_each_object_by_its_id():
    dog, cow = replace(CAT, id="d", label="dog"), replace(CAT, id="w", label="cow")
    joints = Annotation("p", points=(Point("nose", 1, 1), Point("tail", 2, 2)), id="p")
    hidden = replace(joints, points=(joints.points[0], replace(joints.points[1], visibility="hidden")))
    moved = replace(dog, box=(1.0, 1.0, 2.0, 2.0))
    after = [CAT, replace(moved, label="wolf"), hidden, replace(CAT, id="n")]
    assert changes([CAT, dog, cow, joints], after) == Changes(("c",), ("d", "p"), ("d",), ("n",), ("w",))
    assert changes([CAT], [replace(CAT, score=0.5)]) == Changes(kept=("c",))
    assert changes([], []) == Changes()


def test_a_box_may_touch_all_edges():
    assert said(replace(CAT, box=(0.0, 0.0, 640.0, 480.0)))[1] == ""
    assert annotations.checked([], SIZE) == ((), [])
