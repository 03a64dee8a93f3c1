"""COCO's numbers: the published cases, pycocotools beside them on drawn sets, and every way a file can be wrong."""
from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app import metrics
from app.geometry import iou
from app.metrics import coco
from app.metrics.voc import voc_ap
from app.types import Annotation

ROOT = Path(__file__).resolve().parent.parent
COCO_CASES = ("cocoapi_fakebbox100", "keypoints_oks_one_image", "supervision_batches_perfect",
              "torchmetrics_doc_single_box", "torchmetrics_test_map_inputs")


def command(folder: Path, truth, predictions, *options) -> subprocess.CompletedProcess:
    for name, content in (("gt.json", truth), ("pred.json", predictions)):
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "app", "metrics", "--truth", folder / "gt.json", "--predictions", folder / "pred.json",
         *map(str, options), "--json"], cwd=ROOT, capture_output=True, text=True)


def found(truth, predictions, kind="bbox", threshold=0.5) -> dict:
    return coco.as_json(coco.of_files(json.dumps(truth).encode(), json.dumps(predictions).encode(), kind, threshold))


@pytest.mark.parametrize("name", COCO_CASES)
def test_a_published_case_gives_its_expected_values_through_the_command(name, shared, tmp_path):
    case = json.loads((shared / f"metrics_cases/{name}.json").read_text("utf-8"))
    done = command(tmp_path, case["ground_truth"], case["predictions"], "--iou-type", case["iou_type"])
    assert done.returncode == 0 and done.stderr == ""
    told = json.loads(done.stdout)
    for metric, value in {**case["pycocotools_full"], **case["expected"]}.items():
        if metric != "per_class_AP":
            assert told[metric] == pytest.approx(value, abs=case["tolerance"]), metric
    assert {"precision50", "recall50", "f1_50", "miou50"} <= set(told)


def test_the_meaning_of_four_numbers_decides_a_published_case(shared, tmp_path):
    """torchmetrics' case of box formats: the same numbers as corners, as corner and size, as middle and size."""
    case = json.loads((shared / "metrics_cases/torchmetrics_box_format.json").read_text("utf-8"))
    sized = {"xyxy": lambda a, b, c, d: [a, b, c - a, d - b], "xywh": lambda *box: list(box),
             "cxcywh": lambda a, b, c, d: [a - c / 2, b - d / 2, c, d]}
    for expected in case["expected"]:
        box = sized[expected["box_format"]]
        truth = one_picture([{"id": 1, "image_id": 1, "category_id": 1, "bbox": box(*case["target"])}])
        answer = [{"image_id": 1, "category_id": 1, "bbox": box(*case["prediction"]), "score": case["score"]}]
        told = json.loads(command(tmp_path, truth, answer, "--iou", case["iou_threshold"]).stdout)
        assert told["AP20"] == pytest.approx(expected["ap"]), expected
        assert told["f1_20"] == expected["ap"]
        assert found(truth, answer, threshold=0.01)["miou01"] == pytest.approx(expected["iou"], abs=5e-4)


def test_voc_average_precision_agrees_with_the_published_case(shared):
    case = json.loads((shared / "metrics_cases/voc_padilla_toy_cats.json").read_text("utf-8"))
    sides = []
    for rows in (case["ground_truth"], case["predictions"]):
        sides.append({})
        for row in rows:
            sides[-1].setdefault(row["image"], []).append(
                Annotation(row["label"], tuple(row["box_xyxy"]), score=row.get("score")))
    for expected in case["expected"]:
        for name, points in (("ap_11_point", 11), ("ap_every_point", None)):
            assert voc_ap(*sides, "cat", expected["iou"], points) == pytest.approx(expected[name],
                                                                                  abs=case["tolerance"])


def test_voc_average_precision_by_hand():
    """Right, wrong, right of two targets: precision 1 at recall ½, then 2/3 at recall 1."""
    truth = {1: [Annotation("cat", (0, 0, 9, 9)), Annotation("cat", (20, 0, 29, 9))], 2: []}
    predicted = {1: [Annotation("cat", (0, 0, 9, 9), score=0.9), Annotation("cat", (20, 0, 29, 9), score=0.5)],
                 2: [Annotation("cat", (0, 0, 9, 9), score=0.7), Annotation("dog", (0, 0, 9, 9), score=1.0)]}
    assert voc_ap(truth, predicted, "cat") == pytest.approx((1 + 2 / 3) / 2)
    assert voc_ap(truth, predicted, "cat", points=11) == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)
    assert voc_ap(truth, predicted, "dog") is None, "nothing to find is undefined"
    with pytest.raises(ValueError, match="no score"):
        voc_ap(truth, {1: [Annotation("cat", (0, 0, 9, 9))]}, "cat")


def drawn(seed: int, pictures: int = 12, joints: int = 0) -> tuple[dict, list]:
    """A set with crowds, pictures without anything, labels that only the answers have, and equal scores."""
    rng = np.random.default_rng(seed)
    truth = {"images": [{"id": 10 * i, "width": 640, "height": 480} for i in range(pictures)][::-1],
             "categories": [{"id": i, "name": f"c{i}"} for i in (0, 7, 3)], "annotations": []}
    answers = []
    for i in range(pictures):
        for _ in range(rng.integers(0, 6)):
            x, y, w, h = rng.uniform(0, 400), rng.uniform(0, 300), *np.exp(rng.uniform(1.5, 5.3, 2))
            crowd = int(rng.random() < 0.1)
            truth["annotations"].append({
                "id": len(truth["annotations"]) + 1, "image_id": 10 * i, "category_id": int(rng.choice([0, 7])),
                "bbox": [x, y, w, h], "area": w * h * 0.7, "iscrowd": crowd})
            if joints:
                places, seen = rng.uniform(0, 1, (joints, 2)) * [w, h] + [x, y], rng.integers(0, 3, (joints, 1))
                row = np.concatenate([places, seen], axis=1)
                row[row[:, 2] == 0] = 0
                truth["annotations"][-1] |= {"keypoints": row.reshape(-1).tolist(),
                                             "num_keypoints": int((row[:, 2] > 0).sum())}
            for _ in range(rng.integers(0, 3)):
                box = np.array([x, y, w, h]) + rng.normal(0, 0.12, 4) * [w, h, w, h]
                answers.append({"image_id": 10 * i, "category_id": int(rng.choice([0, 7, 3], p=[0.6, 0.3, 0.1])),
                                "bbox": [*box[:2].tolist(), *np.maximum(box[2:], 1).tolist()],
                                "score": float(rng.choice([0.3, 0.5, rng.random()]))})
                if joints:
                    moved = row + rng.normal(0, 0.08, row.shape) * [w, h, 0]
                    answers[-1]["keypoints"] = moved.reshape(-1).tolist()
    return truth, answers


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind, joints", [("bbox", 0), ("keypoints", 17)])
def test_drawn_sets_agree_with_pycocotools(kind, joints, seed):
    truth, answers = drawn(seed, joints=joints)
    expected = oracle(truth, answers, kind)
    told = found(truth, answers, kind)
    for name, value in expected.items():
        assert told[name] == pytest.approx(value, abs=1e-9), name


def oracle(truth: dict, answers: list, kind: str) -> dict:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    names = {"bbox": ("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR1", "AR10", "AR100", "ARsmall",
                      "ARmedium", "ARlarge"),
             "keypoints": ("AP", "AP50", "AP75", "APmedium", "APlarge", "AR", "AR50", "AR75", "ARmedium", "ARlarge")}
    with contextlib.redirect_stdout(io.StringIO()):
        wanted = COCO()
        wanted.dataset = json.loads(json.dumps(truth))
        wanted.createIndex()
        rows = [{name: value for name, value in row.items() if kind == "bbox" or name != "bbox"} for row in answers]
        run = COCOeval(wanted, wanted.loadRes(rows), kind)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return dict(zip(names[kind], run.stats.tolist()))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.75])
def test_the_columns_count_as_the_tally_of_each_picture(seed, threshold):
    """Two ways to one number, one for a picture and one for a hundred thousand boxes; crowded: pairs compete."""
    truth, answers = drawn(seed)
    for row in [*truth["annotations"], *answers]:
        row["bbox"] = [v / (8 if i < 2 else 1) for i, v in enumerate(row["bbox"])]  # everything lies on everything

    def side(rows, image):
        return [Annotation(str(row["category_id"]), (x, y, x + w, y + h), crowd=bool(row.get("iscrowd")))
                for row in rows if row["image_id"] == image for x, y, w, h in [row["bbox"]]]
    tallies = metrics.total(
        metrics.tally(side(truth["annotations"], image["id"]), side(answers, image["id"]), threshold)
        for image in truth["images"])
    told = coco.of_files(json.dumps(truth).encode(), json.dumps(answers).encode(), "bbox", threshold)
    at = f"{round(threshold * 100):02d}"
    assert tallies.matched > 3
    assert told[f"precision{at}"] == pytest.approx(tallies.precision)
    assert told[f"recall{at}"] == pytest.approx(tallies.recall) and told[f"f1_{at}"] == pytest.approx(tallies.f1)
    assert told[f"miou{at}"] == pytest.approx(tallies.mean_iou)


def one_picture(annotations: list, **more) -> dict:
    return {"images": [{"id": 1, "width": 100, "height": 80}], "categories": [{"id": 1, "name": "cat"}],
            "annotations": annotations} | more


CAT = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0}
SAID = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.5}


def test_nothing_to_find_stays_undefined_and_no_answer_is_a_miss():
    told = found(one_picture([]), [])
    assert {told[name] for name in ("AP", "AR100", "precision50", "recall50", "f1_50", "miou50")} == {-1}
    told = found(one_picture([CAT]), [])
    assert (told["AP"], told["AR100"], told["precision50"], told["recall50"], told["f1_50"]) == (0, 0, -1, 0, 0)
    told = found(one_picture([]), [SAID])
    assert (told["AP"], told["precision50"], told["recall50"], told["f1_50"]) == (-1, 0, -1, 0)
    assert told["score_source"] == "constant", "and said to be, because AP depends on it"


def test_a_picture_without_an_answer_counts_its_boxes_as_missed():
    truth = one_picture([CAT, {**CAT, "id": 2, "image_id": 2}], images=[{"id": 1}, {"id": 2}])
    told = found(truth, [SAID])
    assert told["recall50"] == 0.5 and told["precision50"] == 1 and told["images"] == 2


def test_figures_of_other_joints_than_cocos_are_measured():
    truth = one_picture([{**CAT, "keypoints": [10, 10, 2, 30, 30, 1]}],
                        categories=[{"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}])
    answer = {"image_id": 1, "category_id": 1, "keypoints": [10, 10, 1, 30, 30, 1], "score": 1}
    told = found(truth, [answer], "keypoints")
    assert [told[name] for name in ("AP", "AR", "f1_50", "miou50", "pck")] == pytest.approx([1] * 5)


HOSTILE = [
    ("{", [], "the ground truth is not JSON"),
    ('{"images": [], "annotations": [NaN], "categories": []}', [], "NaN and Infinity are no JSON"),
    ([], [], "should be an object with images, annotations and categories, and is a list"),
    ({"images": []}, [], "no list 'categories'"),
    (one_picture([3]), [], "annotations[0] is 3, and should be an object"),
    (one_picture([{**CAT, "bbox": None}]), [], "annotations[0] has the bbox (missing), and should have 4 numbers"),
    (one_picture([{**CAT, "bbox": [1, 2, 3]}]), [], "annotations[0] has the bbox [1, 2, 3]"),
    (one_picture([{**CAT, "bbox": [1, 2, "3", 4]}]), [], "annotations[0] has the bbox [1, 2, '3', 4]"),
    (one_picture([CAT, {**CAT, "id": 2, "bbox": [1, 2, -3, 4]}]), [], "annotations[1] has the bbox [1.0, 2.0, -3.0"),
    (one_picture([CAT, CAT]), [], "annotations[0] and annotations[1] have the same id 1"),
    (one_picture([CAT], images=[{"id": 1}, {"id": 1}]), [], "images[0] and images[1] have the same id 1"),
    (one_picture([{**CAT, "image_id": 5}]), [], "annotations[0] is about image 5, which the ground truth"),
    (one_picture([CAT], images=[{"id": "a"}]), [], "images[0] has the id 'a', and should have a whole number"),
    (one_picture([{**CAT, "area": "x"}]), [], "annotations[0] has the area 'x'"),
    (one_picture([CAT]), {}, "the predictions should be a list of results, and is a dict"),
    (one_picture([CAT]), "[{}", "the predictions is not JSON"),
    (one_picture([CAT]), [SAID, {**SAID, "category_id": 9}], "predictions[1] is about category 9"),
    (one_picture([CAT]), [{**SAID, "image_id": 2}], "predictions[0] is about image 2"),
    (one_picture([CAT]), [{**SAID, "image_id": True}], "predictions[0] has the image_id True"),
    (one_picture([CAT]), [{**SAID, "score": None}], "predictions[0] has the score (missing), and should have a number"),
    (one_picture([CAT]), [{**SAID, "score": "0.5"}], "predictions[0] has the score '0.5'"),
    (one_picture([CAT]), [{**SAID, "score": True}], "predictions[0] has the score True"),
    (one_picture([CAT]), [{**SAID, "bbox": [1, 2, 3, 1e999]}], "the predictions is not JSON"),
    (one_picture([CAT]), [{**SAID, "bbox": "x" * 5000}], "predictions[0] has the bbox 'xxx"),
    (one_picture([CAT]), "[" * 100_000, "the predictions is not JSON"),
]


@pytest.mark.parametrize("truth, answers, sentence", HOSTILE)
def test_a_wrong_file_is_one_clear_sentence(truth, answers, sentence):
    truth, answers = (one if isinstance(one, str) else json.dumps(one) for one in (truth, answers))
    with pytest.raises(ValueError) as problem:
        coco.of_files(truth.encode(), answers.encode())
    assert sentence in str(problem.value) and "\n" not in str(problem.value) and len(str(problem.value)) < 250


def test_the_command_says_it_in_one_line_and_exits_1(tmp_path):
    done = command(tmp_path, one_picture([CAT]), [{**SAID, "score": float("nan")}])
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert "NaN and Infinity are no JSON numbers" in done.stderr
    (tmp_path / "gt.json").unlink()
    done = subprocess.run([sys.executable, "-m", "app", "metrics", "--truth", tmp_path / "gt.json", "--predictions",
                           tmp_path / "pred.json"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "cannot be read: No such file" in done.stderr


def test_iou_of_the_columns_is_the_iou_of_geometry():
    rng = np.random.default_rng(2)
    boxes = rng.uniform(0, 50, (2, 200, 4))
    a, b = (np.concatenate([side[:, :2], side[:, :2] + side[:, 2:]], axis=1) for side in boxes)
    overlap, union = coco._overlaps(a, b)
    assert np.allclose(overlap / union, [iou(tuple(one), tuple(other)) for one, other in zip(a, b)])
