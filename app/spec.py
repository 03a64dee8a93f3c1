"""TrainSpec: a whole training run as one JSON file. The page's form, the command's `--set` and the trainer share it.

A field says its default, what is allowed and one line of help, and nobody says them again. `0` in a number that the
machine decides (`learning_rate`, `micro_batch`, `max_steps`) means: you choose; what was chosen stands in the run's
plan.json.
"""
from __future__ import annotations

import dataclasses
import json
import math
import re
import typing
from dataclasses import dataclass, field
from pathlib import Path

METHODS = {"sft": "Learn the corrected answers themselves."}
COMING = ("grpo", "dpo")  # the commands know their names; the trainer cannot do them yet


def setting(default, words: str, *, of: tuple = (), least: float | None = None, most: float | None = None):
    return field(default=default, metadata={"help": words, "of": of, "least": least, "most": most})


@dataclass(frozen=True)
class TrainSpec:
    """Raises ValueError, with the value and what would work, when a field cannot be."""
    source: str = setting("", "The checkpoint's folder, or its name on the Hub.")
    family: str = setting("", "The model's family, such as paligemma.")
    model: str = setting("", "What the model is called; an adapter names its base by it.")
    revision: str | None = setting(None, "The commit of a model from the Hub.")
    adapter: str | None = setting(None, "A PEFT adapter to go on from, with its own rank and layers.")
    train: str = setting("train.jsonl", "The samples to learn from, one row a line; seen from the run's folder.")
    heldout: str = setting("heldout.jsonl", "The samples to measure on; seen from the run's folder.")
    general: str = setting("", "More samples that must stay as good: the name of a dataset with a split val.")
    dataset: str = setting("", "What the data is called, for the model card.")
    general_name: str = setting("", "What the general set is called, for the receipt.")
    snapshot: str = setting("", "The version of the data, for the receipt.")

    method: str = setting("sft", "How it learns.", of=(*METHODS, *COMING))
    tune: str = setting("lora", "lora: a small adapter. qlora: the same on 4-bit weights (CUDA). full: all weights.",
                        of=("lora", "qlora", "full"))
    language: bool = setting(True, "Train the language model.")
    projector: bool = setting(False, "Train the projector between picture and language.")
    vision: bool = setting(False, "Train the vision tower: for pictures unlike any that it has seen.")
    rank: int = setting(16, "LoRA's rank: the size of the adapter.", least=1, most=512)
    alpha: int = setting(32, "LoRA's alpha: how strong the adapter is; often twice the rank.", least=1, most=4096)
    dropout: float = setting(0.05, "LoRA's dropout.", least=0, most=0.9)
    targets: str = setting("", "A regular expression for LoRA's layers; empty: those of the parts that are trained.")

    epochs: float = setting(3.0, "How often each sample is seen.", least=0.01, most=10_000)
    max_steps: int = setting(0, "Exactly so many updates; 0: by epochs and minutes.", least=0, most=10_000_000)
    minutes: float = setting(0.0, "Plan no more updates than fit in so many minutes; 0: no limit.", least=0, most=1e5)
    batch: int = setting(8, "Samples in one update, over all GPUs.", least=1, most=4096)
    micro_batch: int = setting(0, "Samples in memory at once on one GPU; 0: as many as fit.", least=0, most=4096)
    learning_rate: float = setting(0.0, "0: by the model's size and by what is trained.", least=0, most=1)
    schedule: str = setting("cosine", "How the learning rate falls.", of=("cosine", "linear", "constant"))
    warmup: float = setting(0.03, "The share of the updates in which the learning rate rises.", least=0, most=0.9)
    weight_decay: float = setting(0.0, "Pulls weights towards zero.", least=0, most=1)
    max_grad_norm: float = setting(1.0, "Longer gradients are cut to this.", least=1e-6, most=1e6)
    seed: int = setting(0, "Of the order, the dropout, the augmentation and the adapter's beginning.", least=0,
                        most=2**32 - 1)
    precision: str = setting("auto", "auto: bfloat16 on a GPU, float32 on a CPU.", of=("auto", "bfloat16", "float32"))
    checkpointing: str = setting("auto", "Gradient checkpointing: less memory, a third slower. auto: if it must be.",
                                 of=("auto", "on", "off"))
    max_pixels: int = setting(0, "The most pixels of a picture that the model sees; 0: its own rule.", least=0,
                              most=100_000_000)
    workers: int = setting(-1, "Processes that prepare pictures; -1: by the machine.", least=-1, most=128)
    cache_vision: bool = setting(True, "See each picture once and keep it, where nothing before the language trains.")

    flip: float = setting(0.0, "How often a picture is mirrored, with left and right swapped in its words.", least=0,
                          most=1)
    crop: float = setting(0.0, "How often a picture is cropped, never through an object.", least=0, most=1)
    colour: float = setting(0.0, "How often its brightness, contrast and colour are changed.", least=0, most=1)

    evaluations: int = setting(8, "How often the held-out samples are answered on the way.", least=0, most=1000)
    heldout_most: int = setting(64, "How many held-out samples are answered each time.", least=1, most=100_000)
    judged_most: int = setting(64, "How many held-out samples the receipt is made on, at most; each is asked 3 times.",
                               least=1, most=100_000)
    max_tokens: int = setting(256, "The longest answer then.", least=1, most=8192)
    patience: int = setting(0, "Stop after so many evaluations without a better one; 0: never.", least=0, most=1000)
    save_minutes: float = setting(10.0, "A checkpoint at least this often; 0: after every update.", least=0,
                                  most=1e5)
    merge: bool = setting(False, "Also write the base with the adapter merged into it.")
    push: str = setting("", "owner/name on the Hub to upload to when it is done; needs HF_TOKEN.")
    reporters: str = setting("", "tensorboard, wandb, trackio, separated by commas; each must be installed.")

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            _check(each, getattr(self, each.name))
        if self.method in COMING:
            raise ValueError(f"the method {self.method} cannot be trained yet; sft can")
        if not (self.language or self.projector or self.vision):
            raise ValueError("nothing would be trained: set language, projector or vision to true")
        if self.micro_batch and self.batch % self.micro_batch:
            raise ValueError(f"micro_batch is {self.micro_batch}, which does not divide batch, {self.batch}; "
                             f"{math.gcd(self.batch, self.micro_batch)} does")
        if self.push and not re.fullmatch(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", self.push):
            raise ValueError(f"push is {self.push!r}; it must be a name on the Hub, such as you/cells")
        if unknown := set(self.reporting) - {"tensorboard", "wandb", "trackio"}:
            raise ValueError(f"reporters has {', '.join(sorted(unknown))}; there are: tensorboard, wandb, trackio")
        try:
            re.compile(self.targets)
        except re.error as problem:
            raise ValueError(f"targets is {self.targets!r}, which is no regular expression: {problem}") from problem

    @property
    def reporting(self) -> tuple[str, ...]:
        return tuple(filter(None, (name.strip() for name in self.reporters.split(","))))

    @property
    def augments(self) -> bool:
        return bool(self.flip or self.crop or self.colour)

    def to_json(self) -> dict:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Preset:
    title: str
    help: str
    minutes: float  # what it plans for; the run's preflight measures what it will really be
    settings: dict


PRESETS = {
    "quick": Preset("Quick", "Is there something to learn? A first answer in minutes.", 5,
                    {"minutes": 5.0, "epochs": 60.0, "evaluations": 4, "heldout_most": 32}),
    "standard": Preset("Standard", "What most data needs.", 30,
                       {"minutes": 30.0, "epochs": 120.0, "evaluations": 8, "flip": 0.5}),
    "thorough": Preset("Thorough", "For the last percent: more data is often better.", 180,
                       {"minutes": 180.0, "epochs": 300.0, "evaluations": 16, "heldout_most": 256,
                        "judged_most": 512, "flip": 0.5,
                        "crop": 0.3, "colour": 0.3, "patience": 6}),
}


def from_json(row: object) -> TrainSpec:
    """The spec that `to_json` gave, or a person wrote. Raises ValueError naming what is wrong."""
    if not isinstance(row, dict):
        raise ValueError(f"a training spec is a JSON object of settings, not {str(row)[:80]!r}")
    known = [each.name for each in dataclasses.fields(TrainSpec)]
    if unknown := [name for name in row if name not in known]:
        raise ValueError(f"there is no setting {unknown[0]!r}; there are: {', '.join(known)}")
    return TrainSpec(**{name: _number(name, value) for name, value in row.items()})


def read(path: Path) -> TrainSpec:
    try:
        return from_json(json.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise ValueError(f"{path} cannot be read as a training spec: {problem}") from problem


def changed(spec: TrainSpec, words: typing.Iterable[str]) -> TrainSpec:
    """`["rank=8", "preset=quick"]` → the spec with that; a preset first, whatever its place. Raises ValueError."""
    new: dict = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise ValueError(f"{word!r} is no setting; write key=value, such as rank=8")
        new[name.strip()] = value.strip()
    if (name := new.pop("preset", None)) is not None:
        if name not in PRESETS:
            raise ValueError(f"there is no preset {name!r}; there are: {', '.join(PRESETS)}")
        spec = dataclasses.replace(spec, **PRESETS[name].settings)
    return from_json(spec.to_json() | {name: _typed(name, value) for name, value in new.items()})


def _typed(name: str, text: str):
    """What a person typed, as the kind of value that the field holds; what cannot be is left to be refused."""
    kind = _kinds().get(name)
    if kind is bool and text.lower() in ("true", "false", "yes", "no", "1", "0"):
        return text.lower() in ("true", "yes", "1")
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    return None if kind not in (str, bool) and not text else text


def _number(name: str, value):
    """JSON's 3 for a field that holds 3.0."""
    return float(value) if _kinds()[name] is float and type(value) is int else value


def _check(each: dataclasses.Field, value) -> None:
    kind, limits = _kinds()[each.name], each.metadata
    if type(value) is not kind and not (kind not in (bool, int, float, str) and (value is None or type(value) is str)):
        names = {bool: "true or false", int: "a whole number", float: "a number"}
        raise ValueError(f"{each.name} is {value!r}; it must be {names.get(kind, 'a text')}")
    if limits["of"] and value not in limits["of"]:
        raise ValueError(f"{each.name} is {value!r}; it can be: {', '.join(limits['of'])}")
    least, most = limits["least"], limits["most"]
    if least is not None and not least <= value <= most:  # NaN is neither
        raise ValueError(f"{each.name} is {value}; it must be between {least:g} and {most:g}")


def _kinds() -> dict:
    return typing.get_type_hints(TrainSpec)
