"""Evaluation as a job: several models over one version of a dataset, in a process of its own.

    job = submit(workspace, "street", "val", ["tiny-paligemma", "tiny-qwen3-vl"])
    workspace.jobs.wait(job.id)
    workspace.jobs.result(job.id)["models"]["tiny-qwen3-vl"]["metrics"]["f1"]

An answer is kept as soon as it is given, under all that it depends on. So a killed job goes on where it was and comes
to the same numbers, and after a correction nothing is asked that was asked before: what is true of a picture is no
part of a question. A model's failure to answer is not kept, and tried again next time.
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

from app import families, tasks
from app.backends import ModelError
from app.backends.checkpoint import folder_of, revision_of
from app.evaluate import Answered, differences, measurable, measured, measures, request_of, score_sources
from app.jobs.run import Run, work
from app.predict import Ask, failed, many
from app.types import Generation, Job, ModelSpec, Prediction, Sample
from app.workspace import Workspace

HERE = Path(__file__).parent
READERS = ("families/**/*.py", "confidence.py", "geometry.py", "types.py")  # the code that makes an answer of a text
GREEDY = Generation()


def submit(workspace: Workspace, dataset: str, split: str | None, models: Sequence[str], *, device: str = "cpu",
           generation: Generation = GREEDY, owner: str = "") -> Job:
    """Queue an evaluation of what the dataset is now. Raises ValueError with one sentence where it cannot begin."""
    if not models:
        raise ValueError("name at least one model to evaluate")
    for model in dict.fromkeys(models):
        workspace.catalogue.find(model)
    datasets = workspace.store.datasets
    found = datasets.find(dataset)
    snapshot = datasets.snapshot(found.id, author=owner)
    if not any(measurable(sample) for sample in datasets.samples(found.id, split=split, snapshot=snapshot.id)):
        named = f" in the split {split!r}" if split else ""
        raise ValueError(f"the dataset {found.name!r} has nothing to measure by{named}: no sample has a truth; correct "
                         "some answers, or import annotations")
    return workspace.jobs.submit("evaluate", {
        "dataset": found.id, "name": found.name, "split": split, "snapshot": snapshot.id,
        "models": list(dict.fromkeys(models)), "generation": asdict(generation)}, device=device, owner=owner)


def evaluating(run: Run) -> dict | None:
    """The worker: ask what is not known, then compute. `run.spec` is what `submit` wrote."""
    workspace = Workspace(run.folder.parent.parent)
    samples = measured_samples(workspace, run.spec)
    generation = Generation(**run.spec["generation"])
    total, done, began = len(samples) * len(run.spec["models"]), 0, time.time()
    told: dict[str, list[Prediction]] = {}
    keys: dict[str, list[str]] = {}
    asked: dict[str, int] = {}
    stop = threading.Event()
    for model in run.spec["models"]:
        spec = workspace.catalogue.find(model)
        run.progress(done, total, f"getting {model} ready")
        keys[model] = keys_of(spec, samples, generation)
        known = workspace.store.answers.find(keys[model])
        missing = {one: Ask(spec, request_of(sample), generation)  # equal questions are asked once
                   for one, sample in zip(keys[model], samples) if one not in known}
        done += len(samples) - len(missing)
        for one, answer in zip(missing, many(workspace.models, list(missing.values()), stop)):
            if run.cancelled:
                stop.set()
                return None
            known[one] = answer
            if answer.status != "failed":
                workspace.store.answers.keep(one, answer)
            done += 1
            run.progress(done, total, f"asking {model}")
        told[model] = [with_picture(known[one], sample) for one, sample in zip(keys[model], samples)]
        asked[model] = len(missing)
    if run.cancelled:
        return None
    run.progress(done, total, "computing")
    run.event("asked", models=asked)
    return _result(workspace, run.spec, samples, told, keys, asked, time.time() - began)


def measured_samples(workspace: Workspace, spec: dict) -> list[Sample]:
    """The samples of an evaluation, as they were when it was asked for."""
    found = workspace.store.datasets.samples(spec["dataset"], split=spec["split"], snapshot=spec["snapshot"])
    return [sample for sample in found if measurable(sample)]


def answered(workspace: Workspace, spec: dict, result: dict) -> dict[str, list[Answered]]:
    """What each model said, of a finished evaluation. An answer that was never given is a failed one."""
    samples = measured_samples(workspace, spec)
    found = {}
    for model, keys in result["answers"].items():
        known = workspace.store.answers.find(keys)
        asks = [Ask(ModelSpec(model, "", "", ""), request_of(sample)) for sample in samples]
        problem = result["models"][model].get("problem") or "it did not answer"
        found[model] = [Answered(sample, with_picture(known[one], sample) if one in known else failed(ask, problem))
                        for sample, one, ask in zip(samples, keys, asks)]
    return found


def keys_of(spec: ModelSpec, samples: Sequence[Sample], generation: Generation) -> list[str]:
    """For each sample a sha256 of all that the model's answer depends on."""
    family = families.find(spec.family)
    model = [spec.backend, spec.source, spec.adapter and Path(spec.adapter).name, *revisions(spec)]

    def key(sample: Sample) -> str:
        request = request_of(sample)
        parts = {"model": model, "prompt": _prompt(family, request), "asked": [*tasks.typed(request), request.think],
                 "generation": asdict(generation), "pixels": [image.pixels_sha256 for image in sample.images],
                 "readers": readers()}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return [key(sample) for sample in samples]


def revisions(spec: ModelSpec) -> tuple[str | None, str | None]:
    """(of the base's weights, of the adapter's), as found on this disk; else what the spec says."""
    base = spec.base_revision if spec.adapter else spec.revision
    if spec.backend in ("local", "detector"):
        with contextlib.suppress(ModelError, OSError):  # not here, and then asking it says so
            base = revision_of(folder_of(spec.source, base))
    here = spec.adapter is not None and Path(spec.adapter).is_dir()
    return base, revision_of(Path(spec.adapter)) if here else spec.adapter_revision


@cache
def readers() -> str:
    """A sha256 of the code that makes an answer of a model's text: another parser may find other boxes."""
    hashed = hashlib.sha256()
    for pattern in READERS:
        for path in sorted(HERE.glob(pattern)):
            hashed.update(path.relative_to(HERE).as_posix().encode() + path.read_bytes())
    return hashed.hexdigest()


def with_picture(prediction: Prediction, sample: Sample) -> Prediction:
    return replace(prediction, request=replace(prediction.request, images=sample.images))


def _prompt(family, request) -> str:
    try:
        return family.prompt(request)
    except ValueError:
        return ""  # it cannot be asked this, and then asking it says so


def _result(workspace: Workspace, spec: dict, samples: list[Sample], told: dict[str, list[Prediction]],
            keys: dict[str, list[str]], asked: dict[str, int], seconds: float) -> dict:
    """What stands in result.json: numbers, intervals, differences, and what lets somebody do it again."""
    pairs = {model: [Answered(*pair) for pair in zip(samples, given)] for model, given in told.items()}
    numbers = {model: measured(each) for model, each in pairs.items()}
    models = {}
    for model, each in pairs.items():
        problems = [one.prediction.problems[0] for one in each if one.prediction.status == "failed"]
        models[model] = {"metrics": _plain(numbers[model].values), "intervals": _plain(numbers[model].intervals),
                         "samples": len(samples), "asked": asked[model], "reused": len(samples) - asked[model]}
        if len(problems) == len(samples):
            models[model]["problem"] = problems[0]
    paired = [{"a": a, "b": b, "metric": name, "difference": value, "interval": _plain(interval)}
              for a, b in _couples(list(numbers)) for name, (value, interval) in differences(
                  numbers[a], numbers[b]).items()]
    first = next(iter(pairs.values()))
    return {"models": models, "measure": measures(first), "differences": paired, "answers": keys,
            "seconds": round(seconds, 1), "protocol": _protocol(workspace, spec, samples, pairs)}


def _protocol(workspace: Workspace, spec: dict, samples: list[Sample], pairs: dict[str, list[Answered]]) -> dict:
    from importlib.metadata import version
    snapshot = workspace.store.snapshots.find(spec["snapshot"])
    models = {}
    for model, each in pairs.items():
        catalogued = workspace.catalogue.find(model)
        base, adapter = revisions(catalogued)
        shown = next((one.prediction for one in each if one.prediction.prompt), each[0].prediction)
        frames = sorted({one.prediction.frame.input_size for one in each if one.prediction.frame})
        models[model] = {
            "source": Path(catalogued.source).name if Path(catalogued.source).is_dir() else catalogued.source,
            "family": catalogued.family, "backend": catalogued.backend,
            "revision": shown.revision or adapter or base, "base_revision": base, "adapter_revision": adapter,
            "prompt": shown.prompt, "prompts": len({one.prediction.prompt for one in each}),
            "score_source": score_sources(each),
            "input_sizes": [list(size) for size in frames[:5]] + (["…"] if len(frames) > 5 else []),
            "weights_gb": _weights(catalogued)}
    return {"dataset": spec["name"], "dataset_id": spec["dataset"], "split": spec["split"], "snapshot": snapshot.id,
            "snapshot_digest": snapshot.digest, "samples": len(samples),
            "tasks": sorted({sample.task for sample in samples}), "generation": spec["generation"],
            "iou": 0.5, "matching": "equal labels, best overlap first, one to one; AP, AR: COCO's, by hotcoco",
            "unread": "an answer that cannot be read, or was cut off before its first object, is a miss",
            "intervals": "95%, bootstrap over pictures, paired between models", "readers": readers()[:12],
            "versions": {name: version(name) for name in ("transformers", "torch", "hotcoco", "numpy")},
            "models": models}


def _weights(spec: ModelSpec) -> float | None:
    """GB of the weights on this disk, base and adapter; in memory they take as much, and answers come on top."""
    with contextlib.suppress(ModelError, OSError):
        if spec.backend in ("local", "detector"):
            base = folder_of(spec.source, spec.base_revision if spec.adapter else spec.revision)
            folders = [base, *([Path(spec.adapter)] if spec.adapter else [])]
            sizes = [file.stat().st_size for folder in folders for file in folder.glob("*.safetensors")]
            return round(sum(sizes) / 1e9, 4) or None
    return None


def _couples(models: list[str]) -> Iterator[tuple[str, str]]:
    return ((a, b) for i, a in enumerate(models) for b in models[i + 1:])


def _plain(value):
    """Undefined is -1 in JSON, as COCO's tools have it; an interval that is undefined is null."""
    if isinstance(value, dict):
        return {name: (-1 if one is None else _plain(one)) for name, one in value.items()}
    return list(value) if isinstance(value, tuple) else value


if __name__ == "__main__":
    work(evaluating)
