"""Several answers at once are the answers given one by one: same words, same log-probabilities, same frames."""
from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from itertools import pairwise

import pytest

from app import families, pictures, predict
from app.backends import ModelError, Refused, batch, local
from app.backends.loaded import LoadedModels, Place
from app.catalogue import Catalogue
from app.types import Generation, Image, ModelSpec, Request
from tests import tiny
from tests.test_families_local import RUN, endless, question, spec
from tests.test_local import scale

SHORT = Generation(max_tokens=12)
SIZES = [(64, 48), (80, 640), (375, 500), (57, 41), (33, 35)]
WORDS = ["the red box", "x", "the small red box that stands left of the other one"]

each = pytest.mark.parametrize("kind", RUN)


@pytest.fixture(scope="module")
def load(checkpoint):
    """load("florence2") → the LocalModel without an end, loaded once for this file."""
    loaded = {}

    def once(kind: str) -> local.LocalModel:
        if kind not in loaded:
            loaded[kind] = endless(local.load(spec(checkpoint, kind)))
        return loaded[kind]

    return once


def alone(model, request, generation=SHORT):
    return list(model.generate(request, generation, threading.Event()))[-1]


def asked(kind: str, photos, count: int = 3) -> list[Request]:
    """Pictures of different shapes and questions of different lengths, so that there is something to pad."""
    return [question(kind, photos(SIZES[n]), words=WORDS[n % 3]) for n in range(count)]


@each
def test_a_batch_answers_as_each_would_alone(load, photos, kind):
    model = load(kind)
    requests = asked(kind, photos)
    together = list(model.generate_many(requests, SHORT, threading.Event()))
    for step, request in zip(together, requests, strict=True):
        single = alone(model, request)
        assert (step.text, step.tokens, step.frame, step.prompt, step.finished) == (
            single.text, single.tokens, single.frame, single.prompt, single.finished)
        assert [token.log_probability for token in step.written] == pytest.approx(
            [token.log_probability for token in single.written], abs=1e-5)


def test_only_a_family_that_cannot_be_padded_is_asked_one_by_one(load, photos, monkeypatch):
    widths = []
    stream = batch.stream
    monkeypatch.setattr(batch, "stream", lambda parts, *rest: (widths.append(len(parts)), stream(parts, *rest))[1])
    for kind in ("paligemma", "kosmos2"):
        list(load(kind).generate_many(asked(kind, photos), SHORT, threading.Event()))
    assert widths == [3, 1, 1, 1]
    assert [family.name for family in families.every() if family.padding is None] == ["kosmos-2"]
    assert batch.alone(load("kosmos2"), SHORT) == "Kosmos-2 loses its place under padding"
    assert batch.alone(load("paligemma"), SHORT) is None


def test_a_temperature_follows_its_seed_in_a_batch_too(load, photos):
    model, warm = load("paligemma"), Generation(max_tokens=12, temperature=1.0, seed=4)
    requests = asked("paligemma", photos)
    assert [step.text for step in model.generate_many(requests, warm, threading.Event())] == [
        alone(model, request, warm).text for request in requests]


def test_an_answer_that_ends_early_is_not_touched_by_those_that_go_on(photos):
    """A shipped model: random weights seldom end by themselves."""
    model = local.load(Catalogue().find("tiny-qwen3-vl"))
    images = [(pictures.read(photos(size)),) for size in SIZES[:3]]
    requests = [*(Request(each, "detect", names=("red square", "star")) for each in images),
                *(Request(each, "ground", caption="the red box") for each in images),
                Request(images[0], "count", names=("star",)), Request(images[0], "keypoints", names=("head", "hand"))]
    generation = Generation(max_tokens=120)
    singles = [alone(model, request, generation) for request in requests]
    together = list(model.generate_many(requests, generation, threading.Event()))
    assert [(step.text, step.tokens, step.finished) for step in together] == [
        (step.text, step.tokens, step.finished) for step in singles]
    assert len({step.tokens for step in singles}) > 2 and "stop" in {step.finished for step in singles}


def test_a_stop_ends_the_batch_between_two_tokens_and_those_behind_it_are_not_begun(load, photos):
    model, stop = load("paligemma"), threading.Event()
    threading.Timer(0.3, stop.set).start()
    steps = list(model.generate_many(asked("paligemma", photos) * 6, Generation(max_tokens=3000), stop))
    assert len(steps) == batch.MOST and {step.finished for step in steps} == {"cancelled"}
    assert all(step.tokens < 3000 for step in steps)


def test_all_of_a_batch_can_be_watched_while_they_are_written(load, photos, monkeypatch):
    monkeypatch.setattr(batch, "PAUSE", 0.0)
    model = load("qwen3_vl")
    seen = list(batch.stream([(model, request) for request in asked("qwen3_vl", photos)], SHORT, threading.Event()))
    assert len(seen) > 3 and all(len(steps) == 3 for steps in seen)
    for before, after in pairwise(seen):
        assert all(b.tokens <= a.tokens for b, a in zip(before, after, strict=True))
    assert all(step.finished for step in seen[-1]) and not any(step.finished for step in seen[0])


@each
def test_a_base_and_its_adapters_write_in_one_batch(load, checkpoint, photos, tmp_path, kind):
    base = load(kind)
    layers = base.family.language_layers
    first = tiny.save_adapter(checkpoint(kind), tmp_path / "lora", layers=layers)
    second = shutil.copytree(first, tmp_path / "v1.5")
    scale(second / "adapter_model.safetensors", -1.0)
    models = [base, *(base.adapted(spec(checkpoint, kind, adapter=str(path))) for path in (first, second))]
    assert batch.apart(models) is None
    request = question(kind, photos((64, 48)))
    singles = [alone(model, request) for model in models]
    together = list(base.generate_many([request] * 3, SHORT, threading.Event(), models))
    assert len({step.text for step in singles}) == 3
    assert [step.text for step in together] == [step.text for step in singles]
    assert [step.revision for step in together] == [model.revision for model in models]
    for step, single in zip(together, singles, strict=True):
        assert [token.log_probability for token in step.written] == pytest.approx(
            [token.log_probability for token in single.written], abs=1e-4)
    assert alone(base, request).text == singles[0].text


def test_an_adapter_on_the_vision_tower_answers_by_itself_and_it_is_said(checkpoint, photo, tmp_path):
    base = endless(local.load(spec(checkpoint, "qwen2_5_vl")))
    seeing = tiny.save_adapter(checkpoint("qwen2_5_vl"), tmp_path / "lora",
                               layers=r".*(visual|language_model).*(qkv|q_proj)")
    tuned = base.adapted(spec(checkpoint, "qwen2_5_vl", adapter=str(seeing)))
    assert "changes how the picture is seen" in batch.apart([base, tuned])
    request = question("qwen2_5_vl", photo)
    singles = [alone(model, request).text for model in (base, tuned, base)]
    together = base.generate_many([request] * 3, SHORT, threading.Event(), [base, tuned, base])
    assert [step.text for step in together] == singles and singles[0] == singles[2] != singles[1]


def specs(checkpoint) -> tuple[ModelSpec, ModelSpec]:
    base = ModelSpec("base", "paligemma", "local", str(checkpoint("paligemma")))
    return base, replace(base, id="tuned", adapter=str(checkpoint("lora")))


def test_many_questions_to_a_loaded_model_give_one_finished_step_each_in_order(checkpoint, photos):
    models = LoadedModels()
    base, tuned = specs(checkpoint)
    requests = asked("paligemma", photos, 5) * 3
    asks = [(tuned if n % 2 else base, request) for n, request in enumerate(requests)]
    events = list(models.answer_many(asks, SHORT, threading.Event()))
    steps = [event for event in events if not isinstance(event, Place)]
    assert len(steps) == 15 and all(step.finished for step in steps)
    assert [step.text for step in steps] == [alone(models.load(which), request).text for which, request in asks]


def test_one_broken_picture_spoils_only_its_own_answer(checkpoint, photos, tmp_path):
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    requests = asked("paligemma", photos)
    broken = replace(requests[1], images=(Image(str(tmp_path / "cut.png"), (64, 48)),))
    base, _ = specs(checkpoint)
    events = LoadedModels().answer_many([(base, each) for each in (requests[0], broken, requests[2])], SHORT,
                                        threading.Event())
    steps = [event for event in events if not isinstance(event, Place)]
    assert isinstance(steps[1], Refused) and "cut.png" in steps[1].problem
    assert steps[0].finished and steps[2].finished


def test_a_batch_that_is_too_large_for_the_memory_is_answered_one_by_one(checkpoint, photos, monkeypatch):
    import torch
    models = LoadedModels()
    base, _ = specs(checkpoint)
    model = models.load(base)
    write = model.checkpoint.model.generate
    monkeypatch.setattr(model.checkpoint.model, "generate", lambda **inputs: (
        torch.empty(1 << 60) if len(inputs["input_ids"]) > 1 else write(**inputs)))
    events = models.answer_many([(base, request) for request in asked("paligemma", photos)], SHORT, threading.Event())
    assert [event.finished is not None for event in events if not isinstance(event, Place)] == [True] * 3


def test_predictions_of_many_questions_are_those_of_each(checkpoint, photos):
    models = LoadedModels()
    base, tuned = specs(checkpoint)
    asks = [predict.Ask(which, request, SHORT) for request in asked("paligemma", photos) for which in (base, tuned)]
    asks[3:3] = [replace(asks[0], request=replace(asks[0].request, task="juggle"))]
    many = list(predict.many(models, asks))
    for ask, prediction in zip(asks, many, strict=True):
        *_, last = (update for update in predict.compare(models, [ask]) if update)
        same = {"seconds": 0.0, "seconds_to_first": None, "annotations": ()}
        assert replace(prediction, **same) == replace(last.prediction, **same)
        assert [found.box for found in prediction.annotations] == [found.box for found in last.prediction.annotations]
    assert many[3].status == "failed" and "juggle" in many[3].problems[0]
    assert all(prediction.seconds > 0 for prediction in many if prediction.status != "failed")


def test_a_model_that_cannot_be_had_fails_once_and_the_others_go_on(checkpoint, photos, tmp_path):
    models = LoadedModels()
    base, _ = specs(checkpoint)
    gone = ModelSpec("gone", "paligemma", "local", str(tmp_path / "nowhere"))
    asks = [predict.Ask(which, request, SHORT) for request in asked("paligemma", photos) for which in (gone, base)]
    many = list(predict.many(models, asks))
    assert [prediction.status == "failed" for prediction in many] == [True, False] * 3
    assert {prediction.problems for prediction in many[::2]} == {(many[0].problems)}


def test_what_is_stopped_gives_no_predictions_for_those_behind(checkpoint, photos):
    stop = threading.Event()
    stop.set()
    base, _ = specs(checkpoint)
    assert list(predict.many(LoadedModels(), [predict.Ask(base, each, SHORT) for each in asked("paligemma", photos)],
                             stop)) == []


def test_a_load_that_fails_is_raised_where_nothing_can_be_answered(photos, tmp_path):
    gone = ModelSpec("gone", "paligemma", "local", str(tmp_path / "nowhere"))
    with pytest.raises(ModelError):
        list(LoadedModels().answer_many([(gone, pictures_of(photos))], SHORT, threading.Event()))


def pictures_of(photos) -> Request:
    return Request((pictures.read(photos((64, 48))),), "ground", caption="x")
