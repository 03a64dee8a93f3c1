"""Comparisons in the background: kept before they are called done, and nobody waits for a slower model."""
from __future__ import annotations

import threading

import PIL.Image
import pytest

from app import pictures
from app.comparing import Comparing, answered, finished
from app.predict import Ask, Update
from app.store import Store
from app.types import Generation, ModelSpec, Prediction, Request, Sample
from tests.waiting import wait


class Script:
    """Obeys the contract of `predict.compare`. `gates` holds back the models that are named in it."""

    def __init__(self):
        self.order, self.gates, self.lock = [], {}, threading.Lock()

    def __call__(self, models, asks, stop):
        [ask] = asks
        with self.lock:
            self.order.append((ask.spec.id, ask.request.caption))
        yield Update(ask.spec.id, "loading")
        gate = self.gates.get(ask.spec.id)
        while gate is not None and not gate.wait(0.01) and not stop.is_set():
            yield None
        if ask.spec.id == "broken":
            raise RuntimeError("a bug")
        yield Update(ask.spec.id, "done", prediction=said(ask, "truncated" if stop.is_set() else "ok"))


def said(ask, status="ok"):
    return Prediction(ask.spec.id, None, ask.request, ask.generation, "prompt", "text", None, (), status, (), 3, 0.1,
                      0.1)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def samples(tmp_path):
    made = []
    for n in range(3):
        PIL.Image.new("RGB", (40 + n, 30), (n * 80, 0, 0)).save(tmp_path / f"{n}.png")
        made.append(Sample(f"s{n}", (pictures.read(tmp_path / f"{n}.png"),), "ground", f"question {n}"))
    return made


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def begin(store, samples, script):
    comparing = Comparing(store, None, script)

    def begin(*models):
        comparison = store.begin("owner", samples, models)
        return comparing, comparison, comparing.ask(comparison, asks(comparison, models))

    return begin


def asks(comparison, models):
    return {(sample.id, model): Ask(ModelSpec(model, "paligemma", "local", model),
                                    Request(sample.images, "ground", caption=sample.query), Generation())
            for sample in comparison.samples for model in models}


def test_every_answer_is_in_the_store_when_the_run_is_over(begin, store):
    comparing, comparison, running = begin("a", "b")
    wait(lambda: running.over)
    asked = {(sample.id, model) for sample in comparison.samples for model in "ab"}
    assert set(store.comparison(comparison.id, "owner").answers) == asked
    assert comparing.find(comparison.id) is None


def test_a_fast_model_does_not_wait_for_a_slow_one(begin, script, samples):
    script.gates["slow"] = threading.Event()
    _, comparison, running = begin("slow", "fast")
    wait(lambda: finished(comparison, running) == {sample.id: 1 for sample in comparison.samples})
    assert not running.over
    script.gates["slow"].set()
    wait(lambda: running.over)


def test_the_picture_that_is_looked_at_comes_next(begin, script):
    script.gates["a"] = threading.Event()
    _, comparison, running = begin("a")
    wait(lambda: script.order)
    running.watched = comparison.samples[2].id
    script.gates["a"].set()
    wait(lambda: running.over)
    assert [question for _, question in script.order] == ["question 0", "question 2", "question 1"]


def test_stop_keeps_what_was_said_and_asks_no_more(begin, script, store):
    script.gates["a"] = threading.Event()
    comparing, comparison, running = begin("a")
    wait(lambda: script.order)
    assert comparing.stop(comparison.id)
    wait(lambda: running.over)
    answers = store.comparison(comparison.id, "owner").answers
    assert [prediction.status for prediction in answers.values()] == ["truncated"]
    assert len(script.order) == 1


def test_one_model_can_be_asked_again_while_the_others_go_on(begin, script):
    script.gates["slow"] = threading.Event()
    comparing, comparison, running = begin("slow", "fast")
    wait(lambda: sum(update.state == "done" for update in list(running.updates.values())) == 3)
    [first] = [key for key in running.asks if key == (comparison.samples[0].id, "fast")]
    assert comparing.ask(comparison, {first: running.asks[first]}) is running
    wait(lambda: script.order.count(("fast", "question 0")) == 2)
    assert not running.stopping.is_set()
    script.gates["slow"].set()
    wait(lambda: running.over)


def test_what_is_asked_after_the_end_starts_anew(begin):
    comparing, comparison, running = begin("a")
    wait(lambda: running.over)
    again = comparing.ask(comparison, dict(running.asks))
    assert again is not running
    wait(lambda: again.over)


def test_a_bug_in_one_model_is_said_in_its_panel_and_the_rest_goes_on(begin, caplog):
    _, comparison, running = begin("broken", "a")
    wait(lambda: running.over)
    shown = answered(comparison, running, comparison.samples[0].id)
    assert "a fault in Boxloop" in shown["broken"].prediction.problems[0]
    assert shown["a"].prediction.status == "ok"
    assert "a bug" in caplog.text


def test_an_answer_that_cannot_be_kept_says_so_where_it_stands(begin, store, monkeypatch):
    def full(*_):
        raise ValueError("the disk is full")
    monkeypatch.setattr(store, "keep", full)
    _, _, running = begin("a")
    wait(lambda: running.over)
    assert all("could not be kept: the disk is full" in update.prediction.problems[0]
               for update in running.updates.values())


def test_before_its_turn_a_question_is_queued_and_after_a_restart_the_store_speaks(begin, script, store):
    script.gates["a"] = threading.Event()
    _, comparison, running = begin("a")
    wait(lambda: script.order)
    assert answered(comparison, running, comparison.samples[1].id)["a"].state == "queued"
    script.gates["a"].set()
    wait(lambda: running.over)
    kept = store.comparison(comparison.id, "owner")
    assert answered(kept, None, kept.samples[1].id)["a"].prediction.text == "text"
