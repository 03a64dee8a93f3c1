"""Shared by the benchmarks of models: a checkpoint of real classes with random weights, large enough for its arithmetic
to cost something, pictures, and pairs of times taken in turn.

No weights can be downloaded everywhere, and speed does not depend on their values: a Qwen3-VL of 56 million weights on
two cores behaves like 4 billion on a GPU where what counts is how many steps there are, and not where each is spent.
"""
from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import PIL.Image

from app import pictures
from app.types import Generation, ModelSpec, Request

SHIPPED = Path(__file__).resolve().parents[1] / "assets" / "models"
TEXT = dict(hidden_size=512, intermediate_size=1536, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=2,
            head_dim=64)
VISION = dict(depth=8, hidden_size=512, out_hidden_size=512, intermediate_size=1536, num_heads=8,
              deepstack_visual_indexes=[2, 4, 6])


def model(vocabulary: int | None = None):
    """The LocalModel: the shipped tiny Qwen3-VL's processor around larger random weights."""
    import torch
    import transformers

    from app.backends import local
    from app.backends.processors import load_processor
    torch.manual_seed(1)
    small = SHIPPED / "tiny-qwen3-vl"
    config = json.loads((small / "config.json").read_text("utf-8"))
    config["text_config"] |= TEXT | {"rope_parameters": {"rope_type": "default", "mrope_section": [12, 10, 10],
                                                         "rope_theta": 1e4}}
    config["vision_config"] |= VISION
    config["text_config"]["vocab_size"] = vocabulary or config["text_config"]["vocab_size"]
    folder = Path(tempfile.mkdtemp(prefix="boxloop-speed-"))
    built = transformers.Qwen3VLForConditionalGeneration(transformers.Qwen3VLConfig.from_dict(config))
    built.generation_config.eos_token_id = None
    built.save_pretrained(folder)
    load_processor(str(small)).save_pretrained(folder)
    loaded = local.load(ModelSpec("speed", "qwen3-vl", "local", str(folder)))
    loaded.checkpoint.model.generation_config.suppress_tokens = loaded.checkpoint.processor.tokenizer.all_special_ids
    return loaded


def adapted(base, count: int = 1) -> list:
    """LoRA adapters of rank 16 on the language layers of `base`."""
    import peft
    import torch
    import transformers
    found = []
    for number in range(count):
        torch.manual_seed(number)
        plain = transformers.AutoModelForImageTextToText.from_pretrained(base.spec.source)
        tuned = peft.get_peft_model(plain, peft.LoraConfig(r=16, target_modules=base.family.language_layers))
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.02)
        folder = Path(base.spec.source) / f"adapter{number}"
        tuned.save_pretrained(folder)
        found.append(base.adapted(ModelSpec(f"tuned{number}", "qwen3-vl", "local", base.spec.source,
                                            adapter=str(folder))))
    return found


def requests(count: int, size: tuple[int, int] = (256, 192)) -> list[Request]:
    folder = Path(tempfile.mkdtemp(prefix="boxloop-speed-"))
    for number in range(count):
        PIL.Image.effect_noise(size, 30 + 5 * number).convert("RGB").save(folder / f"{number}.png")
    return [Request((pictures.read(folder / f"{number}.png"),), "detect", names=("cat", "dog"))
            for number in range(count)]


def finished(model, request: Request, generation: Generation):
    return list(model.generate(request, generation, threading.Event()))[-1]


def paired(first: Callable[[], object], second: Callable[[], object], times: int) -> tuple[list[float], list[float]]:
    """Seconds of both, in turn, each after one that is not counted."""
    first(), second()
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        for work, times_of in zip((first, second), taken, strict=True):
            began = time.perf_counter()
            work()
            times_of.append(time.perf_counter() - began)
    return taken


def ratio(slow: Sequence[float], quick: Sequence[float]) -> float:
    """How many times quicker, at the median of the pairs."""
    return round(statistics.median(a / b for a, b in zip(slow, quick, strict=True)), 2)


def seconds(values: Sequence[float]) -> float:
    return round(statistics.median(values), 3)
