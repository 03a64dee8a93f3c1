"""What one can ask about a picture: detect, ground, phrases, point, keypoints, count, ask. The question, its score.

A new task is one entry in TASKS, a scorer below, and the families' wording of it.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from app import metrics, phrases
from app.types import Annotation, Image, Parsed, Prediction, Request

LONGEST_QUERY = 2_000  # characters; more is a pasted document, and no model reads it as a question
Scores = dict[str, float | None]


@dataclass(frozen=True)
class Task:
    """`query` is what the person types: "names" separated by `;`, an "expression", a "caption", or a "question"."""
    name: str
    title: str
    query: str
    placeholder: str
    help: str
    measure: str  # the one of its scores that stands for all
    known_as: str = ""  # what families know it by, where that is another task


TASKS = {task.name: task for task in (
    Task("detect", "Detect", "names", "cat; dog", "A box around every object of these classes. Separate them by ;",
         "f1"),
    Task("ground", "Ground", "expression", "small red star left of the square",
         "A box around the one thing that these words describe.", "accuracy"),
    Task("phrases", "Caption", "caption", "A man in a red shirt walks his dog past two bicycles",
         f"A box around each thing that a whole caption names, its first {phrases.MOST_PHRASES}. In English.", "f1",
         known_as="detect"),
    Task("point", "Point", "expression", "the cup on the left", "A point on each thing that these words describe.",
         "f1"),
    Task("keypoints", "Keypoints", "names", "head; left hand; right hand",
         "These named points of each figure. Separate them by ;", "joints"),
    Task("count", "Count", "names", "cat; dog", "How many there are of each class. Separate them by ;", "exact"),
    Task("ask", "Ask", "question", "What colour is the largest object?", "A question, answered in words.", "exact"),
)}


def request(images: Sequence[Image], task: str, query: str, *, caption: str = "", think: bool = False,
            prompt: str | None = None) -> Request:
    """What a person typed → a Request. `caption` names whose joints are meant. Raises ValueError with one sentence.

    A caption becomes the names of its phrases to detect, so that every family that finds names can answer.
    """
    if task not in TASKS:
        raise ValueError(f"there is no task {task!r}; there are: {', '.join(TASKS)}")
    if len(query) > LONGEST_QUERY:
        raise ValueError(f"the question has {len(query):,} characters; keep it under {LONGEST_QUERY:,}")
    kind, title = TASKS[task].query, TASKS[task].title
    names = tuple(dict.fromkeys(filter(None, (" ".join(name.split()) for name in query.split(";")))))
    if kind == "names" and not names:
        raise ValueError(f"the question is empty; {title} needs names, such as {TASKS[task].placeholder!r}")
    if not query.strip():
        raise ValueError(f"the question is empty; {title} needs words, such as {TASKS[task].placeholder!r}")
    if kind == "caption":
        names = tuple(phrase.name for phrase in phrases.of(query.strip()))
        return Request(tuple(images), TASKS[task].known_as, names=names, caption=query.strip(), think=think,
                       prompt=prompt, phrases=True)
    if kind == "names":
        return Request(tuple(images), task, names=names, caption=caption.strip(), think=think, prompt=prompt)
    return Request(tuple(images), task, caption=query.strip(), think=think, prompt=prompt)


def typed(request: Request) -> tuple[str, str]:
    """The task and the query that a person typed for it: `request` undoes it."""
    if request.phrases:
        return "phrases", request.caption
    return request.task, "; ".join(request.names) if request.names else request.caption


def possible(known: Collection[str]) -> tuple[str, ...]:
    """The tasks, by name, that one can ask of a family that knows these."""
    return tuple(sorted(name for name, task in TASKS.items() if (task.known_as or name) in known))


def score(request: Request, truth: Sequence[Annotation] | str, predicted: Parsed | Prediction | str) -> Scores:
    """The task's scores of one answer. None is undefined; "score" is always a number from 0 to 1.

    "score" is the task's measure, or where nothing is there, whether the answer was nothing. An answer that was not
    read (unreadable, refused, failed, or cut off before its first object) is a miss, never a right "nothing".
    For `ask`, the truth is a text, and `predicted` a Prediction or the answer's text.
    """
    scores = SCORERS[request.task](request, truth, predicted)
    main = scores[TASKS[request.task].measure]
    if scores.get("no_target") is not None:
        main = scores["no_target"]
    return scores | {"score": 0.0 if main is None else main}


def read(predicted: Parsed | Prediction) -> bool:
    """Whether the answer is one: with objects, or a stated "nothing"."""
    return predicted.status in ("ok", "empty") or bool(predicted.annotations)


def places(predicted: Parsed | Prediction) -> list[tuple[float, float]]:
    """Where an answer points: its points, and the middles of boxes without any."""
    found = [(point.x, point.y) for annotation in predicted.annotations for point in annotation.points]
    return found + [metrics.middle(annotation) for annotation in predicted.annotations
                    if not annotation.points and annotation.box is not None]


def _detect(request: Request, truth: Sequence[Annotation], predicted: Parsed | Prediction) -> Scores:
    tally = metrics.tally(truth, predicted.annotations)
    return {"precision": tally.precision, "recall": tally.recall, "f1": tally.f1, "mean_iou": tally.mean_iou,
            "no_target": _no_target(truth, predicted)}


def _ground(request: Request, truth: Sequence[Annotation], predicted: Parsed | Prediction) -> Scores:
    boxes = [annotation.box for annotation in predicted.annotations if annotation.box is not None]
    targets = [annotation.box for annotation in truth if annotation.box is not None]
    best = max((metrics.iou(boxes[0], box) for box in targets), default=None) if boxes else 0.0 if targets else None
    right = metrics.grounded(truth, predicted.annotations)
    inside = None
    if targets:
        inside = bool(boxes) and any(metrics.point_in_box(*metrics.middle(Annotation("", boxes[0])), box)
                                     for box in targets)
    return {"accuracy": _number(right), "iou": best, "point_in_box": _number(inside),
            "no_target": _no_target(truth, predicted)}


def _point(request: Request, truth: Sequence[Annotation], predicted: Parsed | Prediction) -> Scores:
    tally = metrics.pointing(truth, places(predicted), request.images[0].size)
    return {"precision": tally.precision, "recall": tally.recall, "f1": tally.f1,
            "no_target": _no_target(truth, predicted)}


def _keypoints(request: Request, truth: Sequence[Annotation], predicted: Parsed | Prediction) -> Scores:
    """`joints`: the share of the true joints that lie within 5% of the diagonal (PCK at 0.05 of the diagonal)."""
    size = request.images[0].size
    distances = []
    for wanted, given in metrics.figures(truth, predicted.annotations, size):
        distances += metrics.joint_distances(wanted.points, given.points if given else (), size).values()
    found = [distance for distance in distances if distance < float("inf")]
    return {"joints": metrics.mean(distance <= metrics.NEAR for distance in distances),
            "distance": metrics.mean(found), "found": metrics.mean(d < float("inf") for d in distances),
            "no_target": _no_target(truth, predicted)}


def _count(request: Request, truth: Sequence[Annotation], predicted: Parsed | Prediction) -> Scores:
    error = metrics.count_error(truth, predicted.annotations, request.names)
    exact = read(predicted) and error == 0
    return {"exact": float(exact), "error": float(error) if read(predicted) else None,
            "no_target": _no_target(truth, predicted)}


def _ask(request: Request, truth: str, predicted: Prediction | str) -> Scores:
    """Equal in words: letter case, spacing and a period at the end make no difference."""
    text = predicted if isinstance(predicted, str) else predicted.text
    return {"exact": float(metrics.same(text).rstrip(".") == metrics.same(truth).rstrip("."))}


def _no_target(truth: Sequence[Annotation], predicted: Parsed | Prediction) -> float | None:
    right = metrics.no_target(truth, predicted.annotations)
    return None if right is None else float(right and read(predicted))


def _number(value: bool | None) -> float | None:
    return None if value is None else float(value)


SCORERS: dict[str, Callable[..., Scores]] = {
    "detect": _detect, "ground": _ground, "point": _point, "keypoints": _keypoints, "count": _count, "ask": _ask}
