"""Scores against cases counted by hand and against published ones."""
from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from app import metrics
from app.metrics import Tally, match, tally, total
from app.types import Annotation, Point

CASES = Path(__file__).resolve().parent.parent / ".." / "shared" / "data" / "metrics_cases"


def cat(*box, label="cat", **more) -> Annotation:
    return Annotation(label, box or None, **more)


def test_a_perfect_answer_and_an_empty_one():
    truth = [cat(0, 0, 10, 10), cat(20, 20, 30, 30)]
    perfect, nothing = tally(truth, truth[::-1]), tally(truth, [])
    assert (perfect.precision, perfect.recall, perfect.f1, perfect.mean_iou) == (1, 1, 1, 1)
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.mean_iou) == (None, 0, 0, None)


def test_nothing_asked_and_nothing_found_is_undefined_and_not_perfect():
    empty = tally([], [])
    assert (empty.precision, empty.recall, empty.f1, empty.mean_iou) == (None, None, None, None)
    assert tally([], [cat(0, 0, 1, 1)]).f1 == 0


def test_a_hand_computed_mix():
    """Two of three predictions match two of four truths, with IoU 1 and 80/120."""
    truth = [cat(0, 0, 10, 10), cat(20, 0, 30, 10), cat(40, 0, 50, 10), cat(60, 0, 70, 10, label="dog")]
    predicted = [cat(0, 0, 10, 10), cat(22, 0, 32, 10), cat(60, 0, 70, 10)]
    counts = tally(truth, predicted)
    assert (counts.matched, counts.predicted, counts.truth) == (2, 3, 4)
    assert counts.precision == pytest.approx(2 / 3) and counts.recall == 0.5 and counts.f1 == pytest.approx(4 / 7)
    assert counts.mean_iou == pytest.approx((1 + 80 / 120) / 2)


def test_one_box_is_found_once_however_often_it_is_said():
    counts = tally([cat(0, 0, 10, 10)], [cat(0, 0, 10, 10)] * 3)
    assert (counts.matched, counts.predicted) == (1, 3)


def test_the_best_overlap_is_taken_first_and_nothing_is_taken_twice():
    truth = [cat(0, 0, 10, 10), cat(4, 0, 14, 10)]
    predicted = [cat(3, 0, 13, 10), cat(0, 0, 10, 10)]
    assert [(m.truth, m.predicted) for m in match(truth, predicted)] == [(0, 1), (1, 0)]
    rng = np.random.default_rng(1)
    for _ in range(50):
        corners = rng.integers(0, 60, (2, 8, 2))
        sides = [[cat(x, y, x + 30, y + 30) for x, y in side.tolist()] for side in corners]
        pairs = match(*sides)
        assert len({m.truth for m in pairs}) == len({m.predicted for m in pairs}) == len(pairs)
        assert all(m.iou >= 0.5 for m in pairs)


def test_exactly_the_threshold_matches():
    assert tally([cat(0, 0, 10, 10)], [cat(0, 0, 10, 5)]).matched == 1
    assert tally([cat(0, 0, 10, 10)], [cat(0, 0, 10, 4.99)]).matched == 0


def test_labels_must_agree_but_not_in_case_or_spacing():
    assert tally([cat(0, 0, 1, 1, label="Traffic  light")], [cat(0, 0, 1, 1, label="traffic light")]).matched == 1
    assert tally([cat(0, 0, 1, 1)], [cat(0, 0, 1, 1, label="cats")]).matched == 0


def test_a_crowd_is_neither_asked_for_nor_punished():
    counts = tally([cat(0, 0, 100, 100, crowd=True), cat(200, 0, 210, 10)], [cat(10, 10, 20, 20), cat(200, 0, 210, 10)])
    assert (counts.matched, counts.predicted, counts.truth) == (1, 1, 1)


def test_tallies_of_pictures_add_up():
    both = total([Tally(1, 2, 1, 0.8), Tally(0, 0, 3)])
    assert both == Tally(1, 2, 4, 0.8) and both.recall == 0.25


def test_grounding_counts_the_first_box_only_and_no_label():
    truth = [cat(0, 0, 10, 10)]
    assert metrics.grounded(truth, [cat(0, 0, 10, 9, label="something")]) is True
    assert metrics.grounded(truth, [cat(50, 50, 60, 60), cat(0, 0, 10, 10)]) is False
    assert metrics.grounded(truth, []) is False and metrics.grounded([], []) is None


def test_a_point_on_the_edge_is_in_the_box():
    assert metrics.point_in_box(10, 5, (0, 0, 10, 10)) and not metrics.point_in_box(10.01, 5, (0, 0, 10, 10))


def test_two_points_on_one_object_find_one_object():
    truth = [cat(0, 0, 10, 10), cat(20, 0, 30, 10)]
    counts = metrics.pointing(truth, [(5, 5), (6, 6)], (100, 100))
    assert (counts.matched, counts.predicted, counts.truth) == (1, 2, 2)
    dot = [Annotation("cat", points=(Point("", 50, 50),))]
    assert metrics.pointing(dot, [(53, 54)], (100, 100)).matched == 1, "5 pixels of a diagonal of 141"
    assert metrics.pointing(dot, [(58, 50)], (100, 100)).matched == 0


def test_joints_are_measured_in_diagonals():
    truth = [Point("head", 0, 0), Point("hand", 3, 4), Point("foot", 1, 1), Point("tail", 1, 1, "absent")]
    distances = metrics.joint_distances(truth, [Point("head", 3, 4), Point("hand", 3, 4)], (30, 40))
    assert distances == {"head": 0.1, "hand": 0, "foot": math.inf}


def test_figures_are_paired_by_their_joints():
    left, right = (Annotation("p", points=(Point("head", x, 10),)) for x in (10, 90))
    assert [given for _, given in metrics.figures([left, right], [right, left], (100, 100))] == [left, right]
    assert metrics.figures([left, right], [right], (100, 100))[0][1] is None


def test_counts_are_off_by_the_sum_over_the_labels():
    assert metrics.count_error([cat()] * 3, [cat()] * 2 + [cat(label="dog")]) == 2
    assert metrics.count_error([], [], ("cat",)) == 0


def test_where_nothing_is_there_only_nothing_is_right():
    assert metrics.no_target([], []) is True and metrics.no_target([], [cat()]) is False
    assert metrics.no_target([cat()], []) is None


def test_a_mean_over_nothing_is_undefined():
    assert metrics.mean([None, None]) is None and metrics.mean([1, None, 0]) == 0.5


def annotations(rows: list[dict]) -> dict[int, list[Annotation]]:
    found: dict[int, list[Annotation]] = {}
    for row in rows:
        x, y, w, h = row["bbox"]
        found.setdefault(row["image_id"], []).append(
            cat(x, y, x + w, y + h, label=str(row["category_id"]), crowd=bool(row.get("iscrowd"))))
    return found


@pytest.mark.parametrize("name", ["supervision_batches_perfect", "torchmetrics_doc_single_box"])
def test_published_cases_with_one_score_agree(name):
    """AP50 of 1.0 with as many predictions as truths means that all are matched at 0.5."""
    if not (CASES / f"{name}.json").is_file():
        pytest.skip("the published metric cases are not on this machine; the cases by hand stand above")
    case = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    truth, predicted = annotations(case["ground_truth"]["annotations"]), annotations(case["predictions"])
    counts = total(tally(truth[image], predicted.get(image, [])) for image in truth)
    assert case["pycocotools_full"]["AP50"] == pytest.approx(1)
    assert (counts.f1, counts.recall) == (1, 1)


def test_recall_on_coco_results_is_at_least_the_average_recall_over_stricter_thresholds():
    """Best-first matching at 0.5 finds what COCO's finds: its AR over 0.5…0.95 can only be lower."""
    path = CASES / "cocoapi_fakebbox100.json"
    if not path.is_file():
        pytest.skip("the published metric cases are not on this machine; the cases by hand stand above")
    case = json.loads(path.read_text(encoding="utf-8"))
    truth, predicted = annotations(case["ground_truth"]["annotations"]), annotations(case["predictions"])
    counts = total(tally(truth.get(image, []), predicted.get(image, [])) for image in truth.keys() | predicted)
    assert counts.truth == 839 - 9, "the nine crowds are no targets"
    assert counts.recall > case["expected"]["AR100"]
    assert 0.6 < counts.f1 < 0.9
