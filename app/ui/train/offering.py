"""What there is to train on and with, what it takes, and when to train again. No gradio."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app import families, training
from app import spec as specs
from app.backends import ModelError
from app.backends.checkpoint import needs
from app.catalogue import Entry
from app.store.browsing import Only
from app.types import Job
from app.ui.device import gpus
from app.ui.examples import Example
from app.ui.jobs.cards import cut, duration
from app.ui.train import choices, told
from app.ui.train.remembered import Chosen
from app.workspace import Workspace

CLOSED = "On this page only the operator trains. You can look at the trainings, and correct pictures under Correct."
NO_DATASET = ("Nothing to learn from yet. Bring a dataset in under Data, or correct some answers under Correct. Or "
              "take the examples, to see how it goes.")
NO_RUN = ("Nothing was trained yet. Choose what to learn from and a model, then press Start training: it goes on in "
          "the background, and ends with a receipt of what got better and what got worse.")
EXAMPLE = "The examples are a dataset now. They are few: enough to see how it goes, and not to learn much."


class Offering:
    """Of a workspace, as it is at the moment of each question."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    def datasets(self) -> list[tuple[str, str]]:
        """(words, name) of each."""
        return [(f"{each.name} ({each.samples:,})", each.name) for each in self.workspace.store.datasets.all()]

    def models(self) -> list[tuple[str, str]]:
        """(words, id) of those on this machine that can learn."""
        return [(entry.spec.title or entry.spec.id, entry.spec.id) for entry in self.workspace.catalogue.entries()
                if _learns(entry)]

    def title(self, model: str) -> str:
        return next((words for words, id in self.models() if id == model), model)

    def nothing(self, trained: bool) -> str:
        """What an empty tab says."""
        if not self.workspace.store.datasets.all():
            return NO_DATASET
        if not self.models():
            return "No model on this machine can learn. Download one of a family that can, then come back."
        return "" if trained else NO_RUN

    def split(self, dataset: str) -> str:
        if not dataset:
            return ""
        store = self.workspace.store
        id = store.datasets.find(dataset).id
        learnt, held = (store.browsing.count(id, Only(split=split)) for split in ("train", "val"))
        said = f"{learnt:,} to learn from, {held:,} held out to judge by."
        return said if held else f"{said} Without held-out pictures nobody can say whether it got better."

    def takes(self, model: str) -> dict[str, str]:
        """For each preset what it is planned to take, before anything was checked."""
        weights = self._weights(model)
        memory = f" · more than {told.size(weights)}" if weights else ""
        return {name: f"about {duration(60 * preset.minutes)}{memory}" for name, preset in specs.PRESETS.items()}

    def nudge(self, dataset: str, last: Job | None) -> str:
        """`40 new corrections since the last run: train?`, or nothing."""
        if not dataset or last is None:
            return ""
        number = training.new_corrections(self.workspace, dataset, last)
        return f"{number:,} new correction{'' if number == 1 else 's'} since the last run: train?" if number else ""

    def again(self, now: Chosen, last: Job | None) -> Chosen:
        """What the last run was told. Raises ValueError where its model went."""
        if last is None:
            raise ValueError("There is no run on this data yet. Press Start training.")
        spec = specs.from_json(self.workspace.jobs.spec(last.id))
        return replace(now, model=self._model(spec.model), choice=choices.of(spec))

    def loaded(self, text: str, now: Chosen) -> tuple[Chosen, str]:
        """A spec from a file into the form, and what to say. Raises ValueError."""
        choice, spec = choices.read(text)
        said = ["The spec is loaded."]
        if spec.dataset in [name for _, name in self.datasets()]:
            now = replace(now, dataset=spec.dataset)
        elif spec.dataset:
            said.append(f"There is no dataset {cut(spec.dataset)!r} here: choose what to learn from.")
        try:
            now = replace(now, model=self._model(spec.model) if spec.model else now.model)
        except ValueError as problem:
            said.append(f"Choose a base model: {cut(problem)}.")
        return replace(now, choice=choice), " ".join(said)

    def example(self, examples: Sequence[Example]) -> str:
        """A dataset of the drawn examples; its name."""
        datasets = self.workspace.store.datasets
        made = datasets.open("Examples")
        datasets.add(made.id, [each.sample() for each in examples if each.truth is not None])
        return made.name

    def pair(self, run: str) -> list[str]:
        """The base and the tuned model of a run. Raises ValueError where one of them is not here any more."""
        tuned = training.tuned(self.workspace, run).id
        spec = specs.from_json(self.workspace.jobs.spec(run))
        for entry in self.workspace.catalogue.entries():
            if (entry.spec.source, entry.spec.adapter) == (spec.source, spec.adapter):
                return [entry.spec.id, tuned]
        raise ValueError(f"the base of this run, {spec.model}, is not here any more; add it under Models")

    def _model(self, named: str) -> str:
        """The id of a model that can learn, by the name that a spec has for it. Raises ValueError."""
        for entry in self.workspace.catalogue.entries():
            if named in (entry.spec.id, entry.spec.source) and _learns(entry):
                return entry.spec.id
        raise ValueError(f"the model {named!r} is not here, or cannot learn")

    def _weights(self, model: str) -> int:
        """Bytes that the weights alone take; 0 where nobody knows yet."""
        try:
            return needs(self.workspace.catalogue.find(model), "cuda:0" if gpus() else "cpu") if model else 0
        except (ValueError, ModelError):
            return 0


def _learns(entry: Entry) -> bool:
    spec = entry.spec
    return (spec.backend == "local" and entry.state != "to download"
            and bool(set(specs.METHODS) & set(families.find(spec.family).trainable_by)))
