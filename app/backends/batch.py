"""Several answers of one checkpoint, written at the same time: about many pictures, or by a base and its adapters.

    for steps in stream([(model, request), (model, other)], generation, stop):   # as they are written, all of them
    for step in answers([(model, request), …], generation, stop):                # finished ones, in order

Each picture and text goes through the processor by itself, exactly as for a single answer, and only then are they laid
side by side, padded where the family wants it: so a batch sees what single answers see, and a test holds the two
together. Who cannot be asked that way (Kosmos-2 loses its place under padding; a temperature follows its seed only
alone; an adapter on the vision tower sees another picture) answers one after the other, and `alone` says why.
"""
from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import torch

from app import pictures
from app.backends import Step, running, sizes, structure
from app.backends.checkpoint import within_memory
from app.backends.typed import without_control_tokens
from app.backends.writing import Writing
from app.types import Generation, Request

MOST = 8  # answers in one batch: on a GPU twice as many cost hardly more, and memory is what ends it
PAUSE = 0.05  # seconds between two looks at answers being written: nobody reads faster, and each is parsed and drawn


def answers(parts: Sequence[tuple], generation: Generation, stop: threading.Event, most: int = MOST) -> Iterator[Step]:
    """One finished Step for each (model, request), in their order, all of one checkpoint.

    Once `stop` is set, those being written end "cancelled" and those behind them get no Step.
    """
    for batch in _batches(parts, generation, most):
        if stop.is_set():
            return
        *_, finished = stream(batch, generation, stop)
        yield from finished


def alone(model, generation: Generation) -> str | None:
    """Why this model's answers cannot be written beside others, as a part of a sentence; None where they can."""
    if model.family.padding is None:
        return f"{model.family.title} loses its place under padding"
    if generation.temperature:
        return "with a temperature an answer follows its seed only alone"
    if generation.structure:
        return "what the form of an answer leaves no choice about goes in at once, and that differs by answer"
    return None


def apart(models: Sequence) -> str | None:
    """Why these models of one checkpoint cannot share a batch; None where they can: LoRA that leaves the tower alone.
    """
    seeing = [model.spec.id for model in models if model.adapter and model.checkpoint.sees(model.adapter)]
    if len({model.adapter for model in models}) > 1 and seeing:
        return f"{', '.join(seeing)} changes how the picture is seen"
    return None


def stream(parts: Sequence[tuple], generation: Generation, stop: threading.Event) -> Iterator[list[Step]]:
    """The newest Step of each answer, every PAUSE seconds; at the end all are finished, some before others.

    Raises ModelError, or PictureError for a picture that cannot be read. Closing the iterator stops the writing.
    """
    began = time.monotonic()
    first = parts[0][0]
    checkpoint = first.checkpoint
    with within_memory(first.spec):
        given, now = [], []
        for model, request in parts:
            request = without_control_tokens(request, model.control, model.own)
            prompt = model.family.prompt(request)
            images = [pictures.pixels(image) for image in request.images]
            given.append(model.inputs(request, images, generation))
            now.append(Step("", 0, prompt, sizes.frame_used(given[-1], images[0].size, checkpoint.processor),
                            revision=model.revision))
        worn = [model.adapter for model, _ in parts]
        rows = running.steps(lambda: checkpoint.wearing(worn), lambda: _together(given, checkpoint, worn, first.family),
                             generation, (stop,), checkpoint.threads, f"write {first.spec.id}",
                             _guide(*parts[0], generation))
        try:
            yield from _read(rows, now, checkpoint, generation, stop, began)
        finally:
            rows.close()


def _batches(parts: Sequence[tuple], generation: Generation, most: int) -> Iterator[list[tuple]]:
    """As many at a time as can be; where adapters cannot be mixed, a batch ends where the adapter changes."""
    mixed = apart([model for model, _ in parts]) is None
    for _, group in groupby(parts, key=lambda part: None if mixed else part[0].adapter):
        group = list(group)
        wide = 1 if alone(group[0][0], generation) else most
        yield from (group[start:start + wide] for start in range(0, len(group), wide))


def _guide(model, request: Request, generation: Generation) -> structure.Guide | None:
    form = model.family.form(request) if generation.structure else None
    if form is None:
        return None
    tokenizer = model.checkpoint.processor.tokenizer
    ends = running.ends(model.checkpoint.model, tokenizer)
    return structure.guided(form, model.checkpoint, ends - {tokenizer.pad_token_id} or ends)


def _read(rows: Iterator, now: list[Step], checkpoint, generation: Generation, stop: threading.Event,
          began: float) -> Iterator[list[Step]]:
    tokenizer = checkpoint.processor.tokenizer
    ends = running.ends(checkpoint.model, tokenizer)

    def ended(step: Step, writing: Writing, how: str) -> Step:
        return replace(_at(step, writing, writing.whole()), finished=how, seconds=time.monotonic() - began)

    writings = [Writing(tokenizer, ends) for _ in now]
    shown = 0.0
    for row in rows:
        for number, (writing, token) in enumerate(zip(writings, row, strict=True)):
            if writing.ended:
                continue  # what fills up behind the end
            writing.take(*token)
            if now[number].seconds_to_first is None:
                now[number] = replace(now[number], seconds_to_first=time.monotonic() - began)
            if writing.ended:
                now[number] = ended(now[number], writing, "stop")
        if time.monotonic() - shown >= PAUSE and not all(step.finished for step in now):
            yield [step if step.finished else _at(step, writing, writing.so_far)
                   for step, writing in zip(now, writings, strict=True)]
            shown = time.monotonic()  # after the reader is done with it, so a slow reader gets fewer
    yield [step if step.finished else ended(step, writing, _ended(writing, generation, stop))
           for step, writing in zip(now, writings, strict=True)]


def _ended(writing: Writing, generation: Generation, stop: threading.Event) -> str:
    if stop.is_set():
        return "cancelled"
    return "length" if writing.tokens >= generation.max_tokens else "stop"


def _at(step: Step, writing: Writing, text: str) -> Step:
    return replace(step, text=text, tokens=writing.tokens, written=writing.written_in(text))


def _together(given: list[dict], checkpoint, worn: list[str | None], family) -> dict:
    """Single inputs as one batch on the device: texts padded on the family's side, pictures behind each other."""
    dtype, device, features = checkpoint.model.dtype, checkpoint.device, checkpoint.features
    longest = max(each["input_ids"].shape[1] for each in given)
    filling = {"input_ids": checkpoint.processor.tokenizer.pad_token_id or 0}
    together = {}
    if features.takes:
        seers = [adapter if adapter and checkpoint.sees(adapter) else None for adapter in worn]
        together["mm_encoder_outputs"] = {"image": features.of(given, seers, device, dtype)}
    for name in given[0]:
        if name in features.takes and name != "image_grid_thw":  # from which the places of the text are counted
            continue
        values = [each[name] for each in given]
        if values[0].shape[:2] == given[0]["input_ids"].shape:  # a value for each token
            values = [_padded(value, longest, filling.get(name, 0), family.padding) for value in values]
        values = torch.cat(values).to(device)
        together[name] = values.to(dtype) if values.is_floating_point() else values
    return together


def _padded(value: torch.Tensor, length: int, filling: int, side: str | None) -> torch.Tensor:
    missing = length - value.shape[1]
    if not missing:
        return value
    return torch.nn.functional.pad(value, (missing, 0) if side == "left" else (0, missing), value=filling)
