"""How often a receipt is wrong: a model against itself, asked twice and warm, and one that is truly a little better.

Drawn answers, through the receipt's own functions. `false_alarms` counts verdicts of better or worse where there is no
difference, of 100 (5 are allowed); `of_parts` the receipts in which any part of the data spoke; `seen` how often a
model that finds 70% of the objects is called better than one that finds 50%. In the world "few" a picture has one or
two objects; in "tail" a few pictures have most of them, which is what fools a bootstrap. Each picture has a difficulty
of its own, the same for both models.
"""
from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from app.evaluate import Answered, measured, request_of
from app.evaluate.paired import UNCLEAR, paired, paired_slices
from app.types import Annotation, Generation, Image, Prediction, Sample

SEEDS, SEEDS_OF_PARTS = 100, 20
PICTURES = (8, 16, 31, 64)
NAMES, SHARES = ("cat", "dog", "fox"), (0.7, 0.2, 0.1)


def run(seeds: int = SEEDS, parts: int = SEEDS_OF_PARTS) -> dict:
    began = time.monotonic()
    return {world: {pictures: _of(world, pictures, seeds, parts) for pictures in PICTURES} for world in ("few", "tail")
            } | {"seconds": round(time.monotonic() - began, 1)}


def _of(world: str, pictures: int, seeds: int, parts: int) -> dict:
    alarms = spoke = seen = 0
    for seed in range(seeds):
        chance = np.random.default_rng([seed, pictures])
        samples, hard = drawn(world, pictures, chance)
        one, other = (answered(samples, hard, chance) for _ in range(2))
        alarms += _f1(one, other) != UNCLEAR
        if seed < parts:
            spoke += any(part.verdict != UNCLEAR for part in paired_slices(one, other))
        seen += _f1(answered(samples, np.full(pictures, 0.7), chance), answered(samples, np.full(pictures, 0.5), chance)
                    ) == "better"
    return {"false_alarms": 100 * alarms / seeds, "of_parts": 100 * spoke / max(1, parts), "seen": 100 * seen / seeds}


def drawn(world: str, pictures: int, chance: np.random.Generator) -> tuple[list[Sample], np.ndarray]:
    """Pictures with objects of all sizes, and how much of each is found."""
    samples = []
    for number in range(pictures):
        count = int(chance.integers(1, 3)) if world == "few" else min(40, 1 + int(chance.pareto(1.2) * 2))
        truth = []
        for _ in range(count):
            x, y = chance.uniform(0, 250, 2)
            width, height = np.exp(chance.uniform(np.log(10), np.log(150), 2))
            truth.append(Annotation(str(chance.choice(NAMES, p=SHARES)), (x, y, x + width, y + height)))
        image = Image(f"{number}.png", (400, 400), f"s{number}", f"p{number}")
        samples.append(Sample(str(number), (image,), "detect", "; ".join(NAMES), tuple(truth)))
    return samples, chance.beta(1, 1, pictures)


def answered(samples: Sequence[Sample], hard: np.ndarray, chance: np.random.Generator) -> list[Answered]:
    found = []
    for sample, share in zip(samples, hard):
        given = [one for one in sample.truth if chance.random() < share]
        given += [Annotation("cat", (0.0, 0.0, 30.0, 30.0))] * int(chance.random() < 0.3)
        found.append(Answered(sample, Prediction(
            model="m", revision=None, request=request_of(sample), generation=Generation(), prompt="", text="",
            frame=None, annotations=tuple(given), status="ok" if given else "empty", problems=(), tokens=0, seconds=0.0,
            seconds_to_first=None)))
    return found


def _f1(tuned: Sequence[Answered], base: Sequence[Answered]) -> str:
    numbers = {one.name: one for one in paired(measured(tuned, ranked=False), measured(base, ranked=False))}
    return numbers["f1"].verdict if "f1" in numbers else UNCLEAR
