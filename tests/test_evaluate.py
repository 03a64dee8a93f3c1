"""Answers become numbers: pooled, with intervals, paired; what could not be read is a miss and is shown."""
from __future__ import annotations

import numpy as np
import pytest

from app import evaluate
from app.evaluate import Answered, differences, measured, score_sources
from app.evaluate.average_precision import average_precision, columns, weighted
from app.metrics import coco
from app.types import Annotation, Generation, Image, Point, Prediction, Sample

CAT, DOG = Annotation("cat", (0, 0, 10, 10)), Annotation("dog", (20, 20, 40, 40))


def sample(id: str, *truth, task="detect", query="cat; dog", **more) -> Sample:
    picture = Image(f"{id}.png", (400, 300), f"s{id}", f"p{id}")
    return Sample(id, (picture,), task, query, None if truth == (None,) else truth, **more)


def said(one: Sample, *annotations, status=None, **more) -> Answered:
    status = status or ("ok" if annotations else "empty")
    given = {"model": "m", "revision": "r", "request": evaluate.request_of(one), "generation": Generation(),
             "prompt": "", "text": "", "frame": None, "annotations": annotations, "status": status, "problems": (),
             "tokens": 4, "seconds": 2.0, "seconds_to_first": None}
    return Answered(one, Prediction(**given | more))


def test_detection_is_pooled_over_boxes_and_not_averaged_over_pictures():
    numbers = measured([said(sample("1", CAT, DOG, Annotation("dog", (60, 60, 90, 90))), CAT, DOG),
                        said(sample("2", CAT), DOG)]).values
    assert numbers["precision"] == pytest.approx(2 / 3) and numbers["recall"] == 0.5
    assert numbers["f1"] == pytest.approx(4 / 7) and numbers["miou"] == 1
    assert numbers["score"] == pytest.approx((0.8 + 0) / 2), "the mean over pictures is a number of its own"
    assert numbers["AP"] == pytest.approx(0.5 * (0.5 + 0.505), abs=0.01)


def test_an_answer_that_cannot_be_read_is_a_miss_and_is_counted():
    numbers = measured([said(sample("1", CAT), CAT), said(sample("2", CAT), status="unreadable"),
                        said(sample("3", CAT), status="truncated"), said(sample("4"), status="unreadable")]).values
    assert (numbers["unreadable"], numbers["truncated"], numbers["failed"]) == (0.5, 0.25, 0)
    assert numbers["recall"] == pytest.approx(1 / 3) and numbers["score"] == 0.25
    assert numbers["no_target"] == 0, "garbage is no 'nothing'"
    assert numbers["hallucination"] == 0, "and no object either"


def test_where_nothing_is_there_inventing_something_is_counted():
    numbers = measured([said(sample("1")), said(sample("2"), CAT), said(sample("3", CAT), CAT, DOG)]).values
    assert numbers["no_target"] == 0.5 and numbers["hallucination"] == 0.5


def test_what_is_undefined_stays_so():
    numbers = measured([said(sample("1")), said(sample("2"))])
    assert {numbers.values[name] for name in ("precision", "recall", "f1", "miou", "AP", "AR100")} == {None}
    assert numbers.intervals["f1"] is None and numbers.values["no_target"] == 1
    assert measured([]).values["seconds"] is None


def test_a_threshold_can_be_named():
    near = Annotation("cat", (0, 0, 10, 6))
    assert measured([said(sample("1", CAT), near)], 0.5).values["f1"] == 1
    assert measured([said(sample("1", CAT), near)], 0.75).values["f1"] == 0


def test_every_task_has_its_numbers():
    dot = Annotation("cup", points=(Point("cup", 5, 5),))
    figure = Annotation("person", (0, 0, 100, 200), (Point("nose", 50, 10), Point("left_eye", 55, 8)))
    cases = {"ground": (sample("1", CAT, task="ground", query="the cat"), (CAT,), {"accuracy": 1, "point_in_box": 1}),
             "phrases": (sample("1", CAT, task="phrases", query="a cat chases the dog"), (CAT,), {"f1": 1, "AP": 1}),
             "point": (sample("1", dot, task="point", query="the cup"), (dot,), {"f1": 1}),
             "keypoints": (sample("1", figure, task="keypoints", query="nose; left_eye"), (figure,),
                           {"joints": 1, "oks": 1, "distance": 0, "found": 1}),
             "count": (sample("1", CAT, CAT, task="count", query="cat"), (CAT,), {"exact": 0, "error": 1})}
    for one, given, expected in cases.values():
        numbers = measured([said(one, *given)]).values
        assert {name: numbers[name] for name in expected} == pytest.approx(expected), one.task
    asked = sample("1", None, task="ask", query="What colour?", answer="Red")
    assert measured([said(asked, text="red.")]).values["exact"] == 1


def test_several_tasks_keep_their_numbers_apart():
    grounded = sample("2", CAT, task="ground", query="the cat")
    numbers = measured([said(sample("1", CAT), CAT), said(grounded, DOG)]).values
    assert numbers["detect.f1"] == 1 and numbers["ground.accuracy"] == 0 and numbers["score"] == 0.5
    assert "f1" not in numbers


def test_a_sample_that_nobody_has_looked_at_is_passed_over():
    asked = []

    def ask(one: Sample) -> Prediction:
        asked.append(one.id)
        return said(one, CAT).prediction
    numbers = dict(evaluate.evaluate([sample("1", CAT), sample("2", None), sample("3", DOG)], ask))
    assert asked == ["1", "3"] and numbers["recall"] == 0.5


def drawn(seed: int, pictures: int, skill: float) -> list[Answered]:
    """The same pictures for one seed and count, whatever the skill."""
    world, luck = np.random.default_rng(seed), np.random.default_rng([seed, int(skill * 1000)])
    found = []
    for n in range(pictures):
        truth = [Annotation(str(world.choice(["cat", "dog", "fox"])), (x, y, x + 40, y + 30))
                 for x, y in world.uniform(0, 250, (world.integers(0, 5), 2)).tolist()]
        answer = [Annotation(one.label if luck.random() < 0.9 else "dog",
                             tuple(v + luck.normal(0, 5 * (1 - skill)) for v in one.box), score=float(luck.random()))
                  for one in truth if luck.random() < skill]
        answer += [Annotation("cat", (0, 0, 30, 30), score=float(luck.random()))] * int(luck.random() < 0.2)
        found.append(said(sample(str(n), *truth, query="cat; dog; fox"), *answer))
    return found


def test_the_intervals_hold_their_numbers():
    numbers = measured(drawn(1, 60, 0.8))
    assert {"precision", "recall", "f1", "miou", "AP", "AP50", "score", "unreadable"} <= set(numbers.intervals)
    for name in ("precision", "recall", "f1", "miou", "AP", "AP50", "score"):
        low, high = numbers.intervals[name]
        assert low < numbers.values[name] < high and high - low < 0.4, name


def test_a_number_from_two_pictures_is_as_unsure_as_two_pictures_are():
    """Thirty pictures, but something was said about two of them only: their precision of 1 is nearly nothing."""
    pairs = [said(sample(str(n), CAT), *([CAT] if n < 2 else [])) for n in range(30)]
    numbers = measured(pairs)
    assert numbers.values["precision"] == 1 and numbers.intervals["precision"][0] < 0.4
    assert numbers.intervals["unreadable"][1] < 0.15, "that nothing was unreadable is from all thirty"


def test_average_precision_of_unweighted_pictures_is_cocos():
    """Each label that a resample has is averaged; with every picture once, that is hotcoco's own AP."""
    for seed in range(5):
        truth, found = columns(drawn(seed, 30, 0.7))
        weights = weighted(coco.matches(truth, found), np.ones((1, 30)))[0]
        expected = coco.average_precision(truth, found, "bbox")
        assert weights.mean() == pytest.approx(expected["AP"], abs=1e-9)
        assert weights[0] == pytest.approx(expected["AP50"], abs=1e-9)


def test_a_resample_weighs_as_a_set_with_these_pictures_would():
    answered = drawn(3, 12, 0.7)
    times = np.array([0, 2, 1, 3, 0, 1, 0, 1, 1, 1, 2, 0])
    repeated = [Answered(one.sample, one.prediction) for one, n in zip(answered, times) for _ in range(n)]
    expected, _ = average_precision(repeated, False, range(len(repeated)), len(repeated))
    truth, found = columns(answered)
    assert weighted(coco.matches(truth, found), times[None]).mean() == pytest.approx(expected["AP"], abs=0.02), \
        "equal scores of a repeated picture may come in another order, no more"


def test_a_model_against_itself_differs_by_nothing():
    numbers = measured(drawn(2, 40, 0.7))
    for name, (difference, interval) in differences(numbers, numbers).items():
        assert difference == 0 and interval == (0.0, 0.0), name


def test_a_better_model_is_better_and_the_pair_is_surer_than_the_two_alone():
    good, bad = measured(drawn(4, 120, 0.9)), measured(drawn(4, 120, 0.5))
    found = differences(good, bad)
    for name in ("f1", "AP", "score"):
        difference, (low, high) = found[name]
        assert 0 < low < difference < high
    assert {one.sample.truth for one in drawn(4, 120, 0.9)} == {one.sample.truth for one in drawn(4, 120, 0.5)}
    with pytest.raises(ValueError, match="same samples: 120 and 9"):
        differences(good, measured(drawn(4, 9, 0.5)))


def test_the_source_of_scores_is_said():
    scored = Annotation("cat", (0, 0, 1, 1), score=0.5, score_source="tokens")
    assert score_sources([said(sample("1", CAT), CAT)]) == ["none"]
    assert score_sources([said(sample("1", CAT), scored, Annotation("cat", (0, 0, 1, 1), score=0.7))]) == [
        "tokens", "unknown"]
    assert score_sources([said(sample("1", CAT), scored, scored)]) == ["constant", "tokens"]
