"""The model to be trained: loaded as it is loaded to be asked, then frozen but for what the spec trains.

LoRA goes on the family's language layers; the tower's and the projector's too where the spec says so. A seed fixes the
adapter's beginning. Nothing here guesses: which part a weight belongs to is decided by the names that transformers
gives the towers and projectors of its models.
"""
from __future__ import annotations

import os
import re
from dataclasses import replace
from types import SimpleNamespace

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

from app.backends import ModelError
from app.backends.checkpoint import LOADING, explained, folder_of, revision_of
from app.backends.local import LocalModel
from app.backends.processors import load_processor
from app.families import find
from app.spec import TrainSpec
from app.types import ModelSpec

TOWER = ("vision_tower", "vision_model", "visual", "image_tower", "vision_encoder")
PROJECTOR = ("multi_modal_projector", "connector", "aligner", "embed_vision", "merger", "deepstack_merger_list")
SMALL = 50_000_000  # weights; below, a model is a demo and learns at ten times the rate
# Measured: demo models on BCCD with all weights at 5e-4 (notes); 1e-4 is LoRA's usual rate for billions of weights.
RATES = {("lora", False): 1e-4, ("lora", True): 1.5e-3, ("full", False): 2e-5, ("full", True): 5e-4}
VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # --max-lora-rank takes no other


class Weightless:
    """A checkpoint's processor and config without its weights: enough to write lessons and to test coordinates."""

    def __init__(self, spec: TrainSpec) -> None:
        self.folder = folder_of(spec.source, spec.revision)
        with LOADING:
            self.processor = load_processor(str(self.folder), local_files_only=True)
            self.config = AutoConfig.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        self.device, self.model = "cpu", SimpleNamespace(dtype=torch.float32)
        self.revision = revision_of(self.folder)
        self.ends = _ends(self)


def asked(spec: TrainSpec) -> LocalModel:
    """The model as far as it can be known without weights. Raises ModelError, ValueError."""
    model_spec = _spec(spec)
    with explained(model_spec):
        return LocalModel(model_spec, Weightless(spec))


def load(spec: TrainSpec, known: LocalModel):
    """The weights on this process's device, made ready: a PEFT model, or one of which some or all weights train."""
    with explained(known.spec), LOADING:
        where, kind = device(), dtype(spec)
        options = {"quantization_config": _four_bits(kind), "device_map": {"": where}} if spec.tune == "qlora" else {}
        model = AutoModelForImageTextToText.from_pretrained(
            known.checkpoint.folder, dtype=kind, use_safetensors=True, trust_remote_code=False, local_files_only=True,
            **options)
        return made_ready(model if options else model.to(where), spec, known)


def made_ready(model, spec: TrainSpec, known: LocalModel):
    """Everything frozen but what the spec trains. Weights that train are float32: bfloat16 loses small updates."""
    torch.manual_seed(spec.seed)
    model.requires_grad_(False)
    if spec.adapter:
        import peft
        return peft.PeftModel.from_pretrained(model, spec.adapter, is_trainable=True)
    if spec.tune != "full":
        return _with_lora(model, spec, known)
    for name, weight in model.named_parameters():
        if wanted(part(name), spec):
            weight.requires_grad_(True)
            weight.data = weight.data.float()
    return model


def part(name: str) -> str:
    """Which part of a model a weight or layer belongs to: "projector", "vision" or "language"."""
    pieces = name.split(".")
    if any(piece in PROJECTOR for piece in pieces):
        return "projector"
    # Idefics3 and SmolVLM have a text_model beside the vision_model; SigLIP has a vision_model in the vision_tower.
    return "vision" if any(piece in TOWER for piece in pieces) else "language"


def wanted(name: str, spec: TrainSpec) -> bool:
    return {"language": spec.language, "projector": spec.projector, "vision": spec.vision}[name]


def layers(model, spec: TrainSpec, language: str) -> list[str]:
    """The linear layers that LoRA goes on: the spec's own regular expression, or those of the parts it trains."""
    linear = [name for name, module in model.named_modules()
              if isinstance(module, torch.nn.Linear) or type(module).__name__ == "Linear4bit"]
    if spec.targets:
        found = [name for name in linear if re.fullmatch(spec.targets, name)]
        if not found:
            raise ValueError(f"targets is {spec.targets!r}, which matches no layer of this model; its layers are like "
                             f"{linear[0]} and {linear[-1]}")
        return found
    return [name for name in linear if wanted(part(name), spec) and
            (part(name) != "language" or re.fullmatch(language, name))]


def learning_rate(spec: TrainSpec, weights: int) -> float:
    return spec.learning_rate or RATES["full" if spec.tune == "full" else "lora", weights < SMALL]


def trained(model) -> int:
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def pictures_are_constant(model, spec: TrainSpec) -> bool:
    """Whether what the language model gets of a picture cannot change during the run."""
    return not spec.augments and not any(weight.requires_grad and part(name) != "language"
                                         for name, weight in model.named_parameters())


def vllm_limits(spec: TrainSpec) -> list[str]:
    """Why a vLLM server would not take the adapter, in sentences; none if it would."""
    found = []
    if spec.tune != "full" and spec.rank not in VLLM_RANKS:
        higher = next(rank for rank in VLLM_RANKS if rank >= spec.rank)
        found.append(f"the rank {spec.rank} is none of vLLM's; start it with --max-lora-rank {higher}")
    if spec.tune != "full" and (spec.vision or spec.projector):
        found.append("vLLM puts adapters on the language model only, and this one is also on what sees the picture: "
                     "serve the merged model")
    return found


def without_an_adapter(spec: TrainSpec) -> TrainSpec:
    """For counting: new layers of the spec's rank in place of those of an adapter to go on from."""
    return replace(spec, adapter=None, tune="lora" if spec.tune == "qlora" else spec.tune)


def device() -> str:
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}"


def computing(spec: TrainSpec):
    """The context of a forward pass: weights that train are float32 beside frozen ones in bfloat16."""
    return torch.autocast("cuda" if torch.cuda.is_available() else "cpu", torch.bfloat16,
                          enabled=dtype(spec) == torch.bfloat16)


def moved(batch: dict) -> dict:
    """A batch on this process's device."""
    return {name: value.to(device()) if hasattr(value, "to") else value for name, value in batch.items()}


def dtype(spec: TrainSpec) -> torch.dtype:
    if spec.precision == "auto":
        return torch.bfloat16 if torch.cuda.is_available() else torch.float32
    return getattr(torch, spec.precision)


def _spec(spec: TrainSpec) -> ModelSpec:
    family = find(spec.family)
    if spec.method not in family.trainable_by or family.backend != "local":
        others = ", ".join(sorted(each.title for each in _trainable(spec.method)))
        raise ValueError(f"{family.title} cannot be trained by {spec.method} here; these can: {others}")
    return ModelSpec(spec.model or spec.source, family.name, "local", spec.source, spec.revision)


def _trainable(method: str) -> list:
    from app import families
    return [each for each in families.every() if method in each.trainable_by and each.backend == "local"]


def _with_lora(model, spec: TrainSpec, known: LocalModel):
    import peft
    chosen = layers(model, spec, known.family.language_layers)
    if not chosen:
        raise ValueError(f"LoRA finds no layer to go on in {known.family.title}: train another part, or name targets")
    if spec.tune == "qlora":
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return peft.get_peft_model(model, peft.LoraConfig(
        r=spec.rank, lora_alpha=spec.alpha, lora_dropout=spec.dropout, target_modules=_expression(chosen)))


def _expression(names: list[str]) -> str:
    """One regular expression for exactly these layers, short: adapters are read by people, and by vLLM."""
    shapes = sorted({re.sub(r"\.\d+\.", ".#.", name) for name in names})
    return "|".join(re.escape(shape).replace(r"\#", "#").replace(r"\.#\.", r"\.\d+\.") for shape in shapes)


def _four_bits(kind: torch.dtype):
    from transformers import BitsAndBytesConfig
    if not torch.cuda.is_available():
        raise ModelError("qlora keeps weights in 4 bits, which needs an NVIDIA GPU and the library bitsandbytes; "
                         "choose lora")
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=kind,
                              bnb_4bit_use_double_quant=True)


def _ends(weightless: Weightless) -> frozenset[int]:
    """The tokens that end an answer when the model is asked."""
    tokenizer = weightless.processor.tokenizer
    try:
        ends = GenerationConfig.from_pretrained(weightless.folder, local_files_only=True).eos_token_id
    except OSError:  # a checkpoint without one: the tokenizer knows
        ends = None
    ends = ends if isinstance(ends, list) else [ends]
    return frozenset(end for end in (*ends, tokenizer.eos_token_id) if end is not None)
