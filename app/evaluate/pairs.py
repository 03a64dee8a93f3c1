"""Picture by picture: the worst, where models disagree most, and which of two models was right. Pure."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from app import tasks
from app.evaluate import Answered
from app.metrics import mean

RIGHT = 0.5  # the score of a picture from which on an answer is called right
OUTCOMES = ("both right", "only A", "only B", "both wrong")


def worst(answered: Sequence[Answered], count: int) -> list[int]:
    """The places of the lowest scores; those that answered the most objects wrongly first among equals."""
    return sorted(range(len(answered)), key=lambda i: (
        answered[i].score, -len(answered[i].prediction.annotations) - len(answered[i].sample.truth or ()), i))[:count]


def disagreement(models: Mapping[str, Sequence[Answered]], place: int) -> float:
    """From 0, where all say the same, to 1: what is missing in the score of one answer when another is the truth."""
    said = [answered[place] for answered in models.values()]
    return 1 - (mean(_alike(a, b) for a, b in combinations(said, 2)) or 0.0) if len(said) > 1 else 0.0


def most_disputed(models: Mapping[str, Sequence[Answered]], count: int) -> list[tuple[int, float]]:
    """(place, disagreement), the most disputed first; pictures on which all agree are left out."""
    pictures = len(next(iter(models.values()), ()))
    found = [(place, disagreement(models, place)) for place in range(pictures)] if len(models) > 1 else []
    return [pair for pair in sorted(found, key=lambda pair: (-pair[1], pair[0])) if pair[1] > 0][:count]


def outcomes(a: Sequence[Answered], b: Sequence[Answered]) -> dict[str, list[int]]:
    """The places of each outcome, A's and B's answers held against RIGHT."""
    found: dict[str, list[int]] = {outcome: [] for outcome in OUTCOMES}
    for place, (one, other) in enumerate(zip(a, b, strict=True)):
        first, second = one.score >= RIGHT, other.score >= RIGHT
        found[OUTCOMES[0 if first and second else 1 if first else 2 if second else 3]].append(place)
    return found


def _alike(a: Answered, b: Answered) -> float:
    """The task's score of one answer with the other as the truth, both ways."""
    if a.sample.task == "ask":
        return tasks.score(a.request, a.prediction.text, b.prediction)["score"]
    return mean([tasks.score(a.request, x.prediction.annotations, y.prediction)["score"]
                 for x, y in ((a, b), (b, a))]) or 0.0
