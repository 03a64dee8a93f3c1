"""Every family that generates: a tiny checkpoint answers through the real backend, or one sentence says why it cannot.

What these families share with PaliGemma and Qwen is in test_local.py; here each is led once along its whole road.
"""
from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import torch
from PIL import Image
from transformers.models.gemma4 import image_processing_pil_gemma4
from transformers.utils import is_torchvision_available

from app import families, pictures, predict
from app.backends import ModelError, batch, local, sizes
from app.backends.checkpoint import explained
from app.backends.loaded import ELSEWHERE, LoadedModels
from app.backends.typed import without_control_tokens
from app.types import Generation, ModelSpec, Request
from tests import tiny
from tests.conftest import draw

FAMILY = {"paligemma": "paligemma", "paligemma2": "paligemma", "gemma3": "gemma-3", "gemma4": "gemma-4",
          "florence2": "florence-2", "kosmos2": "kosmos-2", "internvl": "internvl", "glm46v": "glm-4.6v",
          "idefics3": "idefics3", "smolvlm": "smolvlm", "qwen2_vl": "qwen2-vl", "qwen2_5_vl": "qwen2.5-vl",
          "qwen3_vl": "qwen3-vl", "qwen3_5": "qwen3-vl", "lfm2_vl": "lfm2.5-vl", "molmo2": "molmo2"}
TUNED_FROM = ("rex-omni",)  # whose checkpoints are a Qwen2.5-VL by their config
TORCHVISION = ("lfm2_vl", "molmo2")  # their image processors have no other form
ONE_PICTURE = ("florence2", "kosmos2")
RUN = [kind for kind in FAMILY if kind not in TORCHVISION or is_torchvision_available()]
TILED = [kind for kind in RUN if kind in ("internvl", "idefics3", "smolvlm")]
BUDGETED = [kind for kind in RUN if kind in ("gemma4", "glm46v", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5")]
SIZES = [(80, 640), (640, 80), (64, 64), (57, 41), (500, 375), (7, 9), (1023, 771)]
SHORT, LONG, PLAIN = Generation(max_tokens=16), Generation(max_tokens=400), Generation()

each = pytest.mark.parametrize("kind", RUN)
without_torchvision = pytest.mark.skipif(is_torchvision_available(), reason="torchvision is here")


@pytest.fixture(scope="module")
def load(checkpoint):
    """load("florence2") → the LocalModel, loaded once for this file."""
    loaded = {}

    def once(kind: str) -> local.LocalModel:
        if kind not in loaded:
            loaded[kind] = local.load(spec(checkpoint, kind))
        return loaded[kind]

    return once


def spec(checkpoint, kind: str, **more) -> ModelSpec:
    return ModelSpec(id=f"tiny-{kind}", family=FAMILY[kind], backend="local", source=str(checkpoint(kind)), **more)


def question(kind: str, *paths, words: str = "the red box") -> Request:
    task = "ground" if "ground" in families.find(FAMILY[kind]).tasks else "point"
    return Request(tuple(pictures.read(path) for path in paths), task, caption=words)


def answer(model, request, generation=SHORT):
    return list(model.generate(request, generation, threading.Event()))[-1]


def endless(model: local.LocalModel) -> local.LocalModel:
    """The model without an end: a random one may end at once. Kosmos-2 writes with a text model of its own."""
    for part in model.checkpoint.model.modules():
        if getattr(part, "generation_config", None) is not None:
            part.generation_config.suppress_tokens = model.checkpoint.processor.tokenizer.all_special_ids
    return model


def test_every_family_that_generates_is_led_along_its_road_or_says_why_not():
    led = {*FAMILY.values(), *TUNED_FROM}
    elsewhere = {family.name for family in families.every() if family.backend in ELSEWHERE}
    detectors = {family.name for family in families.every() if family.backend == "detector"}
    assert led | elsewhere | detectors == {family.name for family in families.every()}
    assert not led & elsewhere


@each
def test_an_answer_comes_in_steps_and_its_tokens_are_counted(load, photo, kind, monkeypatch):
    monkeypatch.setattr(batch, "PAUSE", 0.0)
    steps = list(endless(load(kind)).generate(question(kind, photo), Generation(max_tokens=16), threading.Event()))
    counts = [step.tokens for step in steps]
    assert len(steps) > 2 and counts == sorted(counts) and (counts[-1], steps[-1].finished) == (16, "length")
    assert all(step.finished is None for step in steps[:-1])
    assert steps[-1].seconds_to_first > 0 and "red box" in steps[-1].prompt
    assert steps[-1].text


@each
def test_an_answer_is_a_prediction_like_any_other(checkpoint, photo, kind):
    asked = question(kind, photo)
    *_, last = (update for update in predict.compare(LoadedModels(), [
        predict.Ask(spec(checkpoint, kind), asked, Generation(max_tokens=8))]) if update)
    assert last.prediction.status != "failed", last.prediction.problems
    assert last.prediction.prompt == families.find(FAMILY[kind]).prompt(asked) and last.prediction.revision


@each
def test_stop_ends_it_between_two_tokens(load, photo, kind):
    stop, steps = threading.Event(), []
    for step in endless(load(kind)).generate(question(kind, photo), LONG, stop):
        steps.append(step)
        stop.set()
    assert steps[-1].finished == "cancelled" and steps[-1].tokens < 200


@each
def test_the_family_predicts_the_frame_that_the_model_really_sees(load, tmp_path, kind):
    model = load(kind)
    for size in SIZES:
        request = question(kind, draw(tmp_path / "photo.png", size))
        used = sizes.frame_used(inputs(model, request), size, model.checkpoint.processor)
        assert used == model.family.frame(size, model.pixels()), size


@pytest.mark.parametrize("kind", BUDGETED)
def test_a_pixel_budget_shrinks_the_frame_that_the_family_predicts(load, tmp_path, kind):
    model = load(kind)
    budget = 80 * model.pixels().factor**2 if kind == "gemma4" else 10 * model.pixels().factor**2
    for size in SIZES:
        request = question(kind, draw(tmp_path / "photo.png", size))
        used = sizes.frame_used(inputs(model, request, Generation(max_pixels=budget)), size,
                                model.checkpoint.processor)
        assert used == model.family.frame(size, model.pixels(budget)), size
        assert used.input_size[0] * used.input_size[1] <= budget
    assert used.input_size[0] * used.input_size[1] > 0.4 * budget, "a large picture has all of it"


@pytest.mark.parametrize("kind", TILED)
def test_a_pixel_budget_leaves_fewer_tiles_and_the_same_frame(load, photos, kind):
    model, request = load(kind), question(kind, photos((500, 375)))
    many, few = (inputs(model, request, Generation(max_pixels=budget)) for budget in (None, 1))
    assert tiles(many) > tiles(few) == 1
    for seen in (many, few):
        assert sizes.frame_used(seen, (500, 375), model.checkpoint.processor).input_size == (28, 28)
    assert answer(model, request, Generation(max_tokens=2, max_pixels=1)).tokens


def test_gemma_4s_budgets_are_those_that_its_processor_takes():
    assert image_processing_pil_gemma4._SUPPORTED_SOFT_TOKENS == sizes.SOFT_TOKENS


@each
def test_the_picture_matters_and_the_words_do_not_change_with_it(load, tmp_path, kind):
    model = load(kind)
    black, drawn = (inputs(model, question(kind, path)) for path in (
        blank(tmp_path / "black.png"), draw(tmp_path / "drawn.png", (64, 48))))
    assert not torch.equal(black["pixel_values"], drawn["pixel_values"])
    assert torch.equal(black["input_ids"], drawn["input_ids"])


@each
def test_a_text_begins_once(load, photo, kind):
    """A chat template and a tokenizer that both write <bos> would begin it twice."""
    tokenizer = load(kind).checkpoint.processor.tokenizer
    ids = inputs(load(kind), question(kind, photo))["input_ids"][0].tolist()
    assert ids.count(tokenizer.bos_token_id) <= 1
    if kind in ("gemma3", "gemma4", "lfm2_vl"):
        assert ids[0] == tokenizer.bos_token_id


@each
def test_control_tokens_in_a_question_stay_text(load, photo, kind):
    model = load(kind)
    added = model.checkpoint.processor.tokenizer.get_added_vocab()
    plain, hostile = (model.inputs(without_control_tokens(question(kind, photo, words=words), model.control,
                                                                 model.own), opened(photo), Generation())
                      for words in ("the red box", f"{' '.join(added)[:1500]} <image> <<image>"))
    control = {added[token] for token in added if model.control.fullmatch(token)}
    assert [number for number in plain["input_ids"][0].tolist() if number in control] == [
        number for number in hostile["input_ids"][0].tolist() if number in control]


@pytest.mark.parametrize(("kind", "prompt"), [
    ("kosmos2", "<grounding><phrase> the red box</phrase>"), ("internvl", "Where is <ref>the red box</ref>?")])
def test_an_edited_prompt_keeps_the_tags_of_the_familys_own_wording(load, photo, kind, prompt):
    model = load(kind)
    end = model.checkpoint.processor.tokenizer.eos_token
    request = replace(question(kind, photo), prompt=prompt + end)
    assert answer(model, request, Generation(max_tokens=2)).prompt == f"{prompt}{end[0]} {end[1:]}"


@pytest.mark.parametrize("kind", [kind for kind in RUN if kind not in ONE_PICTURE])
def test_two_pictures_go_in_together(load, photos, kind):
    step = answer(load(kind), question(kind, photos((64, 48)), photos((32, 64))), Generation(max_tokens=2))
    assert step.frame.image_size == (64, 48) and step.tokens


@pytest.mark.parametrize("kind", ONE_PICTURE)
def test_who_takes_one_picture_at_a_time_says_so(load, photos, kind):
    with pytest.raises(ModelError, match=r"looks at one picture at a time, and here are 2; ask about each"):
        answer(load(kind), question(kind, photos((64, 48)), photos((32, 64))))


@each
def test_an_adapter_is_on_and_off_on_one_copy_of_the_weights(checkpoint, photo, tmp_path, kind):
    """LoRA goes where the family says; a word more would be a name that its model does not have."""
    family = families.find(FAMILY[kind])
    adapter = tiny.save_adapter(checkpoint(kind), tmp_path / "lora", layers=family.language_layers)
    base = endless(local.load(spec(checkpoint, kind)))
    before = answer(base, question(kind, photo)).text
    tuned = base.adapted(spec(checkpoint, kind, adapter=str(adapter)))
    assert tuned.checkpoint is base.checkpoint and tuned.revision != base.revision
    assert answer(tuned, question(kind, photo)).text != before
    assert answer(base, question(kind, photo)).text == before  # switched off again
    assert not any("vision" in name for name, _ in tuned.checkpoint.model.named_parameters() if "lora_" in name)


@without_torchvision
@pytest.mark.parametrize("kind", TORCHVISION)
def test_who_needs_torchvision_says_so_in_one_sentence(checkpoint, kind):
    with pytest.raises(ModelError, match=r"needs the library torchvision, which is not here") as refusal:
        local.load(spec(checkpoint, kind))
    assert_sentence(refusal.value)


@pytest.mark.parametrize("said", [
    "\nLfm2VlImageProcessor requires the Torchvision library but it was not found in your environment. Check out",
    "operator torchvision::nms does not exist",
    "Could not load any image processor class for x. None of these classes could be imported. Missing optional "
    "dependencies: torchvision. Please install"])
def test_however_a_missing_torchvision_is_said_it_is_one_sentence(said):
    with pytest.raises(ModelError, match=r"m/x needs the library torchvision") as refusal, \
            explained(ModelSpec("x", "molmo2", "local", "m/x")):
        raise ImportError(said)
    assert_sentence(refusal.value)


def test_smolvlm_needs_no_library_that_spells_numbers(load, photo):
    """Its processor refuses to be built without num2words, which it has for the frames of a video."""
    assert answer(load("smolvlm"), question("smolvlm", photo)).tokens


@pytest.mark.parametrize("family", [family for family in families.every() if family.backend in ELSEWHERE],
                         ids=lambda family: family.name)
def test_a_family_that_cannot_run_here_says_so_in_one_sentence(photo, family):
    asked = Request((pictures.read(photo),), sorted(family.tasks - {"count"})[0], names=("cat",), caption="the cat")
    model = ModelSpec(f"some/{family.name}", family.name, family.backend, f"some/{family.name}")
    *_, last = (update for update in predict.compare(LoadedModels(), [predict.Ask(model, asked)]) if update)
    (sentence,) = last.prediction.problems
    assert last.prediction.status == "failed" and sentence.startswith(family.title)
    assert f"python -m app parse --family {family.name}" in sentence
    assert_sentence(sentence)


def assert_sentence(said) -> None:
    assert "\n" not in str(said) and "Traceback" not in str(said) and len(str(said)) < 300


def inputs(model, request: Request, generation=PLAIN):
    """What really goes into the model."""
    return model.inputs(request, [pictures.pixels(image) for image in request.images], generation)


def opened(path) -> list:
    return [pictures.pixels(pictures.read(path))]


def tiles(seen) -> int:
    values = seen["pixel_values"]
    return values.shape[1] if values.ndim == 5 else values.shape[0]


def blank(path):
    Image.new("RGB", (64, 48)).save(path)
    return path
