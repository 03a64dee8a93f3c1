"""Held to its form, a random model writes an answer that can be read, with the log-probabilities of its own logits."""
from __future__ import annotations

import math
import threading
from dataclasses import replace

import pytest
import torch

from app import pictures, predict
from app.backends import batch, local, structure
from app.backends.loaded import LoadedModels
from app.families import every, find
from app.types import Annotation, Generation, Image, Point, Request
from tests.test_families_local import spec

FORMED = ["qwen2_5_vl", "qwen3_vl", "qwen3_5", "gemma4", "smolvlm", "paligemma", "paligemma2"]
FREE = Generation(max_tokens=160)
HELD = replace(FREE, structure=True)
NAMES = ("cat", 'red "star"', "дом")


@pytest.fixture(scope="module")
def load(checkpoint):
    loaded = {}

    def once(kind: str) -> local.LocalModel:
        if kind not in loaded:
            loaded[kind] = local.load(spec(checkpoint, kind))
        return loaded[kind]

    return once


def asked(task: str, photo) -> Request:
    return Request((pictures.read(photo),), task, names=("head", "left hand") if task == "keypoints" else NAMES,
                   caption="the red box")


def answer(model, request, generation=HELD):
    return list(model.generate(request, generation, threading.Event()))[-1]


@pytest.mark.parametrize("kind", FORMED)
@pytest.mark.parametrize("task", ["detect", "ground", "point", "count", "keypoints"])
def test_whatever_a_random_model_says_can_be_read(load, photo, kind, task):
    model, request = load(kind), asked(task, photo)
    if model.family.form(request) is None:
        pytest.skip(f"{model.family.title} has no form for {task}")
    step = answer(model, request)
    parsed = model.family.parse(step.text, request, step.frame)
    outside = kind == "qwen2_5_vl" and "outside" in str(parsed.problems)  # pixels: the form does not know how many
    assert parsed.status in ("ok", "empty") or step.finished == "length" or outside, step.text
    if task == "detect":
        assert {found.label for found in parsed.annotations} <= set(NAMES)
    if task == "count" and step.finished == "stop":
        assert not any("count" in problem or "did not say" in problem for problem in parsed.problems)
    if not kind.startswith("paligemma"):
        free = model.family.parse(answer(model, request, FREE).text, request, step.frame)
        assert not free.annotations, "nothing that a random model writes without its form can be read"


@pytest.mark.parametrize("kind", FORMED)
def test_each_token_has_the_log_probability_of_the_models_own_logits(load, photo, kind):
    """Against one pass over the whole text, which forbids nothing."""
    model, request = load(kind), asked("detect", photo)
    step = answer(model, request, replace(HELD, max_tokens=90))
    inputs = model.inputs(request, [pictures.pixels(request.images[0])], HELD)
    ids = tokens_of(model, step.text)
    whole = torch.cat([inputs["input_ids"], torch.tensor([ids])], dim=1)
    suffix = {"token_type_ids": int(kind.startswith("paligemma")), "attention_mask": 1}  # PaliGemma's is causal
    more = {name: torch.nn.functional.pad(value, (0, len(ids)), value=suffix.get(name, 0))
            for name, value in inputs.items() if value.shape[:2] == inputs["input_ids"].shape}
    with torch.inference_mode():
        logits = model.checkpoint.model(**(inputs | more | {"input_ids": whole})).logits[0].float()
    start = inputs["input_ids"].shape[1]
    expected = logits.log_softmax(-1)[range(start - 1, start - 1 + len(ids)), ids].tolist()
    assert len(step.written) == len(ids)
    assert [token.log_probability for token in step.written] == pytest.approx(expected, abs=1e-3)


def tokens_of(model, text: str) -> list[int]:
    """As they were written: each byte is a token of these tiny tokenizers, and each location token is one."""
    return model.checkpoint.processor.tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("kind", ["qwen3_vl", "paligemma"])
def test_what_leaves_no_choice_costs_no_step(load, photo, kind):
    model, request = load(kind), asked("detect", photo)
    passes = []
    hook = model.checkpoint.model.register_forward_hook(lambda *_: passes.append(1))
    step = answer(model, request)
    hook.remove()
    assert len(passes) < 0.8 * step.tokens


@pytest.mark.parametrize("kind", [kind for kind in FORMED if kind != "qwen3_5"])
def test_one_token_at_a_time_writes_the_same(load, photo, monkeypatch, kind):
    """Where a model cannot take several at once (a linear attention), the answer is the same and its scores are."""
    model, request = load(kind), asked("detect", photo)
    quick = answer(model, request)
    monkeypatch.setattr(type(model.checkpoint.model), "_is_stateful", True)
    slow = answer(model, request)
    assert slow.text == quick.text and slow.tokens == quick.tokens
    assert [token.log_probability for token in slow.written] == pytest.approx(
        [token.log_probability for token in quick.written], abs=1e-4)


@pytest.mark.parametrize("limit", [1, 2, 9, 17, 40])
def test_the_limit_is_kept_to_the_token(load, photo, limit):
    for kind in ("qwen3_vl", "paligemma"):
        step = answer(load(kind), asked("ground", photo), Generation(max_tokens=limit, structure=True))
        assert step.tokens <= limit
        assert step.finished == "stop" or step.tokens == limit


def test_stop_ends_it(load, photo):
    stop, steps = threading.Event(), []
    for step in load("qwen3_vl").generate(asked("detect", photo), Generation(max_tokens=3000, structure=True), stop):
        steps.append(step)
        stop.set()
    assert steps[-1].finished in ("cancelled", "stop") and steps[-1].tokens < 3000


def test_it_is_off_unless_asked_for_and_a_task_without_a_form_is_written_freely(load, photo):
    model = load("qwen3_vl")
    assert Generation().structure is False
    asking = asked("ask", photo)
    assert answer(model, asking).text == answer(model, asking, FREE).text
    assert batch.alone(model, HELD) and batch.alone(model, FREE) is None


def test_a_prediction_says_how_it_was_written(checkpoint, photo):
    for task, note in (("detect", False), ("ask", True)):
        *_, last = (update for update in predict.compare(LoadedModels(), [
            predict.Ask(spec(checkpoint, "paligemma"), asked(task, photo), replace(HELD, max_tokens=20))]) if update)
        assert last.prediction.generation.structure
        assert any("form" in problem for problem in last.prediction.problems) == note
    assert last.prediction.status != "failed"


def test_a_score_means_the_same_with_and_without_a_form(load, photo):
    model, request = load("paligemma"), asked("ground", photo)
    step = answer(model, request, replace(HELD, max_tokens=30))
    assert all(math.isfinite(token.log_probability) for token in step.written)
    assert min(token.log_probability for token in step.written) < -1, "forced tokens have the model's own doubts"


@pytest.mark.parametrize("family", [each for each in every() if each.backend == "local"], ids=lambda each: each.name)
@pytest.mark.parametrize("task", ["detect", "ground", "point", "keypoints", "count"])
def test_what_a_family_writes_has_the_form_that_it_names(family, task):
    """The training target is an answer that the form allows: the grammar reads it to its end."""
    if task not in family.tasks:
        pytest.skip("not its task")
    request = Request((Image("", (640, 480)),), task, names=("head",) if task == "keypoints" else ("cat", "dog"),
                      caption="the cat")
    form = family.form(request)
    if not isinstance(form, structure.JsonForm):
        pytest.skip("not in JSON, or its form is not known")
    import xgrammar
    rules = structure.Grammars._rules(type("Rules", (), {"xgrammar": xgrammar}), form)
    label = {"keypoints": "person", "detect": "dog", "count": "dog"}.get(task, "the cat")
    truth = Annotation(label, (1, 2, 300, 400), (Point("head", 30, 40),) if task in ("point", "keypoints") else ())
    for many in (0, 1, 3):
        text = family.format([truth] * many, request, family.frame((640, 480)))
        assert xgrammar.testing._is_grammar_accept_string(xgrammar.Grammar.from_ebnf(rules), text), text


def test_paligemmas_form_takes_labels_that_begin_alike():
    form = find("paligemma").form(Request((Image("", (9, 9)),), "detect", names=("cat", "cat toy", "dog")))
    guide = structure.LocGuide(form, Letters(), frozenset({9999}))
    box = [Letters.LOC] * 4
    wanted = [*box, *map(ord, " cat toy"), *map(ord, form.separator), *box, *map(ord, " dog")]
    while wanted:
        assert wanted[0] in guide._next()
        token, *wanted = wanted
        forced = guide.accept(token)
        assert wanted[:len(forced)] == forced
        wanted = wanted[len(forced):]
    assert guide._next() == [ord(" "), 9999], "another object, or the end"


class Letters:
    """A tokenizer of letters, and location tokens behind them."""
    LOC = 5000

    def __call__(self, text: str, **_) -> dict:
        return {"input_ids": list(map(ord, text))}

    def convert_tokens_to_ids(self, tokens: list[str]) -> list[int]:
        return [self.LOC + number for number in range(len(tokens))]
