"""Measures a demo model on scenes it never saw, through the product's own road: LocalModel, family, task score.

Every scene is asked one question of each task below (keypoints where somebody stands). The combinations that training
never drew or asked are allowed, and counted apart as well. Figures are plain means over answers, but for detection,
whose F1 is over all boxes of all scenes.
"""
from __future__ import annotations

import json
import math
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from app import geometry, metrics, pictures
from app.backends.local import LocalModel, load
from app.families import for_model_type
from app.types import Generation, ModelSpec
from trainer.demo import questions
from trainer.demo.scenes import scene

TASKS = ("detect", "ground", "keypoints", "count")
NEAR = 0.05  # of the picture's diagonal: a joint that is nearer is right


def evaluate(model: str, scenes: int, seed: int, sketch: bool = False, progress=None) -> dict:
    """Ask `model` (a catalogue id or a folder) about `scenes` drawn scenes; returns figures, counts and seconds."""
    loaded = load(shipped(model))
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for index in range(scenes):
            drawn = scene(seed, index, held_out=True, sketch=sketch)
            path = Path(folder, "scene.png")
            drawn.picture.save(path)
            rng = np.random.default_rng((seed, index, 9))
            for task in TASKS:
                if task == "keypoints" and not any(thing.shape == "person" for thing in drawn.things):
                    continue
                question = questions.ask(rng, drawn, task, held_out=True)
                if question:
                    tally.add(question, *_answer(loaded, question, path), drawn.size)
            if progress and (index + 1) % 25 == 0:
                progress(index + 1, tally.figures())
    return dict(model=model, scenes=scenes, seed=seed, style="sketch" if sketch else "plain", **tally.figures())


def shipped(model: str) -> ModelSpec:
    """A model by its folder, or by its name in assets/models; an adapter's base stands beside it."""
    folder = Path(model) if Path(model).is_dir() else Path(__file__).parents[2] / "assets" / "models" / model
    if not folder.is_dir():
        raise ValueError(f"no model {model!r}: neither a folder nor one of assets/models")
    base, adapter = folder, None
    if (folder / "adapter_config.json").exists():
        written = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        base, adapter = folder.parent / written["base_model_name_or_path"], str(folder)
    family = for_model_type(json.loads((base / "config.json").read_text(encoding="utf-8"))["model_type"])
    return ModelSpec(model, family.name, "local", str(base), adapter=adapter)


def _answer(loaded: LocalModel, question, path: Path):
    """What the model says, parsed, and the seconds it took."""
    request = replace(question.request, images=(pictures.read(path),))
    begun = time.monotonic()
    *_, step = loaded.generate(request, Generation(max_tokens=400), threading.Event())
    return loaded.family.parse(step.text, request, step.frame), time.monotonic() - begun


class Tally:
    """Counts of right and wrong, by task."""

    def __init__(self):
        self.boxes = metrics.Tally()
        self.means: dict[str, list[float]] = {}
        self.seconds: list[float] = []

    def add(self, question, parsed, seconds: float, size) -> None:
        self.seconds.append(seconds)
        task, truth, said = question.request.task, question.truth, parsed.annotations
        if task == "keypoints":
            self._joints(truth, said, size)
        elif not truth:
            self._mean("no_target_accuracy", parsed.status == "empty" or (task == "count" and not said))
        if task == "detect":
            self.boxes += metrics.tally(truth, said)
        elif task == "ground" and truth:
            right = metrics.grounded(truth, said)
            self._mean("ground_acc50", right)
            if question.held_out:
                self._mean("ground_acc50_held_out", right)
        elif task == "count":
            names = question.request.names
            counts = [[sum(note.label == name for note in notes) for name in names] for notes in (truth, said)]
            self._mean("count_exact", counts[0] == counts[1])

    def figures(self) -> dict:
        figures = {name: round(float(np.mean(values)), 4) for name, values in sorted(self.means.items())}
        return dict(
            figures=dict(detect_f1_50=round(self.boxes.f1 or 0.0, 4), **figures),
            answers=dict(boxes=self.boxes.truth, **{name: len(values) for name, values in sorted(self.means.items())}),
            seconds=dict(median=round(float(np.median(self.seconds)), 3),
                         p95=round(float(np.percentile(self.seconds, 95)), 3)) if self.seconds else {})

    def _joints(self, truth, said, size) -> None:
        """Each true joint is right if the best-overlapping predicted person has it within 5% of the diagonal."""
        limit, left = NEAR * float(np.hypot(*size)), list(said)
        for person in truth:
            best = max((other for other in left if other.box),
                       key=lambda other: geometry.iou(other.box, person.box), default=None)
            if best is not None:
                left.remove(best)
            found = {point.name: (point.x, point.y) for point in best.points} if best else {}
            for joint in person.points:
                far = math.dist(found[joint.name], (joint.x, joint.y)) if joint.name in found else math.inf
                self._mean("joints_near", far <= limit)

    def _mean(self, name: str, value) -> None:
        self.means.setdefault(name, []).append(float(value))
