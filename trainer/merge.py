"""`python -m trainer.merge RUN_DIR` puts the adapter of a finished run into its base's weights, for servers.

What comes out must answer as the tuned model does; where it does not, nothing is kept. It lies in `merged` of the run
that was trained.
"""
from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from app.jobs.run import Run, work


def merging(run: Run) -> dict:
    from app.backends import ModelError
    from app.spec import read
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    folder = Path(run.spec["folder"])
    spec = read(folder / "spec.json")
    if spec.tune == "full":
        raise ValueError("all its weights were tuned, so there is nothing to merge")
    run.progress(0, 3, "loading the model")
    from trainer import model as models
    from trainer import preflight, publish
    try:
        known = models.asked(spec)
        tuned = replace(spec, adapter=str(folder / "adapter"), tune="lora")  # in full precision, whatever it learnt on
        model = models.load(tuned, known)
    except ModelError as problem:
        raise ValueError(str(problem)) from problem
    learnt, held = preflight.data(folder, spec)
    some = (held or [sample for sample in learnt if preflight.judged(sample)])[:publish.COMPARED]
    if run.cancelled:
        return {}
    run.progress(1, 3, "merging")
    told = publish.merge(folder / "merged", spec, known, model, some, json.loads((folder / "result.json").read_text()))
    run.progress(3, 3, "merged")
    return {"job": run.spec["job"], "path": str(folder / "merged"), **told}


if __name__ == "__main__":
    work(merging)
