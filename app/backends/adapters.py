"""What a PEFT adapter is, and whether it fits a base: said before it is loaded, from settings and shapes of weights.

LoRA and DoRA work here, on any layers, of any rank, several on one base at once, with the base untouched beside them.
What is missing is said: an adapter that touches the vision tower does not share a batch with its base.
"""
from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.backends import ModelError
from app.backends.checkpoint import safetensors_header

SETTINGS = "adapter_config.json"
LORA_A = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_(?:A|embedding_A)(?:\.\w+)?(?:\.weight)?$")
TOWER = re.compile(r"vision|visual|vit|image_encoder|multi_modal_projector|projector|connector", re.IGNORECASE)


@dataclass(frozen=True)
class Adapter:
    """`base` is the name that it gives its base; `tower` says whether it changes how the picture is seen."""
    base: str
    rank: int
    dora: bool = False
    tower: bool = False
    saved: tuple[str, ...] = ()  # whole layers that it brings

    @property
    def words(self) -> str:
        """`LoRA of rank 16`, with what does not work with it."""
        told = [f"{'DoRA' if self.dora else 'LoRA'} of rank {self.rank}"]
        told += ["touches the vision tower: asked by itself, not in one batch with its base"] if self.tower else []
        told += [f"brings whole layers ({', '.join(self.saved)})"] if self.saved else []
        told += ["vLLM takes no DoRA"] if self.dora else ["vLLM wants --max-lora-rank for it"] if self.rank > 16 else []
        return " · ".join(told)


def read(folder: Path) -> Adapter:
    """What the adapter in a folder is. Raises ModelError, one sentence, for what cannot work."""
    adapter = described(_settings(folder), str(folder))
    layers = _layers(folder)
    ranks = {shape[0] for shape in layers.values()}
    allowed = {adapter.rank, *_patterned(_settings(folder))}
    if ranks - allowed:
        raise ModelError(f"{folder} is damaged: its settings say rank {adapter.rank}, and its weights have "
                         f"{', '.join(map(str, sorted(ranks)))}; get it again from where it was trained")
    return Adapter(adapter.base, adapter.rank, adapter.dora, any(TOWER.search(name) for name in layers), adapter.saved)


def described(settings: Mapping, name: str) -> Adapter:
    """What its settings alone say, before its weights are here. Raises ModelError."""
    kind = str(settings.get("peft_type") or "no kind")
    if kind.upper() != "LORA":
        raise ModelError(f"{name} is an adapter of the kind {kind[:40]}; Boxloop takes LoRA and DoRA")
    rank = settings.get("r")
    if not isinstance(rank, int) or rank < 1:
        raise ModelError(f"{name} names no whole number as its rank (r: {str(rank)[:40]}), so it is no LoRA")
    saved = tuple(str(each)[:60] for each in settings.get("modules_to_save") or ())
    base = str(settings.get("base_model_name_or_path") or "")
    return Adapter(base, rank, bool(settings.get("use_dora")), saved=saved)


def check_fits(folder: Path, base: Path) -> None:
    """Raises ModelError if the base lacks the adapter's layers, or has them in another size.

    Names differ between a file (`language_model.model.layers…`) and the loaded model (`model.language_model.layers…`),
    so a layer is known by the end of its name; the loading itself has the last word.
    """
    there: dict[tuple, list[list[int]]] = {}
    for file in base.glob("*.safetensors"):
        for name, tensor in safetensors_header(file).items():
            there.setdefault(_end(name.removesuffix(".weight")), []).append(tensor["shape"])
    for layer, (_, width) in _layers(folder).items():
        shapes = there.get(_end(layer))
        if there and shapes is None:
            raise _other_base(folder, base, f"{base.name} has no layer {layer}")
        if shapes and not any(width in shape for shape in shapes):
            raise _other_base(folder, base, f"its layer {layer} takes {width} numbers, and there it takes "
                                            f"{shapes[0][-1] if shapes[0] else 'none'}")


def _other_base(folder: Path, base: Path, why: str) -> ModelError:
    named = described(_settings(folder), str(folder)).base
    return ModelError(f"the adapter {folder} does not fit {base}: {why}; "
                      f"it was trained on {named or 'a base that it does not name'}")


def _layers(folder: Path) -> dict[str, list[int]]:
    """The shape (rank, width) of each layer that it changes."""
    found = {}
    for file in folder.glob("*.safetensors"):
        for name, tensor in safetensors_header(file).items():
            layer = LORA_A.match(name)
            if layer and len(tensor["shape"]) == 2:
                found[layer[1]] = tensor["shape"] if "embedding" not in name else tensor["shape"][:1] + [0]
    return {layer: shape for layer, shape in found.items() if shape[1]}


def _end(name: str) -> tuple:
    """A layer of the tower is none of the language model, although both may end in `layers.0.self_attn.q_proj`."""
    return bool(TOWER.search(name)), ".".join(name.split(".")[-4:])


def _patterned(settings: Mapping) -> set[int]:
    pattern = settings.get("rank_pattern")
    return set(pattern.values()) if isinstance(pattern, dict) else set()


def _settings(folder: Path) -> dict:
    try:
        found = json.loads((folder / SETTINGS).read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise ModelError(f"{folder / SETTINGS} cannot be read: {problem}") from problem
    if not isinstance(found, dict):
        raise ModelError(f"{folder / SETTINGS} holds no settings but a {type(found).__name__}")
    return found
