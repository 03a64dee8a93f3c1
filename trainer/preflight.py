"""What can be known to go wrong before anything is trained, said with its reason; preflight.json has it.

A refusal stops the run. A warning does not: what it is about is left out, or is only worth knowing. No weights are
loaded for it: the model is built without any, to count them.
"""
from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText

from app import geometry, metrics, pictures
from app.backends.local import LocalModel
from app.jobs.run import replace as write_json
from app.receipt import ALONE
from app.selftest import selftest
from app.spec import TrainSpec
from app.types import Annotation, Generation, Request, Sample
from trainer import data as lessons
from trainer import model as models
from trainer import plan, receipt

SHOWN = 3  # examples, and samples named for one reason
LOOKED_AT = 8  # samples that are tokenised
NEAR = 1 / 64  # of a side: how far a place may move on its way through the model's language, where it overlaps less
# Floating-point operations a second that training gets out of a device, for the estimate of minutes.
SPEED = {"cpu": 4e10, "cuda": 1.2e14}


def data(folder: Path, spec: TrainSpec) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """The samples to learn from, and those to measure on. Raises ValueError."""
    try:
        learnt = lessons.samples(folder / spec.train)
        held = lessons.samples(folder / spec.heldout) if (folder / spec.heldout).exists() else ()
    except OSError as problem:
        raise ValueError(f"the samples cannot be read: {problem.strerror} ({problem.filename})") from problem
    return learnt, tuple(sample for sample in held if judged(sample))


def general(folder: Path, spec: TrainSpec) -> tuple[Sample, ...]:
    """The frozen general set, if the run has one. Raises ValueError."""
    try:
        return tuple(filter(judged, lessons.samples(folder / spec.general))) if spec.general else ()
    except OSError as problem:
        raise ValueError(f"the general set cannot be read: {problem.strerror} ({problem.filename})") from problem


def checked(folder: Path, spec: TrainSpec, known: LocalModel, learnt: Sequence[Sample], held: Sequence[Sample],
            borrows: bool = False) -> dict:
    """The report; also written to preflight.json. `borrows`: models that take the memory now will make room."""
    refusals, warnings = [], []
    left_out = [number for number, sample in enumerate(learnt) if not judged(sample)]
    chosen = [sample for sample in learnt if judged(sample)]
    if left_out:
        warnings.append(f"{_many(left_out, 'sample')} of {len(learnt)} nobody has looked at yet, and so left out")
    if not chosen:
        refusals.append("there is no sample with an answer to learn: correct some answers first, or import some")
    beside = general(folder, spec)
    apart = receipt.held_out(spec, held, beside)
    if not held:
        warnings.append("there is no held-out sample: nothing can tell how good the tuned model is; put some pictures "
                        "in the split val")
    elif not apart.independent:
        warnings.append("there are so few held-out pictures that the same ones choose the best checkpoint and judge "
                        f"it: with {ALONE} or more, others judge")
    refusals += _grouped(_pictures(chosen)) + _same_pictures(chosen, (*held, *beside))
    report = {"samples": len(chosen), "heldout": len(held), "choosing": len(apart.choosing),
              "judging": len(apart.judging), "general": len(apart.general), "independent": apart.independent,
              "left_out": left_out, "examples": []}
    if not refusals:
        refusals += _grouped(_answers(known, chosen, spec))
    if not refusals:
        refusals += _labelled(known, chosen, spec, report)
        tested = selftest(known, Generation(max_pixels=spec.max_pixels or None))
        report["selftest"] = tested.to_json()
        if tested.ok is False:
            refusals.append(f"{tested.badge}; {tested.failures[0]}")
        elif tested.ok is None:
            warnings.append(tested.badge)
        refusals += _room(folder, spec, known, chosen, apart, report, borrows)
        if borrows and report["memory"]["wanted"] > report["memory"]["free"]:
            warnings.append(f"it needs {report['memory']['wanted'] / 1e9:.1f} GB of memory and "
                            f"{report['memory']['free'] / 1e9:.1f} GB are free: models in memory make room first")
    if spec.max_pixels:
        warnings.append(f"ask the tuned model with the same budget of {spec.max_pixels:,} pixels")
    warnings += models.vllm_limits(spec)
    report |= {"ok": not refusals, "refusals": refusals, "warnings": warnings}
    write_json(folder / "preflight.json", report)
    return report


def outline(spec: TrainSpec, known: LocalModel):
    """The model as it will be trained, without its weights: everything can be counted, nothing computed."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(known.checkpoint.config, dtype=models.dtype(spec))
        return models.made_ready(model, models.without_an_adapter(spec), known)


def judged(sample: Sample) -> bool:
    return bool(sample.answer) if sample.task == "ask" else sample.truth is not None


def _pictures(chosen: Sequence[Sample]) -> Iterator[tuple[str, str]]:
    """(reason, where) for each picture that cannot be used, and each place that lies outside of its own."""
    for sample in chosen:
        for image in sample.images:
            try:
                if (size := pictures.read(image.path).size) != image.size:
                    yield "a picture has another size than its samples say", f"{image.name or image.path}: {size}"
            except pictures.PictureError as problem:
                yield "a picture cannot be read", str(problem)
        for found in sample.truth or ():
            size = sample.images[found.image].size if found.image < len(sample.images) else (0, 0)
            if found.box is not None and not (_within(found.box, size) and geometry.area(found.box)):
                yield "a box lies outside of its picture, or is empty, or inside out", f"{_named(sample)}: {found.box}"
            if any(point.visibility != "absent" and not _within((point.x, point.y) * 2, size)
                   for point in found.points):
                yield "a point lies outside of its picture", _named(sample)


def _same_pictures(chosen: Sequence[Sample], held: Sequence[Sample]) -> list[str]:
    """A picture is held out in the whole workspace: by its upright pixels, its file, or its split."""
    hidden = {mark for sample in held for image in sample.images for mark in _marks(image)}
    both = {image.name or image.path for sample in chosen for image in sample.images
            if hidden & _marks(image) or image.split == "val"}
    return [f"{_many(both, 'held-out picture')} among those to learn from ({', '.join(sorted(both)[:SHOWN])}): the "
            "figures would be of what it knows by heart; take them out of one of the two"] if both else []


def _marks(image) -> set[str]:
    return set(filter(None, (image.sha256, image.pixels_sha256))) or {image.path}


def _answers(known: LocalModel, chosen: Sequence[Sample], spec: TrainSpec) -> Iterator[tuple[str, str]]:
    """(reason, where) for each answer that the model could not write, or that would be read as another."""
    for sample in chosen:
        try:
            request = lessons.request_of(sample)
            known.family.check(request)
            text = lessons.target(known, sample, request, spec.max_pixels or None)
        except ValueError as problem:
            yield f"{known.family.title} cannot write an answer", f"{_named(sample)}: {problem}"
            continue
        if sample.task != "ask" and (lost := _lost(known, sample, request, text, spec)):
            yield (f"an answer does not survive {known.family.title}'s own language", f"{_named(sample)}: {lost}")


def _lost(known: LocalModel, sample: Sample, request: Request, text: str, spec: TrainSpec) -> str:
    """What is different when the target is read back; empty where nothing is."""
    truth = lessons.in_order(known, sample.truth)
    frame = known.family.frame(sample.images[0].size, known.pixels(spec.max_pixels or None))
    parsed = known.family.parse(text, request, frame)
    if sample.task == "count":
        before, after = (Counter(metrics.same(one.label) for one in found) for found in (truth, parsed.annotations))
        return "" if before == after else f"{dict(before)} becomes {dict(after)} ({text[:80]!r})"
    if sample.task == "point":
        truth = [Annotation(one.label, points=(point,)) for one in truth for point in
                 (one.points or (_middle(one),)) if getattr(point, "visibility", "visible") != "absent"]
    if len(truth) != len(parsed.annotations):
        return f"{len(truth)} objects become {len(parsed.annotations)} ({'; '.join(parsed.problems) or text[:80]!r})"
    for one, read in zip(truth, parsed.annotations, strict=True):
        if sample.task in ("detect", "keypoints") and metrics.same(one.label) != metrics.same(read.label):
            return f"the label {one.label!r} becomes {read.label!r}"
        if not _close(one, read, sample.images[0].size):
            return f"{one.label} at {one.box or one.points} becomes {read.box or read.points}"
    return ""


def _middle(one: Annotation):
    from app.types import Point
    return Point("", *metrics.middle(one))


def _close(one: Annotation, read: Annotation, size: tuple[int, int]) -> bool:
    if one.box is not None and read.box is not None and geometry.iou(one.box, read.box) < 0.5 and not all(
            abs(a - b) <= NEAR * size[i % 2] for i, (a, b) in enumerate(zip(one.box, read.box))):
        return False
    there = [point for point in one.points if point.visibility != "absent"]
    return len(there) == len(read.points) and all(
        abs(a.x - b.x) <= NEAR * size[0] and abs(a.y - b.y) <= NEAR * size[1]
        for a, b in zip(there, read.points)) if read.points else True


def _labelled(known: LocalModel, chosen: Sequence[Sample], spec: TrainSpec, report: dict) -> list[str]:
    """Some batches as they will be: the answer, and nothing else, must be what is learnt."""
    collator = lessons.collator(known, chosen, spec)
    longest, few = 0, chosen[:: max(1, len(chosen) // LOOKED_AT)][:LOOKED_AT]
    for sample in few:
        lesson = collator.plain(sample)
        batch = collator.batch([lesson])
        learnt = batch["labels"][batch["labels"] != lessons.NEVER].tolist()
        longest = max(longest, batch["input_ids"].shape[1])
        said = collator.tokenizer.decode(learnt, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if not learnt or lesson.answer not in said:
            return [f"of {_named(sample)} the model would learn {said[:80]!r} instead of {lesson.answer[:80]!r}"]
        if len(report["examples"]) < SHOWN:
            report["examples"].append({"picture": sample.images[0].name or Path(sample.images[0].path).name,
                                       "prompt": known.family.prompt(lesson.request), "answer": lesson.answer})
    report["tokens"] = longest
    return []


def _room(folder: Path, spec: TrainSpec, known: LocalModel, chosen: Sequence[Sample], apart: receipt.Held,
          report: dict, borrows: bool) -> list[str]:
    """Memory and disk, the plan that fits them, and the minutes that it takes."""
    model = outline(spec, known)
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    if spec.tune == "qlora":
        weights //= 4
    count, learnt, free = sum(w.numel() for w in model.parameters()), models.trained(model), plan.free_memory()
    report |= {"parameters": count, "trained": learnt}
    disk, kept = shutil.disk_usage(folder).free, 4 * 12 * learnt  # two checkpoints, the best, and the one in writing
    report["disk"] = {"needed": kept, "free": disk}
    refusals = [f"checkpoints need about {kept / 1e9:.1f} GB and the disk has {disk / 1e9:.1f} GB; free some, or train "
                "less of the model"] if kept > disk else []
    report["memory"] = {"free": free, "wanted": 0}
    try:
        alone = plan.made(model, spec, len(chosen), report["tokens"], 1, plan.all_memory() - weights)
        takes = plan.needed(model, alone.micro_batch, report["tokens"], alone.checkpointing)
        report["memory"]["wanted"] = weights + int(takes / plan.ROOM) + 1
        here = max(free, report["memory"]["wanted"]) if borrows else free
        planned = plan.made(model, spec, len(chosen), report["tokens"], 1, here - weights)
    except ValueError as problem:
        return [*refusals, str(problem)]
    report["memory"]["needed"] = weights + plan.needed(model, planned.micro_batch, report["tokens"],
                                                       planned.checkpointing)
    report["plan"] = asdict(planned)
    asked = (len(apart.asked) + spec.evaluations * len(apart.choosing) + 2 * len(apart.judging) + len(apart.general))
    flops = 2 * count * report["tokens"] * (3 * spec.batch * planned.steps + asked)
    minutes = flops / SPEED["cuda" if torch.cuda.is_available() else "cpu"] / 60
    report["expected_minutes"] = round(min(minutes, spec.minutes or minutes) + 0.5, 1)
    return refusals


def _within(box: Sequence[float], size: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = box
    return 0 <= x1 <= x2 <= size[0] and 0 <= y1 <= y2 <= size[1]


def _named(sample: Sample) -> str:
    image = sample.images[0]
    return f"{image.name or Path(image.path).name} ({sample.task} {sample.query[:40]!r})"


def _grouped(found: Iterator[tuple[str, str]]) -> list[str]:
    """One sentence for each reason, with how often, and some of where."""
    reasons: dict[str, list[str]] = {}
    for reason, where in found:
        reasons.setdefault(reason, []).append(where)
    return [f"{reason} ({len(where)} times: {'; '.join(where[:SHOWN])})" for reason, where in reasons.items()]


def _many(things, name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
