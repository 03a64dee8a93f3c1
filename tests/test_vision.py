"""A picture is seen once: other questions about it, and adapters that leave the tower alone, take what was seen."""
from __future__ import annotations

import threading

import pytest
import torch

from app import pictures
from app.backends import local, vision
from app.backends.loaded import LoadedModels
from app.types import Generation, ModelSpec
from tests import tiny
from tests.test_families_local import FAMILY, RUN, endless, question, spec
from tests.test_local import scale

SHORT = Generation(max_tokens=8)
SEEN = [kind for kind in RUN if kind != "kosmos2"]  # it hands the writing over to a model that takes no features

each = pytest.mark.parametrize("kind", SEEN)


@pytest.fixture(scope="module")
def load(checkpoint):
    loaded = {}

    def once(kind: str) -> local.LocalModel:
        if kind not in loaded:
            loaded[kind] = endless(local.load(spec(checkpoint, kind)))
        return loaded[kind]

    return once


def answer(model, request, generation=SHORT) -> str:
    return list(model.generate(request, generation, threading.Event()))[-1].text


def forwards(model) -> list:
    """Filled with one entry for each pass of the model's vision tower."""
    base = model.checkpoint.model.base_model
    tower = next(getattr(base, name) for name in ("vision_tower", "visual", "vision_model") if hasattr(base, name))
    passes = []
    tower.register_forward_hook(lambda *_: passes.append(1))
    return passes


@each
def test_a_second_question_about_a_picture_runs_no_vision_tower(load, photos, kind):
    model = load(kind)
    passes, before = forwards(model), model.checkpoint.features.passes
    first = answer(model, question(kind, photos((64, 48)), words="a box"))
    seen = len(passes)
    assert seen and model.checkpoint.features.passes == before + 1
    answer(model, question(kind, photos((64, 48)), words="something else"))
    assert answer(model, question(kind, photos((64, 48)), words="a box")) == first and len(passes) == seen
    answer(model, question(kind, photos((48, 64)), words="a box"))
    assert len(passes) > seen, "another picture is seen"


@each
def test_what_was_kept_answers_as_the_picture_itself(load, photos, kind):
    """The reference is transformers' own road, with the pixels."""
    model = load(kind)
    request = question(kind, photos((57, 41)))
    inputs = model.inputs(request, [pictures.pixels(image) for image in request.images], SHORT)
    plain = model.checkpoint.model.generate(**inputs, max_new_tokens=8, do_sample=False)[0]
    skip = 1 if kind == "florence2" else inputs["input_ids"].shape[1]
    expected = model.checkpoint.processor.tokenizer.decode(plain[skip:], skip_special_tokens=False,
                                                           clean_up_tokenization_spaces=False)
    assert [answer(model, request) for _ in range(2)] == [expected] * 2


def test_kosmos_2_sees_every_picture_anew(load, photo):
    model = load("kosmos2")
    assert model.checkpoint.features.takes == ()
    assert answer(model, question("kosmos2", photo)) == answer(model, question("kosmos2", photo))


def test_another_pixel_budget_is_another_picture(load, photos):
    model = load("qwen2_5_vl")
    request, before = question("qwen2_5_vl", photos((500, 375))), model.checkpoint.features.passes
    for budget in (None, 10 * 28 * 28, None):
        answer(model, request, Generation(max_tokens=2, max_pixels=budget))
    assert model.checkpoint.features.passes == before + 2


def test_a_base_and_its_adapter_share_what_was_seen(checkpoint, photo):
    models = LoadedModels()
    base = ModelSpec("base", "paligemma", "local", str(checkpoint("paligemma")))
    tuned = ModelSpec("tuned", "paligemma", "local", str(checkpoint("paligemma")), adapter=str(checkpoint("lora")))
    for which in (base, tuned, base):
        answer(models.load(which), question("paligemma", photo))
    assert models.load(base).checkpoint.features.passes == 1


def test_an_adapter_on_the_tower_sees_for_itself(checkpoint, photo, tmp_path):
    base = local.load(spec(checkpoint, "qwen2_5_vl"))
    layers = r".*(visual|language_model).*(qkv|q_proj)"
    seeing = [tiny.save_adapter(checkpoint("qwen2_5_vl"), tmp_path / name, layers=layers) for name in ("a", "b")]
    scale(seeing[1] / "adapter_model.safetensors", -1.0)
    models = [base, *(base.adapted(spec(checkpoint, "qwen2_5_vl", adapter=str(path))) for path in seeing)]
    texts = [answer(model, question("qwen2_5_vl", photo)) for model in (*models, *models)]
    assert texts[:3] == texts[3:] and len(set(texts)) == 3
    assert base.checkpoint.features.passes == 3


def test_what_is_kept_stays_within_its_bytes_and_the_oldest_leaves(load, photos):
    model = load("paligemma")
    kept = model.checkpoint.features = vision.Features(model.checkpoint.model, most_bytes=2 * 4 * 32 * 4)
    for size in ((64, 48), (48, 64), (64, 64)):
        answer(model, question("paligemma", photos(size)))
    assert kept.bytes == sum(found[2] for found in kept.kept.values()) <= kept.most_bytes and len(kept.kept) == 2
    answer(model, question("paligemma", photos((64, 64))))
    assert kept.passes == 3
    answer(model, question("paligemma", photos((64, 48))))
    assert kept.passes == 4, "the first one had left"


def test_one_number_more_or_less_in_a_picture_is_another_key():
    pixels = torch.zeros(1, 3, 4, 4)
    other = pixels.clone()
    other[0, 2, 3, 3] = 1e-7
    keys = {vision._key({"pixel_values": each}, seer) for each in (pixels, other) for seer in (None, "adapter")}
    keys.add(vision._key({"pixel_values": pixels.reshape(1, 3, 2, 8)}, None))
    assert len(keys) == 5


def test_every_family_that_could_be_given_features_is_tested_here():
    assert set(FAMILY) - {"kosmos2", "lfm2_vl", "molmo2"} == set(SEEN) - {"lfm2_vl", "molmo2"}
