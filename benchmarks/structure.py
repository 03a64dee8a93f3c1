"""Answers held to their form against free ones, token for token: steps of the model, seconds, and what can be read.

The shipped Qwen3-VL, which writes its own form well, so that both write the same kind of answer; the random one, which
writes nonsense, says what a form is worth to a model that does not know it.
"""
from __future__ import annotations

from dataclasses import replace

from app.backends import local
from app.catalogue import Catalogue
from app.types import Generation
from benchmarks import speed
from trainer.demo.scenes import scene

TIMES, SCENES = 3, 12


def run() -> dict:
    free = Generation(max_tokens=256)
    held, found = replace(free, structure=True), {"scenes": SCENES, "times": TIMES}
    model = local.load(Catalogue().find("tiny-qwen3-vl"))
    requests = [replace(request, names=("star", "circle", "square")) for request in _scenes()]
    passes = []
    model.checkpoint.model.register_forward_hook(lambda *_: passes.append(1))
    for name, generation in (("free", free), ("held", held)):
        passes.clear()
        steps = [speed.finished(model, request, generation) for request in requests]
        boxes = [len(model.family.parse(step.text, request, step.frame).annotations)
                 for step, request in zip(steps, requests, strict=True)]
        found |= {f"{name}_tokens": sum(step.tokens for step in steps), f"{name}_steps": len(passes),
                  f"{name}_boxes": sum(boxes), f"{name}_steps_a_box": round(len(passes) / max(1, sum(boxes)), 1)}
    loose, tight = speed.paired(lambda: [speed.finished(model, request, free) for request in requests],
                                lambda: [speed.finished(model, request, held) for request in requests], TIMES)
    found |= {"free_s": speed.seconds(loose), "held_s": speed.seconds(tight),
              "times_quicker": speed.ratio(loose, tight)}
    random = speed.model()
    readable = {name: sum(random.family.parse(speed.finished(random, request, generation).text, request,
                                              random.family.frame(request.images[0].size)).status in ("ok", "empty")
                          for request in requests[:4]) / 4
                for name, generation in (("free", replace(free, max_tokens=96)),
                                         ("held", replace(held, max_tokens=96)))}
    return found | {f"random_{name}_readable": share for name, share in readable.items()}


def _scenes():
    import tempfile
    from pathlib import Path

    from app import pictures
    from app.types import Request
    folder = Path(tempfile.mkdtemp(prefix="boxloop-speed-"))
    for number in range(SCENES):
        scene(5, number, held_out=False).picture.save(folder / f"{number}.png")
        yield Request((pictures.read(folder / f"{number}.png"),), "detect")
