"""Curves, slices and pairs, on cases that can be counted by hand and on drawn scores of a known truth."""
from __future__ import annotations

import numpy as np
import pytest

from app.evaluate.pairs import OUTCOMES, disagreement, most_disputed, outcomes, worst
from app.evaluate.slices import slices
from app.metrics import tally, total
from app.metrics.curves import (
    INVENTED,
    MISSED,
    Scored,
    calibrated,
    calibration_error,
    confusion,
    precision_recall,
    reliability,
    scored,
)
from app.types import Annotation
from tests.test_evaluate import drawn, said, sample


def box(x: float, label="cat", score=None, width=10.0) -> Annotation:
    return Annotation(label, (x, 0.0, x + width, 10.0), score=score)


def test_a_curve_by_hand():
    """Right, wrong, right of three targets; the two last have equal scores and cannot be cut apart."""
    found = scored([([box(0), box(20), box(40)], [box(0, score=0.9), box(60, score=0.4), box(20, score=0.4)])])
    assert np.allclose(precision_recall(found), [(1 / 3, 1, 0.9), (2 / 3, 2 / 3, 0.4)])
    assert precision_recall(scored([([box(0)], [box(0)])])) == [], "without scores there is no curve"


def test_the_last_point_of_the_curve_is_what_the_table_says():
    pairs = [(one.sample.truth, one.prediction.annotations) for one in drawn(8, 40, 0.7)]
    counts = total(tally(*pair) for pair in pairs)
    recall, precision, _ = precision_recall(scored(pairs))[-1]
    assert (recall, precision) == (pytest.approx(counts.recall), pytest.approx(counts.precision))


def test_reliability_by_hand():
    """Two ranges of five answers each: scores 0.1 with one right, scores 0.9 with four right."""
    score = np.array([0.9, 0.1] * 5)
    right = np.array([True, True, True, False, True, False, True, False, False, False])
    bins = reliability(score, right)
    assert [(each.count, each.score, each.right) for each in bins] == [(5, pytest.approx(0.1), 0.2),
                                                                      (5, pytest.approx(0.9), 0.8)]
    assert calibration_error(bins) == pytest.approx(0.1)
    assert calibration_error([]) is None and reliability(np.zeros(0), np.zeros(0)) == []


def test_small_scores_are_told_apart():
    """Scores from tokens are products: a whole model can lie below 0.05."""
    score = np.linspace(0.001, 0.04, 100)
    bins = reliability(score, score > 0.02)
    assert len(bins) == 10 and bins[0].right == 0 and bins[-1].right == 1


def test_a_calibration_of_small_scores_does_not_run_away():
    rng = np.random.default_rng(3)
    score = np.exp(rng.normal(-5, 1, 60))
    right = rng.random(60) < 0.3
    found = calibrated(Scored(np.arange(60) // 2, score, right, 80))
    assert abs(found.slope) < 1.5 and found.calibrated_error < 0.3
    assert 0.1 < found.chance(float(np.median(score))) < 0.5


def overconfident(n: int, seed: int = 1) -> Scored:
    """Scores that say 0.9 where the chance is 0.6: the logit is twice what it should be, and shifted."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 1, n)
    right = rng.random(n) < 1 / (1 + np.exp(-logit))
    return Scored(np.arange(n) // 3, 1 / (1 + np.exp(-(2 * logit + 1))), right, n)


def test_a_calibration_finds_the_chances_behind_overconfident_scores():
    found = calibrated(overconfident(3000))
    assert found.slope == pytest.approx(0.5, abs=0.07) and found.offset == pytest.approx(-0.5, abs=0.12)
    assert found.calibrated_error < 0.04 < 0.1 < found.error
    assert found.chance(1 / (1 + np.exp(-3))) == pytest.approx(1 / (1 + np.exp(-1)), abs=0.03)


def test_too_few_answers_fit_nothing():
    assert calibrated(overconfident(12)) is None
    everything = overconfident(100)
    assert calibrated(Scored(everything.picture, everything.score, np.ones(100, bool), 100)) is None


def test_a_confusion_by_hand():
    truth = [box(0), box(20, "dog"), box(40)]
    said_ = [box(0, "dog"), box(20, "dog"), box(80, "fox"), box(0, "cat", width=9)]
    assert confusion([(truth, said_)]) == {("cat", "cat"): 1, ("dog", "dog"): 1, ("cat", MISSED): 1,
                                           (INVENTED, "fox"): 1, (INVENTED, "dog"): 1}
    assert confusion([([box(0)], [box(0, "dog")])]) == {("cat", "dog"): 1}
    crowd = Annotation("cat", (0, 0, 100, 100), crowd=True)
    assert confusion([([crowd], [box(0)])]) == {}


def test_slices_by_object_count_what_was_missed():
    far = Annotation("dog", (0.0, 100.0, 200.0, 290.0))
    found = {(each.kind, each.value): each for each in slices([
        said(sample("1", box(0), box(50), far), box(0), far), said(sample("2", box(0), far), box(0))])}
    assert (found["label", "cat"].number, found["label", "cat"].count) == (pytest.approx(2 / 3), 3)
    assert found["label", "dog"].number == 0.5
    assert found["size", "1 small, under 32² pixels"].count == 3 and found["size", "3 large, from 96² on"].number == 0.5
    assert ("relation", "without") not in found, "what does not divide the data is no slice"


def test_slices_by_question_find_relations_and_negations():
    questions = ["the cat left of the box", "the cat", "the box without a lid", "no cat"]
    pairs = [said(sample(str(n), box(0), task="ground", query=query), *([box(0)] if n % 2 else []))
             for n, query in enumerate(questions)]
    found = {(each.kind, each.value): (each.number, each.count) for each in slices(pairs)}
    assert found["relation", "with a relation"] == (0, 1) and found["relation", "without"] == (pytest.approx(2 / 3), 3)
    assert found["negation", "with a negation"] == (0.5, 2)


def test_two_models_picture_by_picture():
    samples = [sample(str(n), box(0)) for n in range(4)]
    a = [said(one, *given) for one, given in zip(samples, ([box(0)], [box(0)], [], []))]
    b = [said(one, *given) for one, given in zip(samples, ([box(0)], [], [box(0)], [box(50)]))]
    assert outcomes(a, b) == dict(zip(OUTCOMES, ([0], [1], [2], [3])))
    assert worst(a, 2) == [2, 3] and worst(b, 9)[0] == 3, "who says something wrong is worse than who says nothing"
    assert disagreement({"a": a, "b": b}, 0) == 0 and disagreement({"a": a, "b": b}, 1) == 1
    assert [place for place, _ in most_disputed({"a": a, "b": b}, 9)] == [1, 2, 3]
    assert most_disputed({"a": a}, 9) == []
