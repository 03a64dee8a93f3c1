"""COCO's numbers from COCO's files: AP and AR by hotcoco (pycocotools' arithmetic, a hundred times faster), and ours.

    metrics = of_files(truth_bytes, results_bytes, "bbox")      # {"AP": 0.50, "AP50": …, "f1_50": …}; None: undefined

Precision, recall, F1 and mean IoU come from the same matching as everywhere in Boxloop (`app.metrics.match`): best
overlap first, every answer counts whatever its score. COCO's matching goes by score, cuts at 100 answers a picture.
"""
from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from app.metrics import IOU, NEAR, Tally, figures, joint_distances, mean, one_to_one
from app.metrics.coco_files import Columns, Results, Truth, read_results, read_truth
from app.metrics.intervals import intervals
from app.metrics.keypoints import SIGMAS, USUAL, counted, match_figures
from app.types import Annotation, Point

THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
# (name, column of hotcoco's areas, limit of answers a picture as an index of [1, 10, 100])
AREAS = {"": 0, "small": 1, "medium": 2, "large": 3}
FIGURE_AREAS = {"": 0, "medium": 1, "large": 2}
HOTCOCO = threading.Lock()  # it speaks and computes with all cores; one at a time is enough


@dataclass(frozen=True)
class Counts:
    """What adds up over pictures, a row each: matched, predicted, truth, sum of the matched IoU (or OKS)."""
    matched: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray
    iou_sum: np.ndarray

    @property
    def total(self) -> Tally:
        return Tally(int(self.matched.sum()), int(self.predicted.sum()), int(self.truth.sum()),
                     float(self.iou_sum.sum()))


def of_files(truth: bytes, results: bytes, kind: str = "bbox", threshold: float = IOU) -> dict:
    """All of it from a ground truth and a result list, as they lie in files. Raises ValueError with one sentence.

    `kind` is "bbox" or "keypoints". None is undefined: a mean over nothing. "intervals" are 95%, over pictures.
    """
    wanted = read_truth(truth, kind)
    found = read_results(results, wanted, kind)
    counts = _box_counts(wanted, found, threshold) if kind == "bbox" else _figure_counts(wanted, found, threshold)
    pooled, at = counts.total, percent(threshold)
    metrics = {**average_precision(wanted, found, kind, threshold),
               f"precision{at}": pooled.precision, f"recall{at}": pooled.recall, f"f1_{at}": pooled.f1,
               f"miou{at}": pooled.mean_iou}
    if kind == "keypoints":
        metrics["pck"] = _pck(wanted, found)
    table = np.stack([counts.matched, counts.predicted, counts.truth, counts.iou_sum])
    spread = intervals(table, _ratios, counts=[int((over > 0).sum()) for over in (
        counts.predicted, counts.truth, counts.predicted + counts.truth, counts.matched)])
    return metrics | {"intervals": dict(zip((f"precision{at}", f"recall{at}", f"f1_{at}", f"miou{at}"), spread)),
                      "images": len(wanted.image_ids), "score_source": _source(found.scores)}


@dataclass(frozen=True)
class Matches:
    """One label's answers, the surest first: whose picture, and at each of THRESHOLDS whether right, whether it counts;
    `targets` is how many there are to find in each picture."""
    image: np.ndarray
    right: np.ndarray
    counts: np.ndarray
    targets: np.ndarray


def average_precision(truth: Truth, found: Results, kind: str, threshold: float = IOU) -> dict[str, float | None]:
    """COCO's twelve numbers for boxes, its ten for keypoints; and AP at `threshold` if that is none of its own."""
    precision, recall = _accumulated(truth, found, kind, threshold)
    areas = AREAS if kind == "bbox" else FIGURE_AREAS
    at = {round(value, 6): index for index, value in enumerate(THRESHOLDS)}
    at.setdefault(round(threshold, 6), len(THRESHOLDS))
    own = slice(0, len(THRESHOLDS))
    metrics = {"AP": _defined_mean(precision[own, :, :, 0, -1]), "AP50": _defined_mean(precision[0, :, :, 0, -1]),
               "AP75": _defined_mean(precision[at[0.75], :, :, 0, -1])}
    metrics |= {f"AP{name}": _defined_mean(precision[own, :, :, area, -1]) for name, area in areas.items() if name}
    if kind == "bbox":
        metrics |= {f"AR{limit}": _defined_mean(recall[own, :, 0, i]) for i, limit in enumerate((1, 10, 100))}
    else:
        metrics |= {"AR": _defined_mean(recall[own, :, 0, -1]), "AR50": _defined_mean(recall[0, :, 0, -1]),
                    "AR75": _defined_mean(recall[at[0.75], :, 0, -1])}
    metrics |= {f"AR{name}": _defined_mean(recall[own, :, area, -1]) for name, area in areas.items() if name}
    name = f"AP{percent(threshold)}"
    return metrics if name in metrics else metrics | {
        name: _defined_mean(precision[at[round(threshold, 6)], :, :, 0, -1])}


def percent(threshold: float) -> str:
    """How metrics are named: 50 for 0.5, 05 for 0.05, 62.5 for 0.625."""
    return f"{round(100 * threshold, 4):g}".zfill(2)


def as_json(value):
    """Undefined is -1, as COCO's tools print it."""
    if isinstance(value, dict):
        return {name: as_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    return -1 if value is None else value


def matches(truth: Truth, found: Results) -> list[Matches]:
    """How COCO matched boxes of all sizes, at most 100 a picture: what AP is made from, label by label."""
    import hotcoco
    with HOTCOCO:
        wanted, given = _columns(hotcoco, truth, found)
        run = hotcoco.COCOeval(wanted, given, "bbox")
        run.params.area_rng, run.params.area_rng_lbl = [[0.0, 1e10]], ["all"]
        run.params.max_dets = [100]
        run.evaluate()
        told = [one for one in run.eval_imgs if one is not None]
    by_label: dict[int, list[dict]] = {}
    for one in told:
        by_label.setdefault(one["category_id"], []).append(one)
    return [_of_label(each, len(truth.image_ids)) for each in by_label.values()]


def _of_label(told: list[dict], pictures: int) -> Matches:
    scores = np.concatenate([one["dtScores"] for one in told])
    order = np.argsort(-scores, kind="stable")
    image = np.repeat([one["image_id"] - 1 for one in told], [len(one["dtScores"]) for one in told])[order]
    right, ignored = (np.concatenate([np.asarray(one[name], bool).reshape(len(THRESHOLDS), -1) for one in told],
                                     axis=1)[:, order] for name in ("dtMatched", "dtIgnore"))
    targets = np.zeros(pictures)
    for one in told:
        targets[one["image_id"] - 1] += np.sum(~np.asarray(one["gtIgnore"], bool))
    return Matches(image.astype(int), right, ~ignored, targets)


def _accumulated(truth: Truth, found: Results, kind: str, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """precision[threshold, recall, label, area, limit] and recall[threshold, label, area, limit]; -1 is undefined."""
    import hotcoco
    with HOTCOCO:
        wanted, given = _columns(hotcoco, truth, found) if kind == "bbox" else _documents(hotcoco, truth, found)
        run = hotcoco.COCOeval(wanted, given, kind)
        run.params.iou_thrs = [*THRESHOLDS, threshold]
        if kind == "keypoints":
            run.params.kpt_oks_sigmas = [SIGMAS.get(name, USUAL) for name in truth.joint_names]
        run.evaluate()
        run.accumulate()
        return np.asarray(run.eval["precision"]), np.asarray(run.eval["recall"])


def _columns(hotcoco, truth: Truth, found: Results):
    images = [{"id": i + 1, "width": 0, "height": 0} for i in range(len(truth.image_ids))]
    labels = [{"id": i + 1, "name": str(i + 1)} for i in range(len(truth.label_ids))]
    wanted = hotcoco.COCO.from_arrays(
        images, labels, truth.image + 1, truth.label + 1, truth.boxes, ids=np.arange(1, len(truth.image) + 1),
        area=truth.area, iscrowd=truth.crowd)
    if not len(found.image):
        return wanted, wanted.load_res([])
    table = np.column_stack([found.image + 1, found.boxes, found.scores, found.label + 1])
    return wanted, wanted.load_res(table)


def _documents(hotcoco, truth: Truth, found: Results):
    """Keypoints have no columns in hotcoco."""
    visible = (truth.joints[:, :, 2] > 0).sum(axis=1)
    document = {"images": [{"id": i + 1, "width": 0, "height": 0} for i in range(len(truth.image_ids))],
                "categories": [{"id": i + 1, "name": str(i + 1)} for i in range(len(truth.label_ids))],
                "annotations": [{**_row(truth, i), "id": i + 1, "area": float(truth.area[i]),
                                 "iscrowd": int(truth.crowd[i]), "num_keypoints": int(visible[i])}
                                for i in range(len(truth.image))]}
    results = [{**_row(found, i), "score": float(found.scores[i])} for i in range(len(found.image))]
    for row in results:
        del row["bbox"]  # COCO takes the extent of the joints
    wanted = hotcoco.COCO(document)
    return wanted, wanted.load_res(results)


def _row(rows: Columns, i: int) -> dict:
    return {"image_id": int(rows.image[i]) + 1, "category_id": int(rows.label[i]) + 1, "bbox": rows.boxes[i].tolist(),
            "keypoints": rows.joints[i].reshape(-1).tolist()}


def _box_counts(truth: Truth, found: Results, threshold: float) -> Counts:
    """`app.metrics.tally` of every picture, in columns: a hundred thousand answers in a fifth of a second."""
    targets = np.flatnonzero(~truth.crowd)
    wanted, given = _corners(truth.boxes), _corners(found.boxes)
    i, j = _meeting(truth, found, targets)
    overlap, union = _overlaps(wanted[i], given[j])
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = np.where(union > 0, overlap / union, 0.0)
    near = (iou >= threshold) & (iou > 0)
    i, j, iou = i[near], j[near], iou[near]
    i, j, iou = _best(i, j, iou)
    matched = np.zeros(len(found.image), bool)
    matched[j] = True
    counts = ~_in_crowds(truth, found, wanted, given, threshold) | matched
    images = len(truth.image_ids)
    where = truth.image[i]
    return Counts(np.bincount(where, minlength=images), np.bincount(found.image[counts], minlength=images),
                  np.bincount(truth.image[targets], minlength=images), np.bincount(where, iou, minlength=images))


def _best(i: np.ndarray, j: np.ndarray, iou: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`one_to_one` of these pairs. Most have no rival; only the others are walked through."""
    alone = np.ones(len(i), bool)
    for side in (i, j):
        alone &= np.bincount(side)[side] == 1 if len(side) else True
    rivals = np.flatnonzero(~alone)
    costs = list(zip((-iou[rivals]).tolist(), i[rivals].tolist(), j[rivals].tolist()))
    places = {(one, other): place for place, (_, one, other) in zip(rivals.tolist(), costs)}
    chosen = np.concatenate([np.flatnonzero(alone), [places[pair] for pair in one_to_one(costs)]]).astype(int)
    return i[chosen], j[chosen], iou[chosen]


def _in_crowds(truth: Truth, found: Results, wanted: np.ndarray, given: np.ndarray, threshold: float) -> np.ndarray:
    """`app.metrics.in_crowd` of every answer: the share of it that a crowd of its label covers."""
    inside = np.zeros(len(found.image), bool)
    i, j = _meeting(truth, found, np.flatnonzero(truth.crowd))
    overlap, _ = _overlaps(wanted[i], given[j])
    own = np.prod(given[j, 2:] - given[j, :2], axis=1)
    inside[j[(overlap > 0) & (overlap >= threshold * own)]] = True
    return inside


def _meeting(truth: Truth, found: Results, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every (target, answer) of the same picture and label, as two columns of indices."""
    labels = len(truth.label_ids)
    ours, theirs = truth.image[targets] * labels + truth.label[targets], found.image * labels + found.label
    order = np.argsort(theirs, kind="stable")
    first, last = (np.searchsorted(theirs[order], ours, side) for side in ("left", "right"))
    times = last - first
    start = np.repeat(first - np.concatenate([[0], np.cumsum(times)[:-1]]).astype(int), times)
    return np.repeat(targets, times), order[start + np.arange(times.sum())]


def _overlaps(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intersections and unions of boxes, row by row."""
    sides = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0)
    overlap = sides[:, 0] * sides[:, 1]
    return overlap, np.prod(a[:, 2:] - a[:, :2], axis=1) + np.prod(b[:, 2:] - b[:, :2], axis=1) - overlap


def _corners(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _figure_counts(truth: Truth, found: Results, threshold: float) -> Counts:
    table = np.zeros((4, len(truth.image_ids)))
    for image, (wanted, given) in enumerate(_by_picture(truth, found)):
        pairs = match_figures(wanted, given, threshold)
        answers, targets = counted(wanted, given, pairs, threshold)
        table[:, image] = len(pairs), answers, targets, sum(pair.iou for pair in pairs)
    return Counts(*table)


def _pck(truth: Truth, found: Results) -> float | None:
    """The share of the true joints with an answer within 5% of the diagonal; pictures without a size do not count."""
    near = []
    for (wanted, given), size in zip(_by_picture(truth, found), truth.sizes):
        if size is not None:
            wanted = [figure for figure in wanted if not figure.crowd]
            for figure, other in figures(wanted, given, size):
                distances = joint_distances(figure.points, other.points if other else (), size)
                near += [distance <= NEAR for distance in distances.values()]
    return mean(near)


def _by_picture(truth: Truth, found: Results) -> list[tuple[list[Annotation], list[Annotation]]]:
    pictures = [([], []) for _ in truth.image_ids]
    for side, rows in enumerate((truth, found)):
        for i, image in enumerate(rows.image):
            x, y, w, h = rows.boxes[i].tolist()
            points = tuple(Point(name, px, py, "absent" if side == 0 and v <= 0 else "visible")
                           for name, (px, py, v) in zip(truth.joint_names, rows.joints[i].tolist()))
            pictures[image][side].append(Annotation(
                str(rows.label[i]), (x, y, x + w, y + h) if w > 0 and h > 0 else None, points,
                crowd=bool(truth.crowd[i]) if side == 0 else False, area=float(truth.area[i]) if side == 0 else None))
    return pictures


def _ratios(sums: np.ndarray) -> np.ndarray:
    """[4, resamples] sums → precision, recall, F1, mean IoU of each; NaN where undefined."""
    matched, predicted, truth, iou_sum = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([matched / predicted, matched / truth, 2 * matched / (predicted + truth), iou_sum / matched])


def _defined_mean(values: np.ndarray) -> float | None:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None


def _source(scores: np.ndarray) -> str:
    """AP depends on the order that scores give; equal scores give none."""
    return "none" if not scores.size else "constant" if (scores == scores[0]).all() else "given"
