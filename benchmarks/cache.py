"""A second question about a picture: its features taken from memory against seen anew; and how often the tower runs."""
from __future__ import annotations

from app.types import Generation
from benchmarks import speed

TIMES = 9


def run() -> dict:
    """Up to the first token, since that is where a picture is seen."""
    model, generation = speed.model(), Generation(max_tokens=1)
    [request] = speed.requests(1, (640, 480))
    features = model.checkpoint.features

    def anew():
        features.kept.clear()
        features.bytes = 0
        speed.finished(model, request, generation)

    seen, kept = speed.paired(anew, lambda: speed.finished(model, request, generation), TIMES)
    before = features.passes
    speed.finished(model, request, generation)
    return {"seen_s": speed.seconds(seen), "kept_s": speed.seconds(kept), "times_quicker": speed.ratio(seen, kept),
            "tower_passes_of_a_second_question": features.passes - before,
            "bytes_of_a_picture": features.bytes, "times": TIMES}
