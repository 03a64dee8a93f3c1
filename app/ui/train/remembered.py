"""What the browser keeps of the Fine-tune tab: which run is looked at, what is chosen. A reload loses nothing."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.ui.train.choices import Choice

MOST_TICKED = 6


@dataclass(frozen=True)
class Remembered:
    run: str = ""
    dataset: str = ""
    model: str = ""
    choice: Choice = field(default_factory=Choice)
    ticked: tuple[str, ...] = ()  # runs whose receipts stand side by side

    @classmethod
    def read(cls, told: object) -> Remembered:
        """From the browser, which may say anything."""
        told = told if isinstance(told, Mapping) else {}
        ticked = told.get("ticked") if isinstance(told.get("ticked"), list) else []
        run, dataset, model = (str(told.get(name) or "")[:300] for name in ("run", "dataset", "model"))
        return cls(run, dataset, model, Choice.read(told.get("choice")),
                   tuple(str(each)[:100] for each in ticked[:MOST_TICKED]))

    def to_json(self) -> dict:
        return {"run": self.run, "dataset": self.dataset, "model": self.model, "choice": self.choice.to_json(),
                "ticked": list(self.ticked)}
