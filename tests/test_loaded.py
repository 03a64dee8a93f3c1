"""Each model loads once for all, a failure is not kept, and a device answers one after another in order of arrival."""
from __future__ import annotations

import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from app import pictures
from app.backends import ModelError, Step, loaded
from app.backends.loaded import LoadedModels, Place
from app.types import Frame, Generation, ModelSpec, Request
from tests.conftest import ROOT

SPEC = ModelSpec("a", "paligemma", "fake", "somewhere")
ASKED = Request((), "detect", names=("cat",))


class Fake:
    """A backend that obeys the contract; it answers while `go` is set and counts how many answer at once."""

    def __init__(self) -> None:
        self.loads, self.failures, self.now, self.most = [], 0, 0, 0
        self.go, self.load_may_end = threading.Event(), threading.Event()
        self.load_may_end.set()
        self.device, self.revision = "cpu", "r1"

    def load(self, spec, device=None):
        self.loads.append(spec)
        assert self.load_may_end.wait(10)
        if self.failures:
            self.failures -= 1
            raise ModelError("the disk is full")
        return self

    def generate(self, request, generation, stop):
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            while not self.go.wait(0.01) and not stop.is_set():
                pass
            yield Step("done", 1, "p", Frame((1, 1), (1, 1)), "stop")
        finally:
            self.now -= 1


@pytest.fixture
def backend(monkeypatch):
    fake = Fake()
    page = types.ModuleType("fake_backend")
    page.load = fake.load
    monkeypatch.setitem(sys.modules, "fake_backend", page)
    monkeypatch.setitem(loaded.BACKENDS, "fake", "fake_backend")
    return fake


class Visitor(threading.Thread):
    def __init__(self, models: LoadedModels, spec: ModelSpec = SPEC) -> None:
        super().__init__(daemon=True)
        self.models, self.spec = models, spec
        self.stop, self.events, self.problem = threading.Event(), [], None
        self.start()

    def run(self) -> None:
        try:
            for event in self.models.answer(self.spec, ASKED, Generation(), self.stop):
                self.events.append(event)
        except ModelError as problem:
            self.problem = str(problem)

    def sees(self, event) -> None:
        deadline = time.monotonic() + 5
        while event not in self.events:
            assert time.monotonic() < deadline, f"{event} is not among {self.events}"
            time.sleep(0.005)


def test_many_visitors_share_one_load(backend):
    backend.load_may_end.clear()
    models = LoadedModels()
    visitors = [Visitor(models) for _ in range(5)]
    backend.load_may_end.set()
    backend.go.set()
    for visitor in visitors:
        visitor.join(5)
        assert visitor.events[-1].text == "done"
    assert len(backend.loads) == 1


def test_a_device_answers_one_at_a_time_and_everyone_sees_how_many_are_ahead(backend):
    models = LoadedModels()
    first = Visitor(models)
    first.sees(Place("answering", 0, "r1"))
    second = Visitor(models)
    second.sees(Place("queued", 1, "r1"))
    third = Visitor(models, ModelSpec("b", "paligemma", "fake", "elsewhere"))  # another model, the same device
    third.sees(Place("queued", 2, "r1"))
    second.stop.set()  # gives up: the third moves on
    third.sees(Place("queued", 1, "r1"))
    second.join(5)
    assert second.events[-1] == Place("queued", 1, "r1")
    backend.go.set()
    third.join(5)
    assert third.events[-1].text == "done" and backend.most == 1


def test_a_closed_answer_leaves_the_queue(backend):
    models = LoadedModels()
    events = models.answer(SPEC, ASKED, Generation(), threading.Event())
    while next(events) != Place("answering", 0, "r1"):
        pass
    events.close()
    backend.go.set()
    after = Visitor(models)
    after.join(5)
    assert after.events[-1].text == "done"


def test_who_stops_waiting_for_a_load_does_not_stop_it_for_others(backend):
    backend.load_may_end.clear()
    backend.go.set()
    models = LoadedModels()
    gone, stays = Visitor(models), Visitor(models)
    gone.stop.set()
    gone.join(5)
    assert gone.events == [Place("loading")] and not gone.is_alive()
    backend.load_may_end.set()
    stays.join(5)
    assert stays.events[-1].text == "done" and len(backend.loads) == 1


def test_a_failed_load_is_told_and_tried_again_next_time(backend):
    backend.failures = 1
    backend.go.set()
    models = LoadedModels()
    first = Visitor(models)
    first.join(5)
    assert first.problem == "the disk is full"
    second = Visitor(models)
    second.join(5)
    assert second.events[-1].text == "done" and len(backend.loads) == 2


def test_a_tuned_model_and_its_base_load_their_weights_once(checkpoint, photo):
    models = LoadedModels()
    base = ModelSpec("base", "paligemma", "local", str(checkpoint("paligemma")), revision="of the base")
    tuned = ModelSpec("tuned", "paligemma", "local", str(checkpoint("paligemma")), revision="of the adapter",
                      adapter=str(checkpoint("lora")))
    first, second = models.load(tuned), models.load(base)
    assert first.checkpoint is second.checkpoint
    request = Request((pictures.read(photo),), "ground", caption="x")
    texts = [list(models.answer(spec, request, Generation(max_tokens=8), threading.Event()))[-1].text
             for spec in (base, tuned, base)]
    assert texts[0] == texts[2] != texts[1]


FIVE_AT_ONCE = """
import sys, threading
from app.backends.loaded import LoadedModels
from app.types import ModelSpec
models, families = LoadedModels(), ("paligemma", "qwen2.5-vl", "qwen3-vl", "owlv2", "grounding-dino")
specs = [ModelSpec(f, f, "detector" if f in families[3:] else "local", s) for f, s in zip(families, sys.argv[1:])]
threads = [threading.Thread(target=models.load, args=(spec,)) for spec in specs]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print([str(models.load(spec).model.device if spec.backend == "detector" else
           models.load(spec).checkpoint.model.get_output_embeddings().weight.device) for spec in specs])
"""


def test_five_models_load_at_once_without_disturbing_each_other(checkpoint):
    """In a new process, where transformers is imported by five threads too."""
    kinds = ("paligemma", "qwen2_5_vl", "qwen3_vl", "owlv2", "grounding_dino")
    done = subprocess.run([sys.executable, "-c", FIVE_AT_ONCE, *(str(checkpoint(kind)) for kind in kinds)],
                          cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0 and "Error" not in done.stderr and "MISSING" not in done.stderr, done.stderr


def test_the_page_of_loaded_models_knows_every_backend_module():
    root = Path(loaded.__file__).parent
    for module in loaded.BACKENDS.values():
        assert (root / f"{module.rsplit('.', 1)[1]}.py").is_file()
