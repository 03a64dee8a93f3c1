"""A base and its adapters answer the same question: in one batch against one after the other, and against the base."""
from __future__ import annotations

import threading

from app.types import Generation
from benchmarks import speed

TOKENS, TIMES = 48, 5


def run() -> dict:
    base, generation = speed.model(), Generation(max_tokens=TOKENS)
    models = [base, *speed.adapted(base, 2)]
    [request] = speed.requests(1)
    found = {"tokens": TOKENS, "times": TIMES}
    for count in (2, 3):
        group = models[:count]
        apart, together = speed.paired(
            lambda group=group: [speed.finished(model, request, generation) for model in group],
            lambda group=group: _all(base, request, generation, group), TIMES)
        one, both = speed.paired(
            lambda: speed.finished(base, request, generation),
            lambda group=group: _all(base, request, generation, group), TIMES)
        found |= {f"{count}_models_apart_s": speed.seconds(apart),
                  f"{count}_models_together_s": speed.seconds(together),
                  f"{count}_models_times_quicker": speed.ratio(apart, together),
                  f"{count}_models_of_one_models_time": speed.ratio(both, one)}
    return found


def _all(base, request, generation: Generation, models: list) -> list:
    return list(base.generate_many([request] * len(models), generation, threading.Event(), models))
