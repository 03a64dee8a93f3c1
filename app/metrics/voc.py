"""Average precision as PASCAL VOC defines it, by 11 points (until 2009) or by every point (from 2010). Pure.

COCO's AP (coco.py) is another number: it takes 101 points, averages over ten thresholds, and its matching may give an
answer its second-best box; here an answer whose best box is already taken is wrong.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.geometry import iou
from app.metrics import IOU, same
from app.types import Annotation, Box


def voc_ap(truth: Mapping[object, Sequence[Annotation]], predicted: Mapping[object, Sequence[Annotation]], label: str,
           threshold: float = IOU, points: int | None = None) -> float | None:
    """AP of one label over pictures, each side by the picture's id. None where there is nothing to find.

    `points` is 11 for VOC2007's interpolation; None takes every recall that is reached. An answer without a score
    raises ValueError: without an order there is no AP. Boxes are measured as VOC does, see `_inclusive`.
    """
    targets = {picture: [one for one in sides if one.box is not None and same(one.label) == same(label)]
               for picture, sides in truth.items()}
    wanted = sum(not one.crowd for sides in targets.values() for one in sides)
    if not wanted:
        return None
    precision, recall, right, wrong = [], [], 0, 0
    for hit in _hits(targets, _by_score(predicted, label), threshold):
        if hit is None:  # on what VOC calls difficult
            continue
        right, wrong = right + hit, wrong + (not hit)
        precision.append(right / (right + wrong))
        recall.append(right / wanted)
    for i in range(len(precision) - 2, -1, -1):  # the best precision at this recall or beyond
        precision[i] = max(precision[i], precision[i + 1])
    if points is not None:
        steps = [i / (points - 1) for i in range(points)]
        return sum(next((p for p, r in zip(precision, recall) if r >= step - 1e-12), 0.0) for step in steps) / points
    return sum(p * (r - before) for p, r, before in zip(precision, recall, [0.0, *recall]))


def _by_score(predicted: Mapping[object, Sequence[Annotation]], label: str) -> list[tuple[object, Annotation]]:
    found = [(picture, one) for picture, sides in predicted.items() for one in sides
             if one.box is not None and same(one.label) == same(label)]
    if any(one.score is None for _, one in found):
        raise ValueError(f"some answers about {label!r} have no score, and average precision needs an order")
    return sorted(found, key=lambda each: -each[1].score)


def _hits(targets: Mapping[object, Sequence[Annotation]], answers: list[tuple[object, Annotation]],
          threshold: float) -> list[bool | None]:
    taken, hits = set(), []
    for picture, answer in answers:
        overlaps = [iou(_inclusive(one.box), _inclusive(answer.box)) for one in targets.get(picture, ())]
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
        if best is None or overlaps[best] < threshold:
            hits.append(False)
        elif targets[picture][best].crowd:
            hits.append(None)
        else:
            hits.append((picture, best) not in taken)
            taken.add((picture, best))
    return hits


def _inclusive(box: Box) -> Box:
    """VOC counts whole pixels: a box from 10 to 10 is one pixel wide."""
    return box[0], box[1], box[2] + 1, box[3] + 1
