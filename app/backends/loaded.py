"""The models in memory: each is loaded once for all visitors, and each device answers one question at a time.

A visitor sees where they stand: loading, queued with so many ahead, answering. Stopping works in all three.
"""
from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future, TimeoutError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.backends import Step
from app.backends.checkpoint import LOADING
from app.types import Generation, ModelSpec, Request

BACKENDS = {"local": "app.backends.local", "detector": "app.backends.detectors"}
LOOK = 0.1  # seconds between looks at a stop that was set while waiting


@dataclass(frozen=True)
class Place:
    """Where a question stands: "loading", "queued" with `ahead` others before it, or "answering"."""
    state: str
    ahead: int = 0
    revision: str | None = None


class LoadedModels:
    """Loads models on demand and keeps them. Creating one costs nothing: torch comes with the first question."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loads: dict[tuple, Future] = {}
        self._turns: dict[str, Turns] = {}

    def answer(self, spec: ModelSpec, request: Request, generation: Generation,
               stop: threading.Event) -> Iterator[Place | Step]:
        """Places, then the model's Steps. Stopped before its turn, it just ends. Raises ModelError."""
        yield Place("loading")
        model = self.load(spec, stop)
        if model is None:
            return
        with self._turn(model.device) as turn:
            for ahead in turn.waiting(stop):
                yield Place("queued", ahead, model.revision)
            if stop.is_set():
                return
            yield Place("answering", 0, model.revision)
            yield from model.generate(request, generation, stop)

    def load(self, spec: ModelSpec, stop: threading.Event | None = None):
        """The loaded model of a spec; None if `stop` was set first. Everyone who asks meanwhile shares one load.

        The load runs in a thread of its own: who stops waiting does not stop it for the others. A failure is told to
        those who waited for it and then forgotten, so that the next question tries again.
        """
        load = self._load_once(spec)
        while True:
            try:
                return load.result(timeout=LOOK)
            except TimeoutError:
                if load.done():  # the load itself ended in a timeout
                    raise
                if stop is not None and stop.is_set():
                    return None

    def _load_once(self, spec: ModelSpec) -> Future:
        revision = None if Path(spec.source).is_dir() else spec.revision  # a folder has no other revisions
        key = (spec.backend, spec.source, revision, spec.adapter)
        with self._lock:
            if key not in self._loads:
                self._loads[key] = Future()
                threading.Thread(target=self._fill, args=(key, spec), name=f"load {spec.id}", daemon=True).start()
            return self._loads[key]

    def _fill(self, key: tuple, spec: ModelSpec) -> None:
        load = self._loads[key]
        try:
            load.set_result(self._loaded(spec))
        except Exception as problem:  # whatever it is goes to those who wait for it
            with self._lock:
                del self._loads[key]
            load.set_exception(problem)

    def _loaded(self, spec: ModelSpec):
        with LOADING:
            backend = importlib.import_module(BACKENDS[spec.backend])
        if not spec.adapter:
            return backend.load(spec)
        base = self.load(replace(spec, id=spec.source, adapter=None))  # one copy of the weights for base and tuned
        return base.adapted(spec)

    @contextmanager
    def _turn(self, device: str):
        with self._lock:
            turns = self._turns.setdefault(device, Turns())
        turn = turns.join()
        try:
            yield turn
        finally:
            turns.leave(turn)


class Turns:
    """A queue in front of one device. Whoever stands first has the device."""

    def __init__(self) -> None:
        self.line: list[Turn] = []
        self.moved = threading.Condition()

    def join(self) -> Turn:
        with self.moved:
            self.line.append(Turn(self))
            return self.line[-1]

    def leave(self, turn: Turn) -> None:
        with self.moved:
            self.line.remove(turn)
            self.moved.notify_all()


class Turn:
    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def waiting(self, stop: threading.Event) -> Iterator[int]:
        """How many stand before this one, whenever that changes, until nobody does or `stop` is set."""
        told = None
        while not stop.is_set():
            with self.turns.moved:
                ahead = self.turns.line.index(self)
                if ahead and ahead == told:
                    self.turns.moved.wait(LOOK)
                    continue
            if not ahead:
                return
            told = ahead
            yield ahead
