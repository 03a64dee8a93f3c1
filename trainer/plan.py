"""What a run decides before its first step, once: how many updates, how many samples at a time. plan.json keeps it.

A run that is killed and goes on keeps its plan, also on a machine that has become busier: it must end with the weights
that it would have had. Only out of memory changes it: half as many samples at a time, twice as often, the same update.
"""
from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
import torch

from app.jobs.run import replace as write_json
from app.spec import TrainSpec
from trainer.model import computing, learning_rate, moved, part, trained

ROOM = 0.85  # of the free memory that a plan may fill; the rest is for fragments and for what nobody foresaw
# Bytes that a layer keeps for the way back, per token and unit of width, in half precision, and per token, head and
# token seen: Korthikanti et al. 2022, "Reducing activation recomputation in large transformer models".
KEPT, KEPT_ATTENTION = 34, 5
# TRL's figures, our events and checkpoints, as a share: updates of the tiny PaliGemma took 0.52 and 0.51 s on two cores
# where 0.44 and 0.41 were measured.
BESIDES = 1.3


@dataclass(frozen=True)
class Plan:
    steps: int
    micro_batch: int
    accumulation: int  # micro-batches of one GPU in an update
    checkpointing: bool
    learning_rate: float
    seconds_a_step: float | None = None  # as measured, where the minutes decided
    halved: int = 0  # how often memory ran out

    def save(self, folder: Path) -> None:
        write_json(folder / "plan.json", asdict(self))

    def after_running_out(self) -> Plan | None:
        """Half as many samples at a time; None where that has been tried twice, or there is one."""
        if self.halved == 2 or self.micro_batch % 2:
            return None
        return replace(self, micro_batch=self.micro_batch // 2, accumulation=self.accumulation * 2,
                       halved=self.halved + 1)


def saved(folder: Path) -> Plan | None:
    try:
        return Plan(**json.loads((folder / "plan.json").read_text("utf-8")))
    except FileNotFoundError:
        return None


def made(model, spec: TrainSpec, samples: int, tokens: int, processes: int, free: int | None = None) -> Plan:
    """By memory and epochs. `tokens`: of the longest of some rows. Raises ValueError where not even one row fits."""
    if spec.batch % processes:
        raise ValueError(f"batch is {spec.batch}, which cannot be spread over {processes} processes; "
                         f"{math.ceil(spec.batch / processes) * processes} can")
    here = spec.batch // processes
    free = free_memory() if free is None else free
    sizes = [spec.micro_batch] if spec.micro_batch else [n for n in range(here, 0, -1) if here % n == 0]
    if here % sizes[0]:
        raise ValueError(f"micro_batch is {spec.micro_batch}, but each of {processes} processes has {here} samples in "
                         f"an update; {math.gcd(here, spec.micro_batch)} would do")
    choices = {"on": [True], "off": [False], "auto": [False, True]}[spec.checkpointing]
    for checkpointing in choices:
        for size in sizes:
            if needed(model, size, tokens, checkpointing) < ROOM * free:
                steps = spec.max_steps or max(1, math.ceil(spec.epochs * samples / spec.batch))
                weights = sum(weight.numel() for weight in model.parameters())
                return Plan(steps, size, here // size, checkpointing, learning_rate(spec, weights))
    least = needed(model, sizes[-1], tokens, choices[-1])
    raise ValueError(f"training needs about {least / 1e9:.1f} GB of memory beside the weights and {free / 1e9:.1f} GB "
                     "are free; choose lora or qlora, a lower rank, or fewer max_pixels, or put other models aside")


def in_minutes(plan: Plan, spec: TrainSpec, seconds_a_step: float, besides: float) -> Plan:
    """Fewer updates where the spec's minutes would not do for all. `besides`: seconds for loading and asking."""
    plan = replace(plan, seconds_a_step=round(seconds_a_step, 4))
    if not spec.minutes or spec.max_steps:
        return plan
    left = 60 * spec.minutes - besides
    return replace(plan, steps=min(plan.steps, max(1, int(left / seconds_a_step))))


def needed(model, rows: int, tokens: int, checkpointing: bool) -> int:
    """Bytes that training takes beside the weights: gradients, Adam's two moments, what is kept for the way back."""
    learnt = trained(model) * (4 + 8)
    bytes_each = next(weight.element_size() for weight in model.parameters() if weight.is_floating_point())
    return learnt + sum(_kept(config, rows, tokens, checkpointing, bytes_each) for config in _configs(model))


def all_memory() -> int:
    """Of the device, were nobody else there."""
    return torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else psutil.virtual_memory().total


def free_memory() -> int:
    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else psutil.virtual_memory().available


def seconds_of_a_step(model, collate: Callable[[list], dict], rows: list, spec: TrainSpec, accumulation: int,
                      workers: int) -> float:
    """Of an update, measured on one micro-batch, the second time: the first one warms up.

    With the pictures, where no worker prepares them meanwhile, and with Adam. The weights stay as they are, since
    Adam's rate is 0.
    """
    model.train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    adam = torch.optim.AdamW(weights, lr=0.0, weight_decay=0.0)
    for _ in range(2):
        times = [time.monotonic()]
        batch = moved(collate(rows))
        times.append(_now())
        batch.pop("shift_labels", None)
        with computing(spec):
            model(**{name: value for name, value in batch.items() if name != "mm_encoder_outputs"} |
                  _fresh(batch), use_cache=False).loss.backward()
        times.append(_now())
        if torch.nn.utils.clip_grad_norm_(weights, spec.max_grad_norm).isfinite():  # 0 times infinity would stay
            adam.step()
        adam.zero_grad()
        times.append(_now())
    prepares, learns, steps = (after - before for before, after in itertools.pairwise(times))
    return BESIDES * (((0 if workers else prepares) + learns) * accumulation + steps)


def _now() -> float:
    """When all that the device was told is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()


def _fresh(batch: dict) -> dict:
    seen = batch.get("mm_encoder_outputs")
    return {} if seen is None else {"mm_encoder_outputs": dict(seen)}


def _kept(config, rows: int, tokens: int, checkpointing: bool, bytes_each: int) -> int:
    width, layers, heads = (_first(config, *names) for names in (
        ("hidden_size", "d_model", "embed_dim"), ("num_hidden_layers", "depth", "encoder_layers"),
        ("num_attention_heads", "num_heads", "encoder_attention_heads")))
    one = tokens * width * KEPT + KEPT_ATTENTION * heads * tokens * tokens
    all_layers = one + layers * tokens * width * 2 if checkpointing else one * layers
    return int(rows * all_layers * bytes_each / 2)


def _configs(model) -> list:
    """Of the language model, and of the tower where it trains too."""
    config = model.config
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    seeing = getattr(config, "vision_config", None)
    return [config.get_text_config(), *([seeing] if seeing is not None and
                                        any(part(name) == "vision" for name in names) else [])]


def _first(config, *names: str) -> int:
    for name in names:
        value = getattr(config, name, None)
        if isinstance(value, (list, tuple)):
            value = max(value)
        if value:
            return int(value)
    return 1
