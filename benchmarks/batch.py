"""Eight pictures in one batch against one after the other, the same model, the same questions."""
from __future__ import annotations

import threading

from app.types import Generation
from benchmarks import speed

COUNT, TOKENS, TIMES = 8, 48, 5


def run() -> dict:
    model, generation = speed.model(), Generation(max_tokens=TOKENS)
    requests = speed.requests(COUNT)
    alone, together = speed.paired(
        lambda: [speed.finished(model, request, generation) for request in requests],
        lambda: list(model.generate_many(requests, generation, threading.Event())), TIMES)
    return {"pictures": COUNT, "tokens": TOKENS, "alone_s": speed.seconds(alone), "together_s": speed.seconds(together),
            "times_quicker": speed.ratio(alone, together), "times": TIMES}
