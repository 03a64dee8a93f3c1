"""What the browser keeps of the Fine-tune tab, so that a reload loses nothing: what is chosen, and what is looked at.

They are kept apart because they are written by events that overtake each other: a setting's echo, still on its way
when Start is pressed, must not bring back the run that was looked at before.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.ui.train.choices import Choice

MOST_TICKED = 6


@dataclass(frozen=True)
class Chosen:
    """The form."""
    dataset: str = ""
    model: str = ""
    choice: Choice = field(default_factory=Choice)

    @classmethod
    def of(cls, dataset: str | None, model: str | None, plan: object) -> Chosen:
        """What stands in the form now."""
        return cls(dataset or "", model or "", Choice.read(plan))

    @classmethod
    def read(cls, told: object) -> Chosen:
        """From the browser, which may say anything."""
        told = told if isinstance(told, Mapping) else {}
        return cls(_name(told, "dataset"), _name(told, "model"), Choice.read(told.get("choice")))

    def to_json(self) -> dict:
        return {"dataset": self.dataset, "model": self.model, "choice": self.choice.to_json()}


@dataclass(frozen=True)
class Watched:
    """The run on the page, and those whose receipts stand side by side."""
    run: str = ""
    ticked: tuple[str, ...] = ()

    @classmethod
    def read(cls, told: object) -> Watched:
        """From the browser, which may say anything."""
        told = told if isinstance(told, Mapping) else {}
        ticked = told.get("ticked") if isinstance(told.get("ticked"), list) else []
        return cls(_name(told, "run"), tuple(str(each)[:100] for each in ticked[:MOST_TICKED]))

    def to_json(self) -> dict:
        return {"run": self.run, "ticked": list(self.ticked)}


def _name(told: Mapping, key: str) -> str:
    return str(told.get(key) or "")[:300]
