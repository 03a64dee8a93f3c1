"""Models that answer as a test tells them to, through the contract of `predict.compare`; and a workspace of them."""
from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.backends.downloading import Downloads
from app.backends.loaded import LoadedModels
from app.badges import Badges
from app.catalogue import Entry
from app.jobs.queue import KINDS, Jobs
from app.predict import Ask, Update
from app.types import Annotation, ModelSpec, Prediction

HOLD = "hold"  # a beat at which everyone waits for `stage.go`


@dataclass(frozen=True)
class Beat:
    """One more piece of text, and all annotations that can be read so far."""
    text: str = ""
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True)
class Part:
    """What one model does: its beats in turn, then how it ends."""
    beats: tuple = ()
    status: str = "ok"
    problems: tuple[str, ...] = ()


class Shelf(list):
    """A catalogue of which all models but those named remote… are shipped."""
    problems = ()
    downloads = Downloads()

    def entries(self) -> tuple[Entry, ...]:
        return tuple(Entry(spec, "to download" if spec.id.startswith("remote") else "shipped") for spec in self)

    def find(self, model: str) -> ModelSpec:
        found = next((spec for spec in self if spec.id == model), None)
        if found is None:
            raise ValueError(f"there is no model {model!r}")
        return found

    def titles(self) -> dict[str, str]:
        return {spec.id: spec.title or spec.id for spec in self}


@dataclass
class Stage:
    """`parts` by model; `go` releases a HOLD; `asked` and `left` record what happened, one entry per model asked."""
    catalogue: Shelf
    store: object = None
    scratch: Path | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    go: threading.Event = field(default_factory=threading.Event)
    asked: list[Ask] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # "finished", "stopped" or "abandoned"
    models: LoadedModels = field(default_factory=LoadedModels)
    secret: str = "a secret of the stage"
    operator_key: str = "the key of the stage"
    ephemeral: str | None = None
    jobs: Jobs | None = None
    badges: Badges | None = None

    def __post_init__(self):
        if self.store is not None:
            self.jobs = Jobs(self.scratch / "runs", self.store.jobs, KINDS | {"count": "tests.workers",
                                                                                      "train": "tests.trainings"})
            self.badges = Badges(self.scratch / "badges", self.models)

    @property
    def home(self) -> Path:
        return self.scratch

    def reset(self, **parts: Part) -> None:
        self.parts = parts
        self.go = threading.Event()
        self.asked.clear()
        self.left.clear()

    def compare(self, models, asks, stop) -> Iterator[Update | None]:
        [ask] = asks
        self.asked.append(ask)
        end = "abandoned"
        try:
            yield from self._played(ask, self.parts.get(ask.spec.id, Part()), stop)
            end = "stopped" if stop.is_set() else "finished"
        finally:
            self.left.append(end)

    def _played(self, ask: Ask, part: Part, stop) -> Iterator[Update | None]:
        begin = time.monotonic()
        model, written = ask.spec.id, Beat()

        def prediction(status="ok", problems=()):
            return Prediction(model, None, ask.request, ask.generation, f"prompt of {model}", written.text, None,
                              written.annotations, status, problems, len(written.text.split()),
                              time.monotonic() - begin, 0.1)

        yield Update(model, "loading")
        yield None
        for beat in part.beats:
            if beat == HOLD:
                while not (self.go.wait(0.1) or stop.is_set()):
                    yield None
            elif not stop.is_set():
                written = Beat(written.text + beat.text, beat.annotations)
                yield Update(model, "answering", 0, prediction())
            yield None
        if stop.is_set():
            yield Update(model, "done", 0, prediction("truncated", ("stopped by you after 3 tokens",)))
        else:
            yield Update(model, "done", 0, prediction(part.status, part.problems))
