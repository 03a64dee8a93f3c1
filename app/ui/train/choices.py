"""What can be chosen for a training: presets as cards, every setting of TrainSpec with its help and limits, and the
same as a file. No gradio: the page's form, `--set` and the file are one thing in three writings."""
from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping

from app import spec as specs
from app.spec import METHODS, PRESETS, TrainSpec

# What is chosen above the drawer, or filled in by app.training.
ELSEWHERE = {"source", "family", "model", "revision", "adapter", "train", "heldout", "dataset", "snapshot",
             "general_name"}
GROUPS = {
    "What learns": ("method", "tune", "language", "projector", "vision", "rank", "alpha", "dropout", "targets"),
    "How long": ("epochs", "max_steps", "minutes", "patience"),
    "How it learns": ("batch", "micro_batch", "learning_rate", "schedule", "warmup", "weight_decay", "max_grad_norm",
                      "seed"),
    "Pictures": ("max_pixels", "flip", "crop", "colour", "cache_vision"),
    "Measuring": ("evaluations", "heldout_most", "judged_most", "general", "max_tokens"),
    "This machine": ("precision", "checkpointing", "workers"),
    "Keeping": ("save_minutes", "merge", "push", "reporters"),
}
REST = "More"  # where a setting stands that nobody has put into a group yet
FIRST = "quick"
LONGEST = 2_000  # characters of one setting
BIGGEST_FILE = 200_000  # characters of a spec


@dataclasses.dataclass(frozen=True)
class Choice:
    """What the cards and the drawer hold: a preset, and the settings that differ from it, as they were typed."""
    preset: str = FIRST
    changed: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, told: object) -> Choice:
        """From the browser, which may say anything; what is no setting is left out."""
        told = told if isinstance(told, Mapping) else {}
        changed = told.get("changed") if isinstance(told.get("changed"), Mapping) else {}
        known = {each.name for each in fields()}
        return cls(told.get("preset") if told.get("preset") in PRESETS else FIRST,
                   {name: str(value)[:LONGEST] for name, value in changed.items() if name in known})

    @property
    def settings(self) -> list[str]:
        """`key=value` words, as `python -m app train --set` takes them."""
        return [f"preset={self.preset}", *(f"{name}={value}" for name, value in self.changed.items()
                                           if name != "method")]

    @property
    def method(self) -> str:
        return self.changed.get("method", TrainSpec.method)

    def to_json(self) -> dict:
        return {"preset": self.preset, "changed": dict(self.changed)}


def fields() -> tuple[dataclasses.Field, ...]:
    return tuple(each for each in dataclasses.fields(TrainSpec) if each.name not in ELSEWHERE)


def schema() -> dict:
    """What the component draws: {"presets": [CARD], "groups": [{"title", "fields": [FIELD]}]}.

    A FIELD says its name, title, help, kind ("bool", "choice", "number" or "text"), its default under each preset, what
    is allowed.
    """
    placed = {name for names in GROUPS.values() for name in names}
    known = {each.name: each for each in fields()}
    groups = GROUPS | {REST: tuple(name for name in known if name not in placed)}
    return {"presets": [{"name": name, "title": each.title, "help": each.help, "minutes": each.minutes}
                        for name, each in PRESETS.items()],
            "groups": [{"title": title, "fields": [_field(known[name]) for name in names if name in known]}
                       for title, names in groups.items() if any(name in known for name in names)]}


def document(choice: Choice, dataset: str, model: str, family: str) -> dict:
    """The spec as a file: everything that was chosen, and nothing that is only true on this machine.

    Raises ValueError for a setting that cannot be.
    """
    spec = dataclasses.replace(TrainSpec(), dataset=dataset, model=model, family=family, method=choice.method)
    told = specs.changed(spec, choice.settings).to_json()
    return {name: value for name, value in told.items() if name not in ELSEWHERE or name in ("dataset", "model",
                                                                                             "family")}


def read(text: str) -> tuple[Choice, TrainSpec]:
    """A file that `document` made, a run's spec.json, or one that a person wrote. Raises ValueError."""
    if len(text) > BIGGEST_FILE:
        raise ValueError(f"a spec of {len(text):,} characters is no spec; save one here to see what it looks like")
    try:
        spec = specs.from_json(json.loads(text))
    except json.JSONDecodeError as problem:
        raise ValueError(f"this file is no JSON ({problem}); save a spec here to see what one looks like") from problem
    return of(spec), spec


def of(spec: TrainSpec) -> Choice:
    """The preset that a spec differs least from, and the differences."""
    told = spec.to_json()
    if told.get("general_name"):  # a run's spec has the set as a file; its name is what is chosen
        told["general"] = told["general_name"]

    def differing(preset: str) -> dict[str, str]:
        begun = dataclasses.replace(TrainSpec(), **PRESETS[preset].settings).to_json()
        return {each.name: written(told[each.name]) for each in fields() if told[each.name] != begun[each.name]}

    nearest = min(PRESETS, key=lambda preset: len(differing(preset)))
    return Choice(nearest, differing(nearest))


def written(value: object) -> str:
    """A value as `--set` takes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _field(each: dataclasses.Field) -> dict:
    kind, limits = typing.get_type_hints(TrainSpec)[each.name], each.metadata
    allowed = list(METHODS) if each.name == "method" else list(limits["of"])
    told = "choice" if allowed else {bool: "bool", int: "number", float: "number"}.get(kind, "text")
    defaults = {name: written(preset.settings.get(each.name, each.default)) for name, preset in PRESETS.items()}
    return {"name": each.name, "title": each.name.replace("_", " ").capitalize(), "help": limits["help"], "kind": told,
            "whole": kind is int, "of": allowed, "least": limits["least"], "most": limits["most"],
            "defaults": defaults}
