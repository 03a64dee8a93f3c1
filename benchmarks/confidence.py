"""What the score of each box costs: the same answers with their tokens' log-probabilities kept, and without."""
from __future__ import annotations

import time

from app import confidence
from app.backends import running
from app.types import Generation
from benchmarks import speed

TOKENS, TIMES, VOCABULARY = 96, 9, 151_936  # that of the real ones: each token costs a softmax over it


def run() -> dict:
    model, generation = speed.model(VOCABULARY), Generation(max_tokens=TOKENS)
    [request] = speed.requests(1)
    look, put = running._Tokens.look, running._Tokens.put

    def without():
        running._Tokens.look = lambda self, *_: None
        running._Tokens.put = _unscored
        try:
            speed.finished(model, request, generation)
        finally:
            running._Tokens.look, running._Tokens.put = look, put

    scored, plain = speed.paired(lambda: speed.finished(model, request, generation), without, TIMES)
    answer = _boxes(100)
    parsed = model.family.parse(answer, request, model.family.frame(request.images[0].size))
    tokens = [confidence.Token(at, at + 1, -0.1) for at in range(len(answer))]
    began = time.perf_counter()
    confidence.scored(parsed, answer, tokens)
    return {"tokens": TOKENS, "with_s": speed.seconds(scored), "without_s": speed.seconds(plain),
            "ratio": speed.ratio(scored, plain), "reading_100_boxes_ms": round((time.perf_counter() - began) * 1000, 1),
            "vocabulary": VOCABULARY, "times": TIMES}


def _unscored(self, value) -> None:
    if self.prompt_came:
        self.rows.put([(token, float("nan")) for token in value.reshape(-1).tolist()])
    self.prompt_came = True


def _boxes(count: int) -> str:
    rows = ",\n".join(f'\t{{"bbox_2d": [{n}, {n + 7}, {n + 300}, {n + 400}], "label": "cat"}}' for n in range(count))
    return f"```json\n[\n{rows}\n]\n```"
