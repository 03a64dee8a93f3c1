"""Models that answer as a test tells them to, through the contract of `predict.compare`; and a workspace of them."""
from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.catalogue import Entry
from app.predict import Update
from app.types import Annotation, Generation, Prediction, Request

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

    def entries(self) -> tuple[Entry, ...]:
        return tuple(Entry(spec, "to download" if spec.id.startswith("remote") else "shipped") for spec in self)


@dataclass
class Stage:
    """`parts` by model; `go` releases a HOLD; `asked` and `left` record what happened."""
    catalogue: Shelf
    parts: dict[str, Part] = field(default_factory=dict)
    go: threading.Event = field(default_factory=threading.Event)
    asked: list[Request] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # "finished", "stopped" or "abandoned", one per question
    models: object = None

    def reset(self, **parts: Part) -> None:
        self.parts = parts
        self.go = threading.Event()
        self.asked.clear()
        self.left.clear()

    def compare(self, models, specs, request: Request, generation: Generation, stop) -> Iterator[Update | None]:
        self.asked.append(request)
        end = "abandoned"
        try:
            yield from self._played(specs, request, generation, stop)
            end = "stopped" if stop.is_set() else "finished"
        finally:
            self.left.append(end)

    def _played(self, specs, request, generation, stop) -> Iterator[Update | None]:
        begin = time.monotonic()
        written = {spec.id: Beat() for spec in specs}

        def prediction(spec, status="ok", problems=()):
            beat = written[spec.id]
            return Prediction(spec.id, None, request, generation, f"prompt of {spec.id}", beat.text, None,
                              beat.annotations, status, problems, len(beat.text.split()), time.monotonic() - begin, 0.1)

        for ahead, spec in enumerate(specs):
            yield Update(spec.id, "queued" if ahead else "loading", ahead)
        yield None
        parts = {spec.id: self.parts.get(spec.id, Part()) for spec in specs}
        for turn in range(max((len(part.beats) for part in parts.values()), default=0)):
            for spec in specs:
                beat = dict(enumerate(parts[spec.id].beats)).get(turn)
                if beat == HOLD:
                    while not (self.go.wait(0.1) or stop.is_set()):
                        yield None
                elif beat and not stop.is_set():
                    written[spec.id] = Beat(written[spec.id].text + beat.text, beat.annotations)
                    yield Update(spec.id, "answering", 0, prediction(spec))
            yield None
        for spec in specs:
            status, problems = parts[spec.id].status, parts[spec.id].problems
            if stop.is_set():
                status, problems = "truncated", ("stopped by you after 3 tokens",)
            yield Update(spec.id, "done", 0, prediction(spec, status, problems))
