"""What the frozen tower and projector make of each picture is computed once and kept in the run's folder.

The language model then trains on files instead of pictures: the same losses and gradients (a test compares), without
the tower's work and without reading, resizing and tokenising anything again. Only where nothing before the language
model trains and no picture is augmented; `model.pictures_are_constant` says so.
"""
from __future__ import annotations

import hashlib
import inspect
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers.modeling_outputs import BaseModelOutputWithPooling

from app.spec import TrainSpec
from app.types import Sample
from trainer import model as models
from trainer.data import NEVER, Collator

SPARE = 2 << 30  # bytes of the disk that are left for checkpoints and everything else


class VisionCache:
    """A collator that gives the batches of `inner` with features instead of pixels."""

    def __init__(self, inner: Collator, folder: Path) -> None:
        self.inner, self.folder = inner, folder
        self.words: dict[int, dict[str, torch.Tensor]] = {}  # by sample: everything but the picture
        folder.mkdir(parents=True, exist_ok=True)

    def fill(self, model, on_the_way: Callable[[int, int], None] = lambda done, of: None) -> str:
        """Computes what is not there yet. Returns why it could not be used; empty where it can."""
        seeing = _inner(model)
        if "mm_encoder_outputs" not in inspect.signature(seeing.forward).parameters:
            return f"{type(seeing).__name__} takes no features in place of pictures"
        for index, sample in enumerate(self.inner.samples):
            batch = self.inner.batch([self.inner.plain(sample)])
            pixels = {name: batch.pop(name) for name in list(batch) if name.startswith("pixel_")}
            more = {name: batch[name] for name in inspect.signature(seeing.get_image_features).parameters
                    if name in batch}
            file = self._file(sample)
            if not file.exists():
                _write(file, features(seeing, pixels | more, self.inner.spec))
                if index == 0 and (why := self._too_large(file)):
                    self.remove()
                    return why
            self.words[index] = {name: value for name, value in batch.items() if name not in POSITIONS}
            on_the_way(index + 1, len(self.inner.samples))
        return ""

    def __call__(self, wanted: Sequence[dict]) -> dict:
        chosen = [self.inner.order[int(each["row"])] for each in wanted]
        batch = _stacked([self.words[index] for index in chosen], self.inner.tokenizer.pad_token_id)
        batch["mm_encoder_outputs"] = {"image": _joined([load_file(self._file(self.inner.samples[index]))
                                                         for index in chosen])}
        return batch

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, sample: Sample) -> Path:
        name = " ".join(image.sha256 or image.path for image in sample.images)
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.safetensors"

    def _too_large(self, file: Path) -> str:
        needed = file.stat().st_size * len({self._file(sample) for sample in self.inner.samples})
        free = shutil.disk_usage(self.folder).free
        return "" if needed + SPARE < free else (
            f"the features of all pictures need {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB")


POSITIONS = ("image_position_ids",)  # Gemma 4's: of the pixels, and gone with them


@torch.no_grad()
def features(seeing, inputs: dict, spec: TrainSpec) -> dict[str, torch.Tensor]:
    """What the tower and projector make of one sample's pictures, as tensors with names that `_joined` reads."""
    training = seeing.training
    seeing.eval()
    try:
        with models.computing(spec):
            out = seeing.get_image_features(**models.moved(inputs), return_dict=True)
    finally:
        seeing.train(training)
    pooled = out.pooler_output
    found = {"whole": pooled} if isinstance(pooled, torch.Tensor) else {
        f"part {number:04d}": each for number, each in enumerate(pooled)}
    for level, each in enumerate(getattr(out, "deepstack_features", None) or ()):
        found[f"deep {level:04d}"] = each if isinstance(each, torch.Tensor) else torch.cat(list(each))
    return {name: value.detach().cpu().contiguous() for name, value in found.items()}


def _joined(found: list[dict[str, torch.Tensor]]) -> BaseModelOutputWithPooling:
    """The samples' features in one, as the model would have made them of one batch."""
    if "whole" in found[0]:
        out = BaseModelOutputWithPooling(pooler_output=torch.cat([each["whole"] for each in found]))
    else:
        out = BaseModelOutputWithPooling(pooler_output=tuple(
            each[name] for each in found for name in sorted(each) if name.startswith("part ")))
    if deep := sorted(name for name in found[0] if name.startswith("deep ")):
        from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures
        return BaseModelOutputWithDeepstackFeatures(
            pooler_output=out.pooler_output,
            deepstack_features=[tuple(each[name] for each in found) for name in deep])
    return out


def _stacked(rows: list[dict[str, torch.Tensor]], pad: int) -> dict:
    """Rows of one sample each, padded on the right; what does not run along the tokens is put one behind another."""
    filling = {"input_ids": pad, "decoder_input_ids": pad, "labels": NEVER, "shift_labels": NEVER}
    batch = {}
    for name, first in rows[0].items():
        values = [row[name] for row in rows]
        along = name in filling or first.shape == rows[0]["input_ids"].shape
        batch[name] = torch.nn.utils.rnn.pad_sequence(
            [value[0] for value in values], batch_first=True, padding_value=filling.get(name, 0)) if along else (
            torch.cat(values))
    return batch


def _inner(model):
    """The part that sees and reads, without the head and without PEFT around it."""
    return (model.get_base_model() if hasattr(model, "get_base_model") else model).model


def _write(file: Path, found: dict[str, torch.Tensor]) -> None:
    part = file.with_suffix(f".{os.getpid()}")
    save_file(found, part)
    os.replace(part, file)
