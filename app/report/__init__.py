"""What an evaluation shows: tables, plots as SVG, a report that opens without a network. Pure; no gradio.

Everything is escaped here: labels, questions, model names and texts come from anywhere.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.evaluate import HIGHER_IS_WORSE, Answered

RATES = ("unreadable", "truncated", "refused", "failed")
TITLES = {"f1": "F1", "miou": "Mean IoU", "AP": "AP", "no_target": "Right where nothing is", "oks": "OKS",
          "hallucination": "Made up", "accuracy": "Acc@0.5", "point_in_box": "Point in box", "joints": "PCK@0.05",
          "found": "Joints found", "distance": "Joint distance", "exact": "Exactly right", "error": "Off by",
          "score": "Score per picture", "seconds": "Seconds", "tokens": "Tokens", "precision": "Precision",
          "recall": "Recall", "unreadable": "Unreadable", "truncated": "Cut off", "refused": "Refused",
          "failed": "Failed"}


@dataclass(frozen=True)
class Evaluation:
    """A finished one: what stands in its result, and the answers that it came from, by model."""
    id: str
    result: dict
    models: dict[str, list[Answered]] = field(repr=False)

    @property
    def names(self) -> list[str]:
        return list(self.result["models"])

    @property
    def metrics(self) -> list[str]:
        """Those that any model has a number for, in the order of the result."""
        told = [each["metrics"] for each in self.result["models"].values()]
        names = dict.fromkeys(name for each in told for name in each)
        return [name for name in names if any(each.get(name, -1) != -1 for each in told)]

    def value(self, model: str, metric: str) -> float | None:
        value = self.result["models"][model]["metrics"].get(metric, -1)
        return None if value == -1 else value

    def interval(self, model: str, metric: str) -> Sequence[float] | None:
        interval = self.result["models"][model]["intervals"].get(metric, -1)
        return interval if isinstance(interval, list | tuple) else None

    def sorted_by(self, metric: str) -> list[str]:
        """The models, the best first; those without a number last."""
        sign = 1 if worse_when_high(metric) else -1
        known = [model for model in self.names if self.value(model, metric) is not None]
        return sorted(known, key=lambda model: sign * self.value(model, metric)) + [
            model for model in self.names if model not in known]


def worse_when_high(metric: str) -> bool:
    return metric.rpartition(".")[2] in HIGHER_IS_WORSE


def title(metric: str) -> str:
    task, _, name = metric.rpartition(".")
    return (f"{task}: " if task else "") + TITLES.get(name, name)


def number(value: float | None, metric: str = "") -> str:
    name = metric.rpartition(".")[2]
    if value is None:
        return "–"
    if name in RATES or name == "hallucination":
        return f"{100 * value:.0f}%"
    if name in ("seconds", "error"):
        return f"{value:.2f}"
    return f"{value:.0f}" if name == "tokens" else f"{value:.3f}"
