"""The model card of a tuned model: what it is, what it learnt from, what it reaches, how to load it, what it is not."""
from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import torch

from app.spec import TrainSpec

CONTROLS = {"shuffled": "shuffled pictures", "class_agnostic": "without labels", "unreadable": "unreadable"}
PLACES = ("source", "adapter", "train", "heldout", "general")  # on this machine: nobody else's business
LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate")


def card(spec: TrainSpec, known, receipt: dict, merged: bool = False) -> str:
    full = spec.tune == "full"
    whole, joined = full or merged, ", merged into its base" if merged else ""
    front = {"model_name": _title(spec), "base_model": _base(spec),
             "library_name": "transformers" if whole else "peft",
             "tags": ["boxloop", "trl", spec.method, *(() if whole else ("lora",))]}
    head = "\n".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in front.items())
    what = "all weights of the trained parts" if full else f"LoRA of rank {spec.rank}, alpha {spec.alpha}"
    trains = ", ".join(name for name in ("language", "projector", "vision") if getattr(spec, name))
    limits = "".join(f"- {limit}\n" for limit in receipt["vllm"]) or "- vLLM loads it as it is.\n"
    return f"""---
{head}
---
# {_plain(_title(spec))}

{known.family.title}, tuned by Boxloop: {what} ({trains}; {receipt["trained"]:,} weights){joined}, on
{receipt["samples"]} samples in {receipt["best_step"]} updates of {spec.batch}, seed {spec.seed}.
Base: {_plain(_base(spec))}, revision {receipt["base"]["revision"]}.

{_receipt(receipt.get("comparison"))}
```json
{json.dumps({name: value for name, value in spec.to_json().items() if name not in PLACES})}
```

## Limits
- It knows the pictures and labels it was tuned on; others may have become worse.
{limits}
Versions: {", ".join(f"{name} {version}" for name, version in receipt["versions"].items())}; {receipt["device"]}.
"""


def versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def device() -> str:
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"


def _title(spec: TrainSpec) -> str:
    return f"{_base(spec)}, tuned{f' on {spec.dataset}' if spec.dataset else ''}"


def _base(spec: TrainSpec) -> str:
    """By its name: a folder on this machine is nobody else's business."""
    name = spec.model or spec.source
    return Path(name).name if Path(name).is_absolute() else name


def _receipt(told: dict | None) -> str:
    """What got better and what got worse, with how sure that is, and the controls."""
    if told is None:
        return "Nothing was held out, so nothing is known of how good it is.\n"
    lines = [f"**{_plain(told['verdict']['sentences'][0])}**", ""]
    lines += [f"- {_plain(sentence)}" for sentence in told["verdict"]["sentences"][1:]]
    chosen = "" if told["independent"] else ", which also chose the checkpoint"
    lines += ["", *_table(f"{told['samples']} held-out samples{chosen}", told["metrics"])]
    if told["general"]:
        general = told["general"]
        lines += ["", *_table(f"general set {_plain(general['dataset'])}, {general['samples']} samples",
                              general["metrics"])]
    lines += ["", "Controls:", *(f"- {name}: {_plain(told['controls'][key]['words'])}" for key, name in CONTROLS.items()
                                 if told["controls"][key])]
    return "\n".join(lines) + "\n"


def _table(head: str, metrics: list[dict]) -> list[str]:
    """Base, tuned, and the difference with its 95% interval, by a paired bootstrap over pictures."""
    return [f"| {head} | base | tuned | difference | 95% interval | |", "|---|---|---|---|---|---|",
            *(f"| {_plain(one['name'])} | {_number(one['base'])} | {_number(one['tuned'])} | "
              f"{_number(one['difference'], '+')} | {_interval(one['interval'])} | {one['verdict']} |"
              for one in metrics)]


def _interval(interval: list[float] | None) -> str:
    return "–" if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f}"


def _number(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.3f}"


def _plain(words: str) -> str:
    """Somebody's words in a table of Markdown: on one line, and no table, link or tag of their own."""
    return "".join(f"\\{letter}" if letter in "|[]<>`*_#" else letter for letter in " ".join(words.split()))
