"""Several models answer at once; what goes wrong with one stays in its own answer, and stopping ends them all."""
from __future__ import annotations

import sys
import threading
import time
import types
from dataclasses import replace

import pytest

from app import pictures, predict
from app.backends import ModelError, Step, loaded
from app.backends.loaded import LoadedModels
from app.types import Frame, Generation, ModelSpec, Request

WHOLE = "<loc0256><loc0256><loc0512><loc0512> box"


class Scripted:
    """A backend that obeys the contract and writes what its spec's id says."""

    def __init__(self) -> None:
        self.device, self.revision, self.released = "cpu", "r1", threading.Event()

    def load(self, spec):
        if spec.id == "unloadable":
            raise ModelError("the licence was not accepted")
        model = Scripted()
        model.spec, model.released, model.device = spec, self.released, spec.id  # a device each: no queue
        return model

    def generate(self, request, generation, stop):
        step = Step("", 0, "the prompt", Frame((64, 48), (28, 28)), seconds_to_first=0.1)
        if self.spec.id == "buggy":
            raise KeyError("no such thing")
        if self.spec.id == "stuck":
            yield replace(step, text=WHOLE, tokens=5)
            self.released.wait(10)  # deaf to stop, as one long prefill is
            return
        for count in range(1, 6) if self.spec.id != "endless" else iter(int, 1):
            if stop.is_set():
                yield replace(step, text=WHOLE, tokens=count, finished="cancelled")
                return
            yield replace(step, text=WHOLE[:8 * count], tokens=count)
            time.sleep(0.01)
        yield replace(step, text=WHOLE, tokens=5, finished="length" if self.spec.id == "long" else "stop")


@pytest.fixture
def backend(monkeypatch):
    scripted, page = Scripted(), types.ModuleType("scripted_backend")
    page.load = scripted.load
    monkeypatch.setitem(sys.modules, "scripted_backend", page)
    monkeypatch.setitem(loaded.BACKENDS, "scripted", "scripted_backend")
    yield scripted
    scripted.released.set()


def spec(name: str) -> ModelSpec:
    return ModelSpec(name, "paligemma", "scripted", f"nowhere/{name}")


@pytest.fixture
def request_(photo) -> Request:
    return Request((pictures.read(photo),), "detect", names=("box",))


def asked(specs, request, generation=predict.GREEDY) -> list[predict.Ask]:
    return [predict.Ask(spec, request, generation) for spec in specs]


def finals(updates) -> dict:
    return {update.model: update.prediction for update in updates if update is not None and update.state == "done"}


def test_several_models_answer_and_each_ends_once(backend, request_):
    updates = list(predict.compare(LoadedModels(), asked([spec("a"), spec("b")], request_)))
    done = [update.model for update in updates if update is not None and update.state == "done"]
    assert sorted(done) == ["a", "b"]
    for prediction in finals(updates).values():
        assert (prediction.status, prediction.revision, prediction.prompt) == ("ok", "r1", "the prompt")
        assert prediction.annotations[0].box == (16.0, 12.0, 32.0, 24.0)
        assert prediction.seconds > 0 and prediction.seconds_to_first == 0.1


def test_boxes_appear_while_the_text_is_still_being_written(backend, request_):
    stop, partial = threading.Event(), []
    for update in predict.compare(LoadedModels(), asked([spec("stuck")], request_), stop):
        if update is not None and update.state == "answering" and update.prediction:
            partial.append(update.prediction)
            stop.set()
    assert partial[0].status == "ok" and partial[0].annotations and partial[0].problems == ()


def test_a_failure_stays_in_its_own_answer(backend, request_, caplog):
    specs = [spec("unloadable"), spec("a"), spec("buggy"), replace(spec("x"), family="unknown"),
             ModelSpec("gone", "paligemma", "local", "./gone")]
    answers = finals(predict.compare(LoadedModels(), asked(specs, request_)))
    assert answers["a"].status == "ok"
    assert answers["unloadable"].problems == ("the licence was not accepted",)
    assert answers["gone"].problems == ("there is no folder ./gone",)
    assert "no family named 'unknown'" in answers["x"].problems[0]
    assert "a fault in Boxloop, not in your question: KeyError" in answers["buggy"].problems[0]
    assert "Traceback" in caplog.text
    assert all(answers[name].status == "failed" for name in ("unloadable", "gone", "x", "buggy"))


def test_a_task_that_the_model_cannot_do_is_said_before_it_is_loaded(backend, photo):
    detector = ModelSpec("d", "owlv2", "detector", "nobody/has-this")
    request = Request((pictures.read(photo),), "count", names=("cat",))
    assert finals(predict.compare(LoadedModels(), asked([detector], request)))["d"].problems == (
        "OWLv2 cannot count; it can: detect, ground",)


@pytest.mark.parametrize(("change", "sentence"), [
    ({"images": ()}, "there is no picture"),
    ({"names": ()}, "the question is empty"),
    ({"task": "ground", "names": (), "caption": " \n"}, "the question is empty"),
    ({"task": "dance"}, "there is no task 'dance'"),
    ({"names": ("<b>" + "x" * 5000,)}, "the question has 5,003 characters"),
    ({"prompt": "  "}, "the edited prompt is empty"),
    ({"prompt": "x" * 5000}, "the edited prompt has 5,000 characters"),
])
def test_a_question_that_cannot_be_asked_is_one_sentence_in_the_answer(backend, request_, change, sentence):
    answer = finals(predict.compare(LoadedModels(), asked([spec("a")], replace(request_, **change))))["a"]
    assert answer.status == "failed" and answer.problems[0].startswith(sentence)


def test_a_picture_that_broke_since_it_was_chosen_is_one_sentence_in_the_answer(checkpoint, photo):
    image = pictures.read(photo)
    photo.write_bytes(photo.read_bytes()[:60])
    real = ModelSpec("tiny", "paligemma", "local", str(checkpoint("paligemma")))
    answer = finals(predict.compare(LoadedModels(), asked([real], Request((image,), "detect", names=("box",)))))["tiny"]
    assert answer.status == "failed" and answer.problems[0].startswith("photo.png is")


def test_an_answer_cut_by_the_limit_is_truncated_and_says_how_to_get_the_rest(backend, request_):
    answer = finals(predict.compare(LoadedModels(), asked([spec("long")], request_)))["long"]
    assert answer.status == "truncated" and answer.annotations
    assert answer.problems == ("stopped after 5 tokens; raise the limit",)


def test_stop_keeps_what_was_read_and_says_who_stopped_it(backend, request_):
    stop = threading.Event()
    answers, began = {}, time.monotonic()
    for update in predict.compare(LoadedModels(), asked([spec("endless"), spec("a")], request_), stop):
        if update is not None and update.state == "done":
            answers[update.model] = update.prediction
            stop.set()  # when "a" is through
    assert time.monotonic() - began < 2
    assert answers["a"].status == "ok"
    assert answers["endless"].status == "truncated" and len(answers["endless"].annotations) == 1
    assert answers["endless"].problems[-1].startswith("stopped by you after")


def test_a_model_deaf_to_stop_is_left_behind_with_what_it_said(backend, request_):
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    answer = finals(predict.compare(LoadedModels(), asked([spec("stuck")], request_), stop))["stuck"]
    assert time.monotonic() - began < 0.3 + predict.GRACE + 1
    assert answer.problems == ("stopped by you after 5 tokens",) and answer.annotations


def test_a_stop_before_the_beginning_ends_at_once(backend, request_):
    stop = threading.Event()
    stop.set()
    answer = finals(predict.compare(LoadedModels(), asked([spec("endless")], request_), stop))["endless"]
    assert answer.status == "truncated" and answer.problems[0].startswith("stopped by you after")


def test_a_closed_iterator_ends_every_thread(backend, request_):
    updates = predict.compare(LoadedModels(), asked([spec("endless")], request_))
    while (update := next(updates)) is None or update.prediction is None:
        pass
    updates.close()
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("ask") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_silence_is_broken_by_heartbeats_so_that_a_cancel_gets_in(backend, request_):
    updates, gaps, last = predict.compare(LoadedModels(), asked([spec("stuck")], request_)), [], time.monotonic()
    for _ in range(8):
        next(updates)
        gaps.append(time.monotonic() - last)
        last = time.monotonic()
    updates.close()
    assert max(gaps) < 2 * predict.HEARTBEAT


def test_a_slow_reader_gets_the_newest_and_not_a_backlog(backend, request_):
    updates = predict.compare(LoadedModels(), asked([spec("endless")], request_))
    next(updates)
    time.sleep(0.5)
    next(updates)
    counts = []
    for update in updates:
        if update is not None and update.prediction:
            counts.append(update.prediction.tokens)
            if len(counts) == 3:
                break
    updates.close()
    assert len(counts) == 3


def test_a_prediction_prints_as_the_commands_promise(backend, request_):
    answer = finals(predict.compare(LoadedModels(), asked([spec("a")], request_, Generation(max_tokens=9))))["a"]
    document = predict.prediction_json(answer)
    assert list(document) == ["model", "revision", "task", "query", "image", "prompt", "text", "status", "annotations",
                              "problems", "tokens", "seconds", "seconds_to_first"]
    assert document["query"] == "box" and document["image"] == {"width": 64, "height": 48}
    assert document["annotations"] == [{"label": "box", "box": [16.0, 12.0, 32.0, 24.0], "points": [], "score": None}]


def test_a_base_and_its_tuned_self_answer_side_by_side(checkpoint, photo):
    base = ModelSpec("base", "paligemma", "local", str(checkpoint("paligemma")))
    tuned = replace(base, id="tuned", adapter=str(checkpoint("lora")))
    request = Request((pictures.read(photo),), "ground", caption="the red box")
    answers = finals(predict.compare(LoadedModels(), asked([base, tuned], request, Generation(max_tokens=12))))
    assert answers["base"].text != answers["tuned"].text
    assert answers["base"].frame == answers["tuned"].frame == Frame((64, 48), (28, 28))
