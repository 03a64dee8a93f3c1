"""Samples become what a model learns from: the question as it will be asked, the answer through the family's codec.

The loss counts on the answer only: every other token's label is NEVER. A question goes the road of a real one: the same
words, chat template, picture budget (`app/backends/local.py`), so that training and asking cannot differ. Three kinds
of model want three kinds of batch:

    chat             prompt, answer and the end of the turn in one sequence, padded on the right
    PaliGemma        its processor's `suffix`, because its prompt looks both ways and its answer does not
    Florence-2       the answer goes into the decoder, shifted by its start token; everything padded on the right

Row k of a run is always the same, whatever was killed, resumed, or spread over GPUs: its sample is the k-th of
shuffled epochs laid end to end, its augmentation has dice of its own. A collator moves nothing to a device: it runs in
workers.
"""
from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image
import torch

from app import pictures, rows, tasks
from app.backends import sizes
from app.backends.local import LocalModel, _begun
from app.backends.processors import places_pictures
from app.backends.typed import without_control_tokens
from app.spec import TrainSpec
from app.types import Annotation, Request, Sample
from trainer.augment import augmented

NEVER = -100


@dataclass(frozen=True)
class Lesson:
    """One row as the model meets it."""
    images: tuple[PIL.Image.Image, ...]
    request: Request
    answer: str


def samples(path: Path) -> tuple[Sample, ...]:
    """One `rows.write(sample)` a line. Raises ValueError with the line."""
    found = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                found.append(rows.read(Sample, json.loads(line)))
            except (ValueError, RecursionError) as problem:
                raise ValueError(f"{path.name}, line {number}: {str(problem)[:300]}") from problem
    return tuple(found)


def write_samples(path: Path, found: Sequence[Sample]) -> None:
    path.write_text("".join(json.dumps(rows.write(sample), ensure_ascii=False) + "\n" for sample in found), "utf-8")


def request_of(sample: Sample) -> Request:
    return tasks.request(sample.images, sample.task, sample.query)


def target(model: LocalModel, sample: Sample, request: Request, budget: int | None) -> str:
    """The right answer as this model would write it. Raises ValueError where there is none."""
    if sample.task == "ask":
        if not (sample.answer or "").strip():
            raise ValueError("the question has no answer to learn; write one, or leave the sample out")
        return sample.answer.strip()
    if sample.truth is None:
        raise ValueError("nobody has looked at it yet: correct or confirm the answer first, or leave the sample out")
    frame = model.family.frame(sample.images[0].size, model.pixels(budget))
    return model.family.format(in_order(model, sample.truth), request, frame)


def in_order(model: LocalModel, truth: Sequence[Annotation]) -> list[Annotation]:
    """Top to bottom, then left to right: one order, for a set has none and a text must. Crowds are no single thing."""
    def words(text: str) -> str:  # typed control tokens are text in an answer too
        return without_control_tokens(Request((), "ask", caption=text), model.control).caption
    found = [replace(one, label=words(one.label), points=tuple(replace(p, name=words(p.name)) for p in one.points))
             for one in truth if not one.crowd]
    return sorted(found, key=_place)


def _place(found: Annotation) -> tuple[float, float]:
    if found.box is not None:
        return found.box[1], found.box[0]
    return (found.points[0].y, found.points[0].x) if found.points else (0.0, 0.0)


class Order:
    """Which sample stands in row k: each epoch is a new shuffle of all of them."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed, self.epoch = count, seed, (-1, None)

    def __getitem__(self, row: int) -> int:
        epoch, place = divmod(row, self.count)
        if self.epoch[0] != epoch:
            self.epoch = epoch, np.random.default_rng((self.seed, epoch)).permutation(self.count)
        return int(self.epoch[1][place])


class Collator:
    """`[{"row": k}, …]` → a batch. `batch` makes one of lessons; `prompts` what the model is asked with."""

    def __init__(self, model: LocalModel, learnt: Sequence[Sample], spec: TrainSpec) -> None:
        self.model, self.samples, self.spec = model, learnt, spec
        self.processor = model.checkpoint.processor
        self.tokenizer = self.processor.tokenizer
        self.budget = spec.max_pixels or None
        self.order = Order(max(1, len(learnt)), spec.seed)

    def __call__(self, wanted: Sequence[dict]) -> dict:
        return self.batch([self.lesson(int(each["row"])) for each in wanted])

    def lesson(self, row: int) -> Lesson:
        sample = self.samples[self.order[row]]
        if not self.spec.augments:
            return self.plain(sample)
        seen = [pictures.pixels(image) for image in sample.images]
        chance = np.random.default_rng((self.spec.seed, 1, row))
        seen[0], sample = augmented(seen[0], sample, self.spec, chance)
        return self._lesson(tuple(seen), sample)

    def plain(self, sample: Sample) -> Lesson:
        """The sample as it is."""
        return self._lesson(tuple(pictures.pixels(image) for image in sample.images), sample)

    def question(self, sample: Sample) -> Lesson:
        """Only what is asked: an answer to learn is not needed, nor whether the model could write it."""
        seen = tuple(pictures.pixels(image) for image in sample.images)
        return Lesson(seen, without_control_tokens(request_of(sample), self.model.control, self.model.own), "")

    def _lesson(self, seen: tuple[PIL.Image.Image, ...], sample: Sample) -> Lesson:
        request = without_control_tokens(request_of(sample), self.model.control, self.model.own)
        return Lesson(seen, request, target(self.model, sample, request, self.budget))

    def batch(self, lessons: Sequence[Lesson]) -> dict:
        raise NotImplementedError

    def prompts(self, lessons: Sequence[Lesson], side: str | None = None, **more: object) -> dict:
        """The processor's tensors for the questions alone, padded on the family's side unless told another."""
        words = [self.model._text(lesson.request) for lesson in lessons]
        text = {"padding": True, "padding_side": side or self.model.family.padding}
        if _begun(words[0], self.tokenizer):  # Gemma's template begins with <bos>, and so does its tokenizer
            text["add_special_tokens"] = False
        settings = sizes.settings(self.processor.image_processor, self.budget)
        seen = [list(lesson.images) for lesson in lessons]
        if places_pictures(self.processor):
            seen = [picture for one in seen for picture in one]
        if settings:
            more["images_kwargs"] = settings
        return dict(self.processor(images=seen, text=words, return_tensors="pt", text_kwargs=text, **more))


class ChatCollator(Collator):
    """Prompt and answer in one sequence. They are tokenised apart, as they are when a model answers."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.ending = self.tokenizer(_ending(self.model), add_special_tokens=False).input_ids

    def batch(self, lessons: Sequence[Lesson]) -> dict:
        batch = self.prompts(lessons)
        keep = batch.pop("attention_mask").bool()
        answers = [torch.tensor(self.tokenizer(lesson.answer, add_special_tokens=False).input_ids + self.ending)
                   for lesson in lessons]
        ids, shape = batch.pop("input_ids"), keep.shape
        prompts = [row[kept] for row, kept in zip(ids, keep)]
        # Whatever else runs along the tokens, such as mm_token_type_ids, says 0 (plain text) along the answer.
        along = {name: batch.pop(name) for name in [name for name, value in batch.items()
                                                    if isinstance(value, torch.Tensor) and value.shape == shape]}
        pad = torch.nn.utils.rnn.pad_sequence
        batch["input_ids"] = pad([torch.cat(pair) for pair in zip(prompts, answers)], batch_first=True,
                                 padding_value=self.tokenizer.pad_token_id)
        batch["attention_mask"] = pad([torch.ones(len(a) + len(b), dtype=torch.long)
                                       for a, b in zip(prompts, answers)], batch_first=True)
        batch["labels"] = pad([torch.cat([torch.full_like(a, NEVER), b]) for a, b in zip(prompts, answers)],
                              batch_first=True, padding_value=NEVER)
        for name, values in along.items():
            batch[name] = pad([torch.cat([row[kept], row.new_zeros(len(answer))])
                               for row, kept, answer in zip(values, keep, answers)], batch_first=True)
        return batch


class SuffixCollator(Collator):
    """PaliGemma: its processor makes labels and token types from `suffix`, and puts the end there."""

    def batch(self, lessons: Sequence[Lesson]) -> dict:
        return self.prompts(lessons, side="right", suffix=[lesson.answer for lesson in lessons])


class DecoderCollator(Collator):
    """Florence-2. TRL shifts labels by one for models that read and write in one sequence; `shift_labels` says that
    these are shifted already: the decoder reads its start token, then all but the last of them."""

    def batch(self, lessons: Sequence[Lesson]) -> dict:
        batch = self.prompts(lessons)
        start = self.model.checkpoint.config.get_text_config().decoder_start_token_id
        end = self.tokenizer.eos_token_id
        answers = [self.tokenizer(lesson.answer).input_ids for lesson in lessons]
        answers = [torch.tensor(ids if ids and ids[-1] == end else [*ids, end]) for ids in answers]
        pad = torch.nn.utils.rnn.pad_sequence
        labels = pad(answers, batch_first=True, padding_value=NEVER)
        read = pad([torch.cat([torch.tensor([start]), ids[:-1]]) for ids in answers], batch_first=True,
                   padding_value=self.tokenizer.pad_token_id)
        return batch | {"labels": labels, "shift_labels": labels, "decoder_input_ids": read}


def collator(model: LocalModel, learnt: Sequence[Sample], spec: TrainSpec) -> Collator:
    kind = type(model.checkpoint.processor).__name__
    if kind == "PaliGemmaProcessor":
        return SuffixCollator(model, learnt, spec)
    return (DecoderCollator if model.checkpoint.config.is_encoder_decoder else ChatCollator)(model, learnt, spec)


def chunks(found: Sequence, size: int) -> Iterator[Sequence]:
    for start in range(0, len(found), size):
        yield found[start:start + size]


def _ending(model: LocalModel) -> str:
    """What the chat template puts behind an answer, such as <|im_end|>; the tokenizer's end where that is none."""
    processor, mark = model.checkpoint.processor, "Ω-answer-Ω"
    said = [{"role": "user", "content": [{"type": "text", "text": "x"}]},
            {"role": "assistant", "content": [{"type": "text", "text": mark}]}]
    end = processor.tokenizer.eos_token
    if not processor.chat_template:
        return end
    behind = processor.apply_chat_template(said, tokenize=False).rpartition(mark)[2].strip()
    ids = processor.tokenizer(behind, add_special_tokens=False).input_ids
    return behind if ids and ids[-1] in model.checkpoint.ends else behind + end
