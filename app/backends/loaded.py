"""The models in memory: each is loaded once for all visitors, and each device answers one question at a time.

    for event in models.answer(spec, request, generation, stop):   # Places, then Steps
    with models.using(spec) as model:                              # stays in memory inside
    with models.lend("cuda:0", 20_000_000_000):                    # so many bytes are free inside, for a training run

A visitor sees where they stand: downloading, waiting for memory, loading, queued with so many ahead, answering.
Stopping works in all of them. Models live within a budget of memory (`room.py`), spread over the GPUs there are.
"""
from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from app import families
from app.backends import ModelError, OutOfMemory, Refused, Step, adapters
from app.backends.checkpoint import LOADING, folder_of
from app.backends.downloading import Downloads
from app.backends.room import GRACE, PATIENCE, Resident, Room
from app.backends.turns import LOOK, Turn, Turns
from app.types import Generation, ModelSpec, Request

BATCH = 8  # questions asked at once of one model, before others get their turn
BACKENDS = {"local": "app.backends.local", "detector": "app.backends.detectors", "openai": "app.backends.openai"}
# Families that can be read here and not asked.
ELSEWHERE = {
    "own code": "{title} runs only with code that comes with its weights, and Boxloop runs no code from a checkpoint",
    "remote": "{title} answers only from its makers' server; name that server in models.toml, if it speaks the "
              "OpenAI protocol",
}


@dataclass(frozen=True)
class Place:
    """Where a question stands: "loading", "queued" with `ahead` others before it, or "answering".

    `note` says more in words. `problem` is to be kept with the answer, and `generation` is what it was asked with in
    the end, if it had to be less than what was wished.
    """
    state: str
    ahead: int = 0
    revision: str | None = None
    note: str = ""
    problem: str = ""
    generation: Generation | None = None


class LoadedModels:
    """Loads models on demand and keeps them. Creating one costs nothing: torch comes with the first question.

    `memory` may name "gpu_gb" and "ram_gb", the budget; `budgets` replaces the devices that there are, for tests.
    """

    def __init__(self, memory: Mapping[str, float] | None = None, downloads: Downloads | None = None,
                 budgets: Mapping[str, int] | None = None, grace: float = GRACE, patience: float = PATIENCE) -> None:
        self.downloads = downloads or Downloads()
        self.room = Room(lambda: budgets or _memory().budgets(memory or {}), lambda: _memory().released(),
                         grace, patience)
        self._turns: dict[str, Turns] = {}

    def answer(self, spec: ModelSpec, request: Request, generation: Generation,
               stop: threading.Event) -> Iterator[Place | Step]:
        """Places, then the model's Steps. Stopped before its turn, it just ends. Raises ModelError."""
        return self._in_turn((spec,), stop, lambda models: self._written(models[0], request, generation, stop))

    def answer_many(self, asks: Sequence[tuple[ModelSpec, Request]], generation: Generation,
                    stop: threading.Event) -> Iterator[Place | Step | Refused]:
        """Places, and for each question, in order, a finished Step, or Refused where only this one cannot be answered.

        What comes one behind the other is written at the same time by a local model, or by a base and its adapters;
        between two batches others get their turn. Stopped, those being written end "cancelled", those behind them get
        nothing. Raises ModelError where a model cannot be had.
        """
        left = list(asks)
        while left and not stop.is_set():
            base, answered = _key(left[0][0]), 0
            now = list(takewhile(lambda ask, base=base: _key(ask[0]) == base, left[:BATCH]))
            for event in self._in_turn([spec for spec, _ in now], stop, lambda models, now=now: self._several(
                    [(model, request) for model, (_, request) in zip(models, now, strict=True)], generation, stop)):
                answered += not isinstance(event, Place)
                yield event
            left = left[answered:]

    def _in_turn(self, specs: Sequence[ModelSpec], stop: threading.Event,
                 write: Callable[[list], Iterator]) -> Iterator[Place | Step | Refused]:
        """Places until the models, all of one base, are here and it is their turn, then what `write(models)` yields."""
        spec = specs[0]
        yield Place("loading")
        while True:  # once more if its model had to leave while it was queued
            resident = self._resident(spec)
            with self.room.used_by(resident):
                model = yield from self._arrived(resident, spec, stop)
                if model is None:
                    return
                models = [model, *(self._worn(resident, other) for other in specs[1:])]
                with self._turn(model.device, getattr(model, "wide", 1)) as turn:
                    for ahead in turn.waiting(lambda here=resident: stop.is_set() or here.leaving):
                        yield Place("queued", ahead, model.revision)
                    if stop.is_set():
                        return
                    if not resident.leaving:
                        yield Place("answering", 0, model.revision)
                        yield from write(models)
                        del model, models  # before they count as unused: then their memory is free when they go
                        return
                del model, models
            yield Place("loading", note="its memory was needed; it is loaded again")

    def load(self, spec: ModelSpec, stop: threading.Event | None = None):
        """The loaded model of a spec; None if `stop` was set first. Everyone who asks meanwhile shares one load.

        It may leave the list of those in memory as soon as it is here: use it inside `using` where others ask too.
        """
        with self.using(spec, stop) as model:
            return model

    @contextmanager
    def using(self, spec: ModelSpec, stop: threading.Event | None = None):
        """The loaded model, which stays inside; None if `stop` was set first. Raises ModelError."""
        resident = self._resident(spec)
        with self.room.used_by(resident):
            arriving = self._arrived(resident, spec, stop or threading.Event())
            try:
                while True:
                    next(arriving)
            except StopIteration as end:
                model = end.value
            try:
                yield model
            finally:
                del model

    @contextmanager
    def lend(self, device: str, needed: int | None = None) -> Iterator[str]:
        """Inside, `needed` bytes of the device are no model's, or all of it: those that were asked longest ago go, each
        at the end of its answer, and come back with their next question, here or on another GPU, when there is room.

        `device` is "cpu" or "cuda:0". Where all of it is lent, questions to models on it wait.
        """
        if needed is not None:
            with self.room.reserved(device, needed):
                yield device
            return
        with self._turn(device) as turn:
            for _ in turn.waiting(lambda: False):
                pass
            with self.room.lent(device):
                yield device

    def unload(self, spec: ModelSpec) -> bool:
        """Whether it was in memory; it goes now, or at the end of the answer that it is giving."""
        with self.room.changed:
            found = self._find(spec)
            if found is not None:
                self.room.leave(found)
        if found is not None:
            _memory().released()
        return found is not None

    def held(self, spec: ModelSpec) -> Resident | None:
        """What is in memory of a model, or on its way: a tuned one shares its base's."""
        with self.room.changed:
            found = self._find(spec)
            worn = found is not None and (not spec.adapter or spec.backend == "openai" or spec.adapter in found.worn)
            return found if worn else None

    def _written(self, model, request: Request, generation: Generation, stop: threading.Event):
        """The model's Steps; once more, asked for less, where the memory did not suffice."""
        try:
            yield from model.generate(request, generation, stop)
            return
        except OutOfMemory:
            pass  # outside of this clause nothing holds the failed answer's tensors any more
        self.room.cleared(model.device)
        less = smaller(model, generation)
        yield Place("answering", 0, model.revision, generation=less, problem=(
            f"this machine ran out of memory at first; asked again with {_words(generation, less)}"))
        yield from model.generate(request, less, stop)

    def _several(self, parts: list[tuple], generation: Generation, stop: threading.Event):
        """What answers each (model, request): together where they can be, one by one where that fails."""
        model, done = parts[0][0], 0
        if len(parts) > 1 and hasattr(model, "generate_many"):
            models, requests = zip(*parts, strict=True)
            try:
                for step in model.generate_many(requests, generation, stop, models):
                    yield step
                    done += 1
                return
            except OutOfMemory:
                self.room.cleared(model.device)
            except (ModelError, ValueError):
                pass  # one is to blame; asked alone, each speaks for itself
        for each, request in parts[done:]:
            if stop.is_set():
                return
            try:
                for event in self._written(each, request, generation, stop):
                    if isinstance(event, Place) or event.finished:
                        yield event
            except (ModelError, ValueError) as problem:
                yield Refused(str(problem))

    def _arrived(self, resident: Resident, spec: ModelSpec, stop: threading.Event):
        """Yields a Place whenever the load has news, and returns the model; None if `stop` was set first.

        The load runs in a thread of its own: who stops waiting does not stop it for the others. A failure is told to
        those who waited for it and then forgotten, so that the next question tries again.
        """
        told = ""
        while True:
            try:
                resident.load.result(timeout=LOOK)
                break
            except TimeoutError:
                if resident.load.done():  # the load itself ended in a timeout
                    raise
                if stop.is_set():
                    return None
                if resident.note != told:
                    told = resident.note
                    yield Place("loading", note=told)
        return self._worn(resident, spec)

    def _worn(self, resident: Resident, spec: ModelSpec):
        """The model of a spec whose base is here."""
        base = resident.load.result()
        return self._dressed(resident, base, spec) if spec.adapter and spec.backend != "openai" else base

    def _dressed(self, resident: Resident, base, spec: ModelSpec):
        """The base with its adapter: one copy of the weights for both."""
        folder = folder_of(spec.adapter, spec.adapter_revision, self.downloads, settings=adapters.SETTINGS)
        if spec.adapter not in resident.worn:
            adapters.read(folder)
            adapters.check_fits(folder, Path(base.spec.source))
        model = base.adapted(replace(spec, adapter=str(folder)))
        with self.room.changed:
            resident.worn.add(spec.adapter)
            resident.bytes = getattr(base, "memory", resident.bytes)
        return model

    def _resident(self, spec: ModelSpec) -> Resident:
        """The model in memory, or on its way there, counted as used once more."""
        with self.room.changed:
            found = self._find(spec)
            if found is None:
                found = Resident(_base(spec))
                self.room.residents.append(found)
                threading.Thread(target=self._fill, args=(found,), name=f"load {spec.id}", daemon=True).start()
            found.users += 1
            found.used = time.monotonic()
            return found

    def _find(self, spec: ModelSpec) -> Resident | None:
        key = _key(spec)
        return next((each for each in self.room.residents if _key(each.spec) == key and not each.leaving), None)

    def _fill(self, resident: Resident) -> None:
        try:
            model = self._loaded(resident)
            with self.room.changed:
                resident.load.set_result(model)
                del model
                if resident.leaving and not resident.users:
                    self.room.leave(resident)
                self.room.changed.notify_all()
        except BaseException as problem:  # whatever it is goes to those who wait for it
            with self.room.changed:
                if resident in self.room.residents:
                    self.room.residents.remove(resident)
                self.room.changed.notify_all()
            resident.load.set_exception(problem)

    def _loaded(self, resident: Resident):
        spec = resident.spec
        if spec.backend in ELSEWHERE:
            family = families.find(spec.family)
            raise ModelError(f"{ELSEWHERE[spec.backend].format(title=family.title)}; choose another model, or read its "
                             f"answers with `python -m app parse --family {family.name}`")
        with LOADING:
            backend = importlib.import_module(BACKENDS[spec.backend])
        if not hasattr(backend, "needs"):  # a server has its own memory
            return backend.load(spec)
        if not Path(spec.source).is_dir():
            folder = folder_of(spec.source, spec.revision, self.downloads, told=self._noting(resident))
            spec = replace(spec, source=str(folder))
        with LOADING:
            budgets = self.room.budgets
        device = self.room.let_in(resident, backend.needs(spec, min(budgets)))
        resident.note = ""
        try:
            model = backend.load(spec, device)
        except OutOfMemory:
            model = None
        if model is None:
            self.room.cleared(device)
            model = backend.load(spec, device)
        resident.bytes = getattr(model, "memory", resident.bytes)
        return model

    def _noting(self, resident: Resident) -> Callable[[str], None]:
        """Hears how a download goes, and ends it when nobody waits any more."""
        def noting(words: str) -> None:
            resident.note = words
            self.room.wanted(resident)
        return noting

    @contextmanager
    def _turn(self, device: str, wide: int = 1) -> Iterator[Turn]:
        with self.room.changed:
            turns = self._turns.setdefault(device, Turns(wide))
        turn = turns.join()
        try:
            yield turn
        finally:
            turns.leave(turn)


def smaller(model, generation: Generation) -> Generation:
    """What to ask for after an answer ran out of memory: half the pixels where a model can see fewer, half the length.
    """
    rule = model.pixels(generation.max_pixels) if hasattr(model, "pixels") else None
    pixels = generation.max_pixels if rule is None or rule.fixed else max(rule.min_pixels, rule.max_pixels // 2)
    return replace(generation, max_pixels=pixels, max_tokens=max(1, generation.max_tokens // 2))


def _words(before: Generation, after: Generation) -> str:
    fewer = after.max_pixels != before.max_pixels
    pixels = f"a picture of {after.max_pixels / 1e6:.2g} megapixels and " if fewer else ""
    return f"{pixels}an answer of at most {after.max_tokens} tokens"


def _base(spec: ModelSpec) -> ModelSpec:
    """What is loaded for a spec: a tuned model stands on its base."""
    if not spec.adapter or spec.backend == "openai":
        return spec
    return replace(spec, id=spec.source, adapter=None, revision=spec.base_revision)


def _key(spec: ModelSpec) -> tuple:
    base = _base(spec)
    revision = None if Path(base.source).is_dir() else base.revision  # a folder has no other revisions
    return base.backend, base.source, revision, base.adapter, base.server


def _memory():
    with LOADING:
        return importlib.import_module("app.backends.memory")
