"""A version of a dataset, a model and a spec go into the queue; a tuned model comes out of it.

    job = submit(workspace, "cells", "tiny-paligemma", ["preset=quick", "rank=8"])
    workspace.jobs.wait(job.id)
    tuned(workspace, job.id).id                          # "tuned-260102-120000-a1b2c3"
"""
from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from app import families, rows
from app.spec import TrainSpec, changed
from app.types import Job, ModelSpec, Sample, Snapshot
from app.workspace import Workspace

AMOUNTS = ("preset", "epochs", "max_steps", "minutes")  # who says one of these says how much there is to learn
# What the workspace fills in, and nobody sets.
FILLED = ("source", "family", "model", "revision", "adapter", "train", "heldout", "dataset", "snapshot", "general_name",
          "method")


def submit(workspace: Workspace, dataset: str, model: str, settings: Sequence[str] = (), *, method: str = "sft",
           device: str = "cpu", owner: str = "") -> Job:
    """Queue a training on what the dataset is now; a quick one, unless `settings` (`key=value`) say how much.

    Raises ValueError with one sentence where it cannot begin; the trainer's own preflight says the rest.
    """
    spec = prepared(workspace, dataset, model, settings, method=method, owner=owner)
    return workspace.jobs.submit("train", spec.to_json(), device=device, owner=owner)


def prepared(workspace: Workspace, dataset: str, model: str, settings: Sequence[str] = (), *, method: str = "sft",
             owner: str = "") -> TrainSpec:
    """All that the trainer is told: what `submit` queues and `preflight` checks. Raises ValueError."""
    if not {word.partition("=")[0].strip() for word in settings} & set(AMOUNTS):
        settings = ["preset=quick", *settings]
    base = workspace.catalogue.find(model)
    family = families.find(base.family)
    if base.backend != "local" or method not in family.trainable_by:
        raise ValueError(f"{base.id} cannot be trained here: {_why(base, family.title)}; choose one of: "
                         f"{', '.join(_trainable(workspace, method))}")
    spec = changed(replace(_of(base), method=method), settings)
    found = workspace.store.datasets.find(dataset)
    snapshot = _version(workspace, found.id, owner)
    learnt, counts = _written(workspace, snapshot, ("train", "val"))
    if not counts["train"]:
        raise ValueError(f"the dataset {found.name!r} has no sample to learn from: correct or import some into its "
                         "split train")
    return replace(spec, dataset=found.name, snapshot=snapshot.id, train=str(learnt / "train.jsonl"),
                   heldout=str(learnt / "val.jsonl"), **_general(workspace, spec.general, owner))


def tuned(workspace: Workspace, job: str) -> ModelSpec:
    """The model that came out of a job. Raises ValueError."""
    return workspace.catalogue.find(f"tuned-{job}")


def command(dataset: str, model: str, settings: Sequence[str] = (), *, method: str = "sft", device: str = "cpu") -> str:
    """The line that does what `submit` does with the same words."""
    words = ["python", "-m", "app", "train", "--dataset", dataset, "--model", model]
    words += [] if method == "sft" else ["--method", method]
    for setting in settings:
        words += ["--set", setting]
    words += [] if device == "cpu" else ["--device", device]
    return shlex.join(words)


def settings_of(spec: TrainSpec, preset: str = "quick") -> list[str]:
    """The shortest `key=value` words that give this spec again: a preset, and what is not as it has it."""
    plain = changed(TrainSpec(), [f"preset={preset}"]).to_json()
    told = spec.to_json() | {"general": spec.general_name or spec.general}
    return [f"preset={preset}", *(f"{name}={_word(value)}" for name, value in told.items()
                                  if name not in FILLED and value != plain[name])]


def new_corrections(workspace: Workspace, dataset: str, since: Job | None) -> int:
    """How many samples of the split train a person has corrected since that job was queued; None: at all.

    Raises NotFound.
    """
    found = workspace.store.datasets.find(dataset)
    return workspace.store.datasets.corrected(found.id, since=since.created if since else 0.0)


def _of(base: ModelSpec) -> TrainSpec:
    """A spec for that model. An adapter's file names its base; a folder has no revision."""
    name, revision = base.id, base.base_revision if base.adapter else base.revision
    if base.adapter:
        name = json.loads((Path(base.adapter) / "adapter_config.json").read_text("utf-8"))["base_model_name_or_path"]
    elif Path(name).is_dir():
        name = str(Path(name).resolve())
    return TrainSpec(source=base.source, family=base.family, model=name, adapter=base.adapter,
                     revision=None if Path(base.source).is_dir() else revision)


def _general(workspace: Workspace, named: str, owner: str) -> dict[str, str]:
    """The frozen set of another dataset's name, as files: its held-out samples, which nothing learns from."""
    if not named:
        return {}
    found = workspace.store.datasets.find(named)
    folder, counts = _written(workspace, _version(workspace, found.id, owner), ("val",))
    if not counts["val"]:
        raise ValueError(f"the dataset {found.name!r} has no sample in its split val, and only pictures that nothing "
                         "learns from can say whether the rest stayed as good")
    return {"general": str(folder / "val.jsonl"), "general_name": found.name}


def _version(workspace: Workspace, dataset: str, owner: str) -> Snapshot:
    """The newest one, where nothing has changed since: looking whether a training could begin makes none."""
    snapshots = workspace.store.snapshots
    newest = next(iter(snapshots.of(dataset)), None)
    if newest is not None and newest.purged is None and newest.digest == snapshots.now(dataset):
        return newest
    return workspace.store.datasets.snapshot(dataset, author=owner)


def _written(workspace: Workspace, snapshot: Snapshot, splits: Sequence[str]) -> tuple[Path, dict[str, int]]:
    folder = workspace.home / "snapshots" / snapshot.id
    samples = workspace.store.datasets.samples
    return folder, {split: _write(folder / f"{split}.jsonl", samples(snapshot.dataset, split=split,
                                                                     snapshot=snapshot.id)) for split in splits}


def _write(path: Path, samples: Iterable[Sample]) -> int:
    """One row a line, whole or not at all; how many there are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part, count = path.with_suffix(f".{os.getpid()}"), 0
    with part.open("w", encoding="utf-8") as file:
        for sample in samples:
            file.write(json.dumps(rows.write(sample), ensure_ascii=False) + "\n")
            count += 1
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    return count


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _why(base: ModelSpec, title: str) -> str:
    if base.backend == "openai":
        return "it is on a server"
    return f"{title} is a detector" if base.backend == "detector" else f"{title} does not learn that way"


def _trainable(workspace: Workspace, method: str) -> list[str]:
    return [spec.id for spec in workspace.catalogue
            if spec.backend == "local" and method in families.find(spec.family).trainable_by]
