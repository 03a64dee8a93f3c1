"""Tiny checkpoints of every family answer through the real backend: streamed, stoppable, upright, well framed."""
from __future__ import annotations

import shutil
import threading

import PIL.Image
import pytest
import torch

from app import pictures
from app.backends import ModelError, batch, local, running
from app.backends.typed import without_control_tokens
from app.backends.writing import Writing
from app.pictures import PictureError
from app.types import Generation, Image, ModelSpec, Request
from tests import tiny

FAMILY = {"paligemma": "paligemma", "paligemma2": "paligemma", "qwen2_5_vl": "qwen2.5-vl", "qwen3_vl": "qwen3-vl"}
KINDS = tuple(FAMILY)
SHORT, LONG = Generation(max_tokens=24), Generation(max_tokens=2000)


@pytest.fixture(scope="module")
def load(checkpoint):
    """load("paligemma") → the LocalModel, loaded once for this file."""
    loaded = {}

    def once(kind: str) -> local.LocalModel:
        if kind not in loaded:
            loaded[kind] = local.load(spec(checkpoint, kind))
        return loaded[kind]

    return once


def spec(checkpoint, kind: str, **more) -> ModelSpec:
    return ModelSpec(id=f"tiny-{kind}", family=FAMILY[kind], backend="local", source=str(checkpoint(kind)), **more)


def question(path, caption="the red box") -> Request:
    return Request((pictures.read(path),), "ground", caption=caption)


def answer(model, request, generation=SHORT):
    return list(model.generate(request, generation, threading.Event()))[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_comes_in_steps_that_grow_and_the_last_one_says_why_it_ended(load, photo, kind, monkeypatch):
    monkeypatch.setattr(batch, "PAUSE", 0.0)
    steps = list(load(kind).generate(question(photo), Generation(max_tokens=24), threading.Event()))
    assert len(steps) > 2
    assert [step.tokens for step in steps] == sorted(step.tokens for step in steps)
    assert all(step.finished is None for step in steps[:-1]) and steps[-1].finished in ("stop", "length")
    assert steps[-1].tokens <= 24 and steps[-1].seconds_to_first > 0
    assert "red box" in steps[-1].prompt


def test_a_small_model_writes_on_one_thread(load, photo, monkeypatch):
    """Seen while it writes, in its own thread: two threads of a tiny model mostly wait for each other."""
    model, used = load("paligemma"), []
    monkeypatch.setattr(running._Stopped, "__call__", lambda self, ids, *_, **__: used.append(torch.get_num_threads())
                        or torch.zeros(len(ids), dtype=torch.bool))
    monkeypatch.setattr(model.checkpoint, "threads", 2)
    answer(model, question(photo))
    monkeypatch.setattr(model.checkpoint, "threads", 1)
    answer(model, question(photo))
    assert set(used) == {1, 2}
    monkeypatch.undo()
    assert model.checkpoint.threads == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_question_gives_the_same_answer(load, photo, kind):
    assert answer(load(kind), question(photo)).text == answer(load(kind), question(photo)).text


@pytest.mark.parametrize("kind", KINDS)
def test_a_temperature_follows_its_seed(load, photo, kind):
    texts = [answer(load(kind), question(photo), Generation(24, temperature=1.5, seed=seed)).text for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("kind", KINDS)
def test_stop_ends_it_between_two_tokens(load, photo, kind):
    stop, steps = threading.Event(), []
    for step in endless(load(kind)).generate(question(photo), LONG, stop):
        steps.append(step)
        stop.set()
    assert steps[-1].finished == "cancelled" and steps[-1].tokens < 500


def test_closing_the_iterator_ends_the_writing(load, photo):
    steps = endless(load("paligemma")).generate(question(photo), LONG, threading.Event())
    next(steps)
    steps.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("write")]


@pytest.mark.parametrize("kind", KINDS)
def test_the_token_limit_is_said(load, photo, kind):
    last = answer(endless(load(kind)), question(photo), Generation(max_tokens=3))
    assert (last.finished, last.tokens) == ("length", 3)


SIZES = [(80, 640), (640, 80), (64, 64), (33, 35), (57, 41), (500, 375), (375, 500), (7, 9), (1023, 771), (200, 1600)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_the_family_predicts_the_frame_that_the_model_really_sees(load, photos, kind, size):
    model = load(kind)
    used = answer(model, question(photos(size)), Generation(max_tokens=1)).frame
    assert used == model.family.frame(size, model.pixels())
    assert used.image_size == size


@pytest.mark.parametrize("kind", ["qwen2_5_vl", "qwen3_vl"])
@pytest.mark.parametrize("size", SIZES)
def test_a_pixel_budget_shrinks_the_frame_that_the_family_predicts(load, photos, kind, size):
    model = load(kind)
    budget = 10 * model.pixels().factor ** 2
    used = answer(model, question(photos(size)), Generation(max_tokens=1, max_pixels=budget)).frame
    assert used == model.family.frame(size, model.pixels(budget))
    assert used.input_size[0] * used.input_size[1] <= budget


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_rotated_photo_is_seen_upright(load, tmp_path, photos, kind, orientation):
    upright = photos((96, 48))
    back = {3: PIL.Image.Transpose.ROTATE_180, 6: PIL.Image.Transpose.ROTATE_90, 8: PIL.Image.Transpose.ROTATE_270}
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    with PIL.Image.open(upright) as picture:
        picture.transpose(back[orientation]).save(tmp_path / "rotated.png", exif=exif)
    model = load(kind)
    straight, rotated = answer(model, question(upright)), answer(model, question(tmp_path / "rotated.png"))
    assert rotated.frame == straight.frame and rotated.frame.image_size == (96, 48)
    assert rotated.text == straight.text


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_matters(load, photo, tmp_path, kind):
    PIL.Image.effect_noise((64, 48), 100).save(tmp_path / "noise.png")
    model = load(kind)
    seen, other = (model.inputs(question(path), [pictures.pixels(pictures.read(path))], Generation())
                   for path in (photo, tmp_path / "noise.png"))
    assert not torch.equal(seen["pixel_values"], other["pixel_values"])
    assert torch.equal(seen["input_ids"], other["input_ids"])


@pytest.mark.parametrize("kind", KINDS)
def test_control_tokens_in_a_question_stay_text(load, photo, kind, monkeypatch):
    model, given = load(kind), []
    write = model.checkpoint.model.generate
    monkeypatch.setattr(model.checkpoint.model, "generate", lambda **inputs: (given.append(inputs), write(**inputs)))
    tokenizer = model.checkpoint.processor.tokenizer
    typed = " ".join(tokenizer.get_added_vocab())[:1500] + " <loc0001> <|im_end|> <image> <<image>"
    for words in ("the red box", typed):
        answer(model, question(photo, words), Generation(max_tokens=2))
    added = set(tokenizer.get_added_vocab().values())
    plain, hostile = ([number for number in inputs["input_ids"][0].tolist() if number in added] for inputs in given)
    assert plain == hostile
    assert "labels" not in given[0]


def test_control_tokens_in_names_and_in_an_edited_prompt_stay_text_too(load, photo):
    control = load("qwen3_vl").control
    request = Request((), "detect", names=("<|im_end|>",), prompt="<|im_start|>system")
    apart = without_control_tokens(request, control)
    assert apart.names == ("< |im_end|>",) and apart.prompt == "< |im_start|>system"


def test_html_and_5000_characters_are_words_like_others(load, photo):
    step = answer(load("qwen2_5_vl"), question(photo, "<b onclick=x>" + "ü" * 4000), Generation(max_tokens=2))
    assert "<b onclick=x>ü" in step.prompt


def test_two_pictures_go_in_together(load, photos):
    for kind in KINDS:
        images = tuple(pictures.read(photos(size)) for size in ((64, 48), (32, 64)))
        step = answer(load(kind), Request(images, "ask", caption="which is larger?"), Generation(max_tokens=2))
        assert step.frame.image_size == (64, 48)


def test_an_adapter_and_its_base_answer_differently_on_one_copy_of_the_weights(checkpoint, photo):
    base = local.load(spec(checkpoint, "paligemma"))
    before = answer(base, question(photo)).text
    tuned = base.adapted(spec(checkpoint, "paligemma", adapter=str(checkpoint("lora"))))
    assert tuned.checkpoint is base.checkpoint
    assert answer(tuned, question(photo)).text != before
    assert answer(base, question(photo)).text == before  # switched off again
    assert tuned.revision != base.revision


def test_two_adapters_take_turns(checkpoint, photo, tmp_path):
    first = spec(checkpoint, "paligemma", adapter=str(checkpoint("lora")))
    other = shutil.copytree(checkpoint("lora"), tmp_path / "other")
    scale(other / "adapter_model.safetensors", -1.0)
    one = local.load(first)
    two = one.adapted(spec(checkpoint, "paligemma", adapter=str(other)))
    texts = [answer(model, question(photo)).text for model in (one, two, one, two)]
    assert texts[0] == texts[2] != texts[1] == texts[3]


def test_a_loaded_model_is_what_the_adapter_was_trained_as(checkpoint, photo):
    """The same tokens as PEFT's own model gives, so that switching adapters changes nothing else."""
    import peft
    import transformers
    tuned = local.load(spec(checkpoint, "paligemma", adapter=str(checkpoint("lora"))))
    reference = peft.PeftModel.from_pretrained(
        transformers.AutoModelForImageTextToText.from_pretrained(checkpoint("paligemma")), checkpoint("lora")).eval()
    request = question(photo)
    inputs = tuned.inputs(request, [pictures.pixels(request.images[0])], Generation())
    expected = reference.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1]:]
    text = tuned.checkpoint.processor.tokenizer.decode(expected)
    assert answer(tuned, request, Generation(max_tokens=12)).text == text


def test_a_damaged_picture_is_refused_by_its_own_sentence(load, tmp_path):
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    image = Image(str(tmp_path / "cut.png"), (64, 48))
    with pytest.raises(PictureError, match=r"cut\.png"):
        answer(load("paligemma"), Request((image,), "ground", caption="x"))


def test_running_out_of_memory_says_which_setting_helps(load, photo, monkeypatch):
    model = load("paligemma")
    monkeypatch.setattr(model.checkpoint.model, "generate", lambda **_: torch.empty(1 << 60))
    with pytest.raises(ModelError, match=r"ran out of memory.*pixel budget"):
        answer(model, question(photo))


def test_a_fault_of_ours_stays_a_fault(load, photo, monkeypatch):
    model = load("paligemma")
    monkeypatch.setattr(model.checkpoint.model, "generate", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        answer(model, question(photo))


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda folder: shutil.rmtree(folder), "there is no folder"),
    (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
    (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "as pickle"),
    (lambda folder: (folder / "model.safetensors").unlink(), "holds no weights"),
    (lambda folder: (folder / "model.safetensors").write_bytes(b"cut"), "could not be used"),
    (lambda folder: (folder / "config.json").write_text('{"model_type": "of_tomorrow"}'), "does not know"),
    (lambda folder: (folder / "config.json").write_text(
        '{"model_type": "x", "auto_map": {"AutoConfig": "c.C"}}'), "runs no code"),
    (lambda folder: (folder / "tokenizer.json").unlink(), "could not be used"),
])
def test_a_checkpoint_that_cannot_be_loaded_says_why_in_one_sentence(checkpoint, tmp_path, change, sentence):
    folder = shutil.copytree(checkpoint("paligemma"), tmp_path / "broken")
    change(folder)
    with pytest.raises(ModelError, match=sentence) as refusal:
        local.load(ModelSpec("broken", "paligemma", "local", str(folder)))
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 500


def test_a_name_that_is_neither_folder_nor_on_the_hub_is_said():
    with pytest.raises(ModelError, match="neither a folder here nor a name on the Hub"):
        local.load(ModelSpec("x", "paligemma", "local", "a/b/c"))


def test_characters_spread_over_tokens_appear_whole_and_the_end_is_exact():
    tokenizer = tiny.byte_tokenizer([])
    text = "naïve 猫 👩‍👩‍👧 ok"
    writing = Writing(tokenizer, frozenset({tokenizer.eos_token_id}))
    for token in tokenizer(text)["input_ids"]:
        writing.take(token)
        assert text.startswith(writing.so_far)
    writing.take(tokenizer.eos_token_id)
    assert writing.so_far == writing.whole() == text
    assert writing.ended and writing.tokens == len(text.encode()) + 1


def test_bytes_that_are_no_text_do_not_hold_the_stream_back():
    tokenizer = tiny.byte_tokenizer([])
    writing = Writing(tokenizer, frozenset())
    half = tokenizer("猫")["input_ids"][0]
    for _ in range(50):
        writing.take(half)
    assert len(writing.so_far) > 30


def test_decoding_costs_the_same_at_the_end_of_a_long_answer_as_at_its_beginning():
    counted = Counting(tiny.byte_tokenizer([]))
    writing = Writing(counted, frozenset())
    for token in counted.tokenizer("a" * 2000)["input_ids"]:
        writing.take(token)
    assert counted.decoded < 2000 * 4


class Counting:
    """A tokenizer that counts how many tokens it was asked to decode."""

    def __init__(self, tokenizer) -> None:
        self.tokenizer, self.decoded = tokenizer, 0

    def decode(self, ids, **kwargs):
        self.decoded += len(ids)
        return self.tokenizer.decode(ids, **kwargs)


def endless(model: local.LocalModel) -> local.LocalModel:
    """The model without an end: a random one may end at once."""
    model.checkpoint.model.generation_config.eos_token_id = []
    return model


def scale(weights, factor: float) -> None:
    from safetensors.torch import load_file, save_file
    save_file({name: weight * (factor if "lora_B" in name else 1.0) for name, weight in load_file(weights).items()},
              weights)
