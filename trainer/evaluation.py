"""Held-out samples, answered as a user would have them answered, and scored by the task's own score.

The loss says little about boxes (0.02 and none of them right has been seen), so the curve, the best checkpoint and the
stop that patience asks for go by this. Several samples are answered at once.
"""
from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from accelerate import PartialState

from app import metrics, tasks
from app.backends.typed import without_control_tokens
from app.types import Parsed, Sample
from trainer import model as models
from trainer.data import Collator, Lesson, chunks, request_of

AT_ONCE = 16
BOXES = ("detect", "phrases")


@dataclass(frozen=True)
class Answered:
    sample: Sample
    text: str
    parsed: Parsed


def evaluate(model, collator: Collator, held: Sequence[Sample], most_tokens: int,
             on_the_way: Callable[[int], None] = lambda done: None) -> list[Answered]:
    """Each held-out sample with its greedy answer, in their order. Of several processes each answers its share."""
    state = PartialState()
    found: list[tuple[int, Answered]] = []
    mine = list(enumerate(held))[state.process_index::state.num_processes]
    for some in chunks(mine, AT_ONCE):
        places, samples = zip(*some)
        found += zip(places, answers(model, collator, samples, most_tokens))
        on_the_way(min(len(held), len(found) * state.num_processes))
    if state.num_processes > 1:
        from accelerate.utils import gather_object
        found = sorted(gather_object(found), key=lambda each: each[0])
    return [answered for _, answered in found]


def figures(found: Sequence[Answered]) -> dict[str, float]:
    """`score` from 0 to 1 is what a best checkpoint is chosen by; the others where they mean something."""
    scores, tallies, labels = defaultdict(list), [], defaultdict(list)
    for each in found:
        request = tasks.request(each.sample.images, each.sample.task, each.sample.query)
        truth = each.sample.answer if each.sample.task == "ask" else each.sample.truth
        got = each.text if each.sample.task == "ask" else each.parsed
        scored = tasks.score(request, truth, got)
        scores["score"].append(scored["score"])
        if each.sample.task == "ground":
            scores["accuracy"].append(scored["accuracy"])
            scores["miou"].append(scored["iou"])
        if each.sample.task in BOXES:
            tallies.append(metrics.tally(truth, each.parsed.annotations))
            for label in {metrics.same(one.label) for one in (*truth, *each.parsed.annotations)}:
                labels[label].append(metrics.tally(_only(truth, label), _only(each.parsed.annotations, label)))
        scores["unreadable"].append(float(each.parsed.status in ("unreadable", "truncated")))
    told = {name: metrics.mean(values) for name, values in scores.items()}
    if tallies:
        whole = metrics.total(tallies)
        told |= {"f1": whole.f1, "precision": whole.precision, "recall": whole.recall}
        told.setdefault("miou", whole.mean_iou)
        most = sorted(labels, key=lambda label: -sum(tally.truth for tally in labels[label]))[:20]
        told |= {f"f1 {label}": metrics.total(labels[label]).f1 for label in most}
    return {name: round(value, 6) for name, value in told.items() if value is not None}


def answers(model, collator: Collator, some: Sequence[Sample], most_tokens: int) -> Iterator[Answered]:
    questions = [collator.question(sample) for sample in some]
    for sample, text in zip(some, texts(model, collator, questions, most_tokens), strict=True):
        yield read(collator, sample, text)


def read(collator: Collator, sample: Sample, text: str) -> Answered:
    """A text as the answer about a sample: the same text gives the same answer."""
    if sample.task == "ask":
        return Answered(sample, text, Parsed((), "ok" if text else "empty"))
    model = collator.model
    request = without_control_tokens(request_of(sample), model.control, model.own)
    frame = model.family.frame(sample.images[0].size, model.pixels(collator.budget))
    return Answered(sample, text, model.family.parse(text, request, frame))


def seconds_of_an_answer(model, collator: Collator, some: Sequence[Sample], most_tokens: int) -> float:
    """What one takes when the model says as much as the true answers do: a base that says nothing is quick."""
    some = some[:AT_ONCE]
    longest = max((len(collator.tokenizer(target).input_ids) for target in _targets(collator, some)), default=1)
    tokens, began = min(most_tokens, longest + 1), time.monotonic()
    texts(model, collator, [collator.question(sample) for sample in some], tokens, least_tokens=tokens)
    return (time.monotonic() - began) / max(1, len(some))


def _targets(collator: Collator, some: Sequence[Sample]) -> Iterator[str]:
    for sample in some:
        with contextlib.suppress(ValueError):  # an answer that the model could not write is none that it will
            yield collator.plain(sample).answer


@torch.no_grad()
def texts(model, collator: Collator, lessons: Sequence[Lesson], most_tokens: int, least_tokens: int = 0) -> list[str]:
    """Greedy answers; without gradients, in the model's evaluation mode, and with no dice thrown."""
    inputs = models.moved({name: value for name, value in collator.prompts(lessons).items() if name != "labels"})
    ends = collator.model.checkpoint.ends
    training = model.training
    model.eval()
    try:
        with models.computing(collator.spec):
            written = model.generate(**inputs, max_new_tokens=most_tokens,
                                     min_new_tokens=least_tokens or None, do_sample=False, num_beams=1,
                                     temperature=None, top_p=None, top_k=None, use_cache=True,
                                     eos_token_id=sorted(ends), pad_token_id=collator.tokenizer.pad_token_id)
    finally:
        model.train(training)
    if not collator.model.checkpoint.config.is_encoder_decoder:
        written = written[:, inputs["input_ids"].shape[1]:]
    return [_text(collator, row.tolist(), ends) for row in written]


def _text(collator: Collator, ids: list[int], ends: frozenset[int]) -> str:
    """Up to the first end. A decoder's own start may be such a token: it stands at the front, and is skipped."""
    kept = [token for place, token in enumerate(ids) if place or token not in ends]
    until = next((place for place, token in enumerate(kept) if token in ends), len(kept))
    kept = [token for token in kept[:until] if token != collator.tokenizer.pad_token_id]
    return collator.tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def _only(found, label: str) -> list:
    return [one for one in found if metrics.same(one.label) == label]
