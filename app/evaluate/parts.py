"""What one answer adds to the numbers of its task: numerators and denominators, whose sums over pictures divide.

So every number is a pooled one (five boxes in a picture weigh five times one), and can be resampled by picture.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app import metrics, tasks
from app.metrics.keypoints import oks
from app.types import Annotation

if TYPE_CHECKING:
    from app.evaluate import Answered


class Ratio(NamedTuple):
    """`over` is how much it counts; a top of None counts nothing."""
    top: float | None
    over: float = 1.0

    @property
    def pair(self) -> tuple[float, float]:
        return (0.0, 0.0) if self.top is None else (float(self.top), float(self.over))


def ratios(one: Answered, threshold: float) -> dict[str, Ratio]:
    """The numbers of its task. See `tasks` for what each means."""
    return {**PARTS[one.request.task](one, threshold), **_nothing(one)}


def _detect(one: Answered, threshold: float) -> dict[str, Ratio]:
    tally = metrics.tally(one.sample.truth, one.prediction.annotations, threshold)
    return _pooled(tally) | {"miou": Ratio(tally.iou_sum, tally.matched)}


def _ground(one: Answered, threshold: float) -> dict[str, Ratio]:
    scores = tasks.score(one.request, one.sample.truth, one.prediction)
    right = metrics.grounded(one.sample.truth, one.prediction.annotations, threshold)
    return {"accuracy": Ratio(right), "miou": Ratio(scores["iou"]), "point_in_box": Ratio(scores["point_in_box"])}


def _point(one: Answered, threshold: float) -> dict[str, Ratio]:
    places = tasks.places(one.prediction)
    return _pooled(metrics.pointing(one.sample.truth, places, one.sample.images[0].size))


def _keypoints(one: Answered, threshold: float) -> dict[str, Ratio]:
    size = one.sample.images[0].size
    pairs = metrics.figures(one.sample.truth, one.prediction.annotations, size)
    distances = [distance for wanted, given in pairs for distance in metrics.joint_distances(
        wanted.points, given.points if given else (), size).values()]
    found = [distance for distance in distances if distance < float("inf")]
    alike = [value for wanted, given in pairs if (value := _oks(wanted, given)) is not None]
    return {"joints": Ratio(sum(distance <= metrics.NEAR for distance in distances), len(distances)),
            "found": Ratio(len(found), len(distances)), "distance": Ratio(sum(found), len(found)),
            "oks": Ratio(sum(alike), len(alike))}


def _count(one: Answered, threshold: float) -> dict[str, Ratio]:
    scores = tasks.score(one.request, one.sample.truth, one.prediction)
    return {"exact": Ratio(scores["exact"]), "error": Ratio(scores["error"])}


def _ask(one: Answered, threshold: float) -> dict[str, Ratio]:
    return {"exact": Ratio(one.score)}


def _nothing(one: Answered) -> dict[str, Ratio]:
    """Where nothing is there: how often the answer was nothing, and how often something was made up."""
    if one.sample.task == "ask" or one.sample.truth:
        return {"no_target": Ratio(None), "hallucination": Ratio(None)}
    said = bool(one.prediction.annotations)
    return {"no_target": Ratio(tasks.read(one.prediction) and not said), "hallucination": Ratio(said)}


def _pooled(tally: metrics.Tally) -> dict[str, Ratio]:
    return {"precision": Ratio(tally.matched, tally.predicted), "recall": Ratio(tally.matched, tally.truth),
            "f1": Ratio(2 * tally.matched, tally.predicted + tally.truth)}


def _oks(wanted: Annotation, given: Annotation | None) -> float | None:
    return oks(wanted, given.points if given else ())


PARTS = {"detect": _detect, "ground": _ground, "point": _point, "keypoints": _keypoints, "count": _count, "ask": _ask}
