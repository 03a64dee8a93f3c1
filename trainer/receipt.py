"""At the end of a run: the base, the tuned model, and the tuned model on other pictures, on the samples that judge.

The base answers before anything is learnt, and its answers are kept (before.json): a run that goes on need not ask
again, and no second model need be in memory. The tuned model answers with the weights that are published. What all of
them said stands in answers.jsonl, a line for each sample; what it amounts to is said by `app/receipt.py`, which counts
as Measure does.
"""
from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import PartialState

from app import receipt, rows
from app.evaluate import Answered, request_of
from app.jobs.run import replace as write_json
from app.spec import TrainSpec
from app.types import Generation, Prediction, Sample
from trainer import evaluation
from trainer.data import Collator
from trainer.events import Stopped, shown


@dataclass(frozen=True)
class Held:
    """What is held out, and what for. `independent`: no picture both chooses the checkpoint and judges it."""
    choosing: tuple[Sample, ...]
    judging: tuple[Sample, ...]
    general: tuple[Sample, ...]
    independent: bool

    @property
    def asked(self) -> tuple[Sample, ...]:
        """All of them once."""
        return tuple(dict.fromkeys((*self.choosing, *self.judging, *self.general)))


@dataclass(frozen=True)
class Before:
    """What the base said, its figures on the samples that choose, and how long one answer took."""
    texts: dict[Sample, str]
    figures: dict[str, float]
    seconds_each: float

    def seconds(self, held: Held, evaluations: int) -> float:
        """What asking will take from here on, if the tuned model is as quick: on the way, and for the receipt."""
        return self.seconds_each * (evaluations * len(held.choosing) + 2 * len(held.judging) + len(held.general))


def held_out(spec: TrainSpec, held: Sequence[Sample], general: Sequence[Sample] = ()) -> Held:
    """By picture, always the same: some choose the checkpoint and the others judge, if there are enough of both."""
    choosing, judging, independent = receipt.split(held, spec.heldout_most, spec.judged_most, spec.evaluations > 0)
    _, beside, _ = receipt.split(general, 0, spec.judged_most, chooses=False)
    return Held(choosing, judging, beside, independent)


def asked_before(run, spec: TrainSpec, model, collator: Collator, held: Held) -> Before:
    """The base's answers, once; those on the disk where they are there."""
    kept, asked = run.folder / "before.json", held.asked
    known = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    PartialState().wait_for_everyone()  # who has not looked yet must not find what the first one is about to write
    if len(known.get("texts", ())) != len(asked) or "seconds_each" not in known:
        began = time.monotonic()
        found = evaluation.evaluate(model, collator, asked, spec.max_tokens, _told(
            run, len(asked), "answering the held-out samples before training"))
        figures = evaluation.figures(found[:len(held.choosing)]) if held.choosing else {}
        took = (time.monotonic() - began) / max(1, len(asked))
        if asked and spec.minutes:
            took = max(took, evaluation.seconds_of_an_answer(model, collator, asked, spec.max_tokens))
        known = {"texts": [each.text for each in found], "figures": figures, "seconds_each": took}
        if PartialState().is_main_process:
            if held.choosing:
                run.event("evaluation", step=0, answers=shown(found),
                          **{f"eval_{name}": value for name, value in figures.items()})
            write_json(kept, known)
    return Before(dict(zip(asked, known["texts"], strict=True)), known["figures"], known["seconds_each"])


def judged(run, spec: TrainSpec, model, collator: Collator, held: Held, before: Before) -> dict | None:
    """The receipt; answers.jsonl is beside it. None where nothing is held out. Raises Stopped."""
    if not held.judging:
        return None
    total, done = 2 * len(held.judging) + len(held.general), 0

    def answers(samples: Sequence[Sample], words: str) -> list[evaluation.Answered]:
        nonlocal done
        found = evaluation.evaluate(model, collator, samples, spec.max_tokens, _told(run, total, words, done))
        done += len(samples)
        return found

    base = [evaluation.read(collator, sample, before.texts[sample]) for sample in held.judging]
    tuned = answers(held.judging, "receipt: asking the tuned model")
    other = receipt.deranged(held.judging, spec.seed)
    blind = None
    if other is not None:
        elsewhere = [replace(sample, images=held.judging[place].images) for sample, place in zip(held.judging, other)]
        blind = [_back(found, sample) for found, sample in zip(
            answers(elsewhere, "receipt: asking it about other pictures"), held.judging)]
    general = None
    if held.general:
        beside = answers(held.general, "receipt: asking it about the general set")
        first = [evaluation.read(collator, sample, before.texts[sample]) for sample in held.general]
        general = (spec.general_name or Path(spec.general).stem, _plain(spec, first), _plain(spec, beside))
    sides = [side and _plain(spec, side) for side in (base, tuned, blind)]
    if PartialState().is_main_process:
        _write(run.folder / "answers.jsonl", *sides)
    return receipt.comparison(*sides, independent=held.independent, chosen_by=len(held.choosing), general=general)


def _back(found: evaluation.Answered, own: Sample) -> evaluation.Answered:
    """What was said about another sample's picture, held against the truth of the question's own."""
    moved = receipt.on_picture(found.parsed.annotations, found.sample.images, own.images)
    return replace(found, sample=own, parsed=replace(found.parsed, annotations=moved))


def _plain(spec: TrainSpec, found: Sequence[evaluation.Answered]) -> list[Answered]:
    """As Measure has them."""
    generation = Generation(max_tokens=spec.max_tokens, max_pixels=spec.max_pixels or None)
    return [Answered(each.sample, Prediction(
        model=spec.model or spec.source, revision=spec.revision, request=request_of(each.sample), generation=generation,
        prompt="", text=each.text, frame=None, annotations=each.parsed.annotations, status=each.parsed.status,
        problems=each.parsed.problems, tokens=0, seconds=0.0, seconds_to_first=None)) for each in found]


def _write(path: Path, base: Sequence[Answered], tuned: Sequence[Answered], blind: Sequence[Answered] | None) -> None:
    """Whole or not at all, a line for each sample."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        for before, after, other in zip(base, tuned, blind or [None] * len(base), strict=True):
            line = {"sample": rows.write(before.sample), "base": _said(before), "tuned": _said(after),
                    "shuffled": other and _said(other), "scores": {"base": before.score, "tuned": after.score}}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _said(one: Answered) -> dict:
    return {"text": one.prediction.text, "status": one.prediction.status,
            "annotations": rows.write(one.prediction.annotations)}


def _told(run, total: int, words: str, before: int = 0) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if run.cancelled:
            raise Stopped
        run.progress(before + done, total, words)
    tell(0)
    return tell
