"""A training's process that learns nothing and says all that a real one says: `python -m tests.trainings RUN_DIR`.

The seed of its spec says how it behaves: 7 waits in the middle until `go` is in the folder, 13 fails there.
"""
from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from app import rows
from app.jobs.run import Run, work
from app.types import Sample

STEPS = 12
WAITS, FAILS = 7, 13


def training(run: Run) -> dict:
    held = _samples(run.folder / run.spec["heldout"])
    _evaluated(run, 0, held, 0.1)
    run.event("plan", steps=STEPS, micro_batch=2, accumulation=1)
    for step in range(1, STEPS + 1):
        if run.cancelled:
            return {}
        run.event("step", step=step, loss=2.0 / step, learning_rate=1e-4, samples_per_s=12.5, memory_gb=0.42)
        run.progress(step, STEPS, "training")
        print("step", step)
        if step % 4 == 0:
            _evaluated(run, step, held, 0.1 + step / 20)
        if step == STEPS // 2:
            _trouble(run)
    answers = [_answered(sample, place) for place, sample in enumerate(held)]
    (run.folder / "answers.jsonl").write_text("".join(json.dumps(each) + "\n" for each in answers))
    adapter = run.folder / "adapter"
    adapter.mkdir(exist_ok=True)
    (adapter / "adapter_model.safetensors").write_bytes(b"not many weights")
    return {"model": run.spec["model"], "dataset": run.spec["dataset"], "samples": 4, "heldout": len(held),
            "steps": STEPS, "best_step": STEPS, "minutes": 0.1, "before": {}, "after": {}, "spec": run.spec,
            "folder": "adapter", "device": "CPU, 2 threads", "comparison": comparison(len(held))}


def comparison(samples: int = 4, word: str = "better", better=(0,), worse=(1,), **changed) -> dict:
    """What a receipt says, with a metric of each verdict."""
    def metric(name, base, tuned, interval, verdict):
        return {"name": name, "base": base, "tuned": tuned, "difference": None if base is None else tuned - base,
                "interval": interval, "verdict": verdict}

    metrics = [metric("precision", 0.2, 0.5, [-0.1, 0.6], "no clear difference"),
               metric("f1", 0.1, 0.8, [0.5, 0.9], "better"), metric("unreadable", 0.0, 0.25, [0.05, 0.4], "worse")]
    return {
        "samples": samples, "independent": True, "chosen_by": 4, "measure": "f1", "metrics": metrics, "general": None,
        "slices": [{"kind": "label", "value": "<b>star</b>", "metric": "f1", "of": "objects", "count": 5, "base": 0.2,
                    "tuned": 0.1, "difference": -0.1, "interval": [-0.2, -0.05], "verdict": "worse"},
                   {"kind": "size", "value": "1 small", "metric": "f1", "of": "objects", "count": 9, "base": 0.2,
                    "tuned": 0.9, "difference": 0.7, "interval": [0.5, 0.8], "verdict": "better"}],
        "controls": {
            "shuffled": {"measure": "f1", "tuned": 0.8, "shuffled": 0.05, "difference": 0.75, "interval": [0.6, 0.9],
                         "passed": True, "words": "On other pictures its answers are wrong, so it looks."},
            "class_agnostic": {"base": 0.3, "tuned": 0.85, "difference": 0.55, "interval": [0.3, 0.7],
                               "words": "Places got better, not only names."},
            "unreadable": {"base": 0.0, "tuned": 0.25, "words": "A quarter of its answers cannot be read."}},
        "verdict": {"word": word, "sentences": [f"{word.capitalize()}: F1 rose from 0.10 to 0.80.",
                                                "Worse on <b>star</b>."]},
        "better": list(better), "worse": list(worse)} | changed


def _trouble(run: Run) -> None:
    if run.spec["seed"] == FAILS:
        raise ValueError("the disk became full while a checkpoint was written; free some and resume the job")
    while run.spec["seed"] == WAITS and not (run.folder / "go").exists() and not run.cancelled:
        time.sleep(0.05)


def _evaluated(run: Run, step: int, held: list[Sample], score: float) -> None:
    shown = [{"id": sample.id, "text": f"after {step}", "status": "ok" if step else "empty",
              "annotations": rows.write(_found(sample, step))} for sample in held[:3]]
    run.event("evaluation", step=step, answers=shown, eval_score=score, eval_f1=score)


def _answered(sample: Sample, place: int) -> dict:
    def said(found, score):
        return {"text": "words", "status": "ok" if found else "empty", "annotations": rows.write(found)}, score

    (base, low), (tuned, high) = said((), 0.0), said(_found(sample, STEPS), 1.0)
    return {"sample": rows.write(sample), "base": base if place % 2 == 0 else tuned,
            "tuned": tuned if place % 2 == 0 else base, "shuffled": base,
            "scores": {"base": low if place % 2 == 0 else high, "tuned": high if place % 2 == 0 else low}}


def _found(sample: Sample, step: int) -> tuple:
    """The truth, a little beside it; nothing at first."""
    off = STEPS - step
    return tuple(replace(each, box=tuple(value + off for value in each.box)) for each in sample.truth or ()
                 if each.box) if step else ()


def _samples(path: Path) -> list[Sample]:
    with path.open(encoding="utf-8") as lines:
        return [rows.read(Sample, json.loads(line)) for line in lines]


if __name__ == "__main__":
    work(training)
