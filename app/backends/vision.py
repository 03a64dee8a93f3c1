"""What a vision tower made of a picture, kept: a second question about it, or another adapter, runs no tower again.

The key is the very numbers that go into the tower, by hash, so picture, processor and pixel budget are in it and none
of them can be forgotten; the tower is in it because each loaded checkpoint has features of its own, and the adapter
where it changes how a picture is seen. `generate` takes them as `mm_encoder_outputs` (transformers 5.23), which it
otherwise makes in the same way, so the answers are the same to the last bit.
"""
from __future__ import annotations

import hashlib
import inspect
from collections import OrderedDict
from collections.abc import Sequence

import torch

MOST_BYTES = 512 << 20  # in the machine's memory: 100 pictures at 448 pixels of PaliGemma 2, 300 to 80 of Qwen2.5-VL


class Features:
    """The pictures of one checkpoint, the least recently used leave first. Not thread-safe: hold the checkpoint's lock.
    """

    def __init__(self, model, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes, self.bytes = most_bytes, 0
        self.passes = 0  # of the tower, since the beginning
        self.kept: OrderedDict[str, tuple] = OrderedDict()
        self.encode = getattr(model.base_model, "get_image_features", None)
        self.takes = self._names(model)

    def _names(self, model) -> tuple[str, ...]:
        """What the tower takes of a processor's outputs; () where `generate` cannot be given features (Kosmos-2)."""
        given = model._supports_mm_encoder_outputs() or type(model).__name__.startswith("Florence2")
        if self.encode is None or not given:
            return ()
        return tuple(name for name in inspect.signature(self.encode).parameters if name != "kwargs")

    def of(self, given: Sequence[dict], seers: Sequence[str | None], device, dtype):
        """The features of several inputs, behind each other; `seers` are the adapters that change how each is seen."""
        return _joined([self._one(inputs, seer, device, dtype) for inputs, seer in zip(given, seers, strict=True)])

    def _one(self, inputs: dict, seer: str | None, device, dtype):
        taken = {name: inputs[name] for name in self.takes if inputs.get(name) is not None}
        key = _key(taken, seer)
        if key in self.kept:
            self.kept.move_to_end(key)
        else:
            self.passes += 1
            moved = {name: each.to(device, dtype if each.is_floating_point() else None)
                     if isinstance(each, torch.Tensor) else each for name, each in taken.items()}
            self._keep(key, _slim(self.encode(**moved, return_dict=True)))
        kind, parts, _ = self.kept[key]
        return kind(**{name: _moved(part, device) for name, part in parts.items()})

    def _keep(self, key: str, found: tuple) -> None:
        self.kept[key] = found
        self.bytes += found[2]
        while self.bytes > self.most_bytes and len(self.kept) > 1:
            _, (*_, freed) = self.kept.popitem(last=False)
            self.bytes -= freed


def _key(taken: dict, seer: str | None) -> str:
    digest = hashlib.blake2b(str(seer).encode(), digest_size=20)
    for name, value in taken.items():
        digest.update(f"{name} {getattr(value, 'shape', value)} {getattr(value, 'dtype', '')} ".encode())
        if isinstance(value, torch.Tensor):
            digest.update(memoryview(value.contiguous().numpy()).cast("B"))
    return digest.hexdigest()


def _slim(output) -> tuple:
    """(its class, the parts that `generate` reads, their bytes): no hidden states, in the machine's memory."""
    parts = {name: _moved(output[name], "cpu") for name in ("pooler_output", "deepstack_features")
             if output.get(name) is not None}
    return type(output), parts, sum(map(_bytes, parts.values()))


def _moved(part, device):
    return part.to(device) if isinstance(part, torch.Tensor) else type(part)(_moved(each, device) for each in part)


def _bytes(part) -> int:
    return part.nbytes if isinstance(part, torch.Tensor) else sum(map(_bytes, part))


def _joined(outputs: list):
    """Several outputs as the one of a batch: tensors and tuples of pictures behind each other, for each level."""
    first = outputs[0]
    joined = {"pooler_output": _behind([each["pooler_output"] for each in outputs])}
    if first.get("deepstack_features") is not None:
        joined["deepstack_features"] = [_behind(list(level)) for level in zip(
            *(each["deepstack_features"] for each in outputs), strict=True)]
    return type(first)(**joined)


def _behind(parts: list):
    return torch.cat(parts) if isinstance(parts[0], torch.Tensor) else tuple(each for part in parts for each in part)
