"""Adapters: several at once on one base, the base untouched; wrong base, rank, DoRA, tower layers said clearly."""
from __future__ import annotations

import json
import shutil
import threading

import pytest

from app import pictures
from app.backends import ModelError, adapters
from app.backends.loaded import LoadedModels
from app.types import Generation, ModelSpec, Request


@pytest.fixture(scope="module")
def made(checkpoint, tmp_path_factory):
    """made(name, layers, **settings) → the folder of an adapter on the tiny PaliGemma, strong enough to be heard."""
    import peft
    import torch
    import transformers
    folder = tmp_path_factory.mktemp("adapters")

    def made(name: str, layers: str = r".*language_model.*\.(q|v)_proj", seed: int = 1, r: int = 4, **settings):
        torch.manual_seed(seed)
        model = transformers.AutoModelForImageTextToText.from_pretrained(checkpoint("paligemma"))
        tuned = peft.get_peft_model(model, peft.LoraConfig(r=r, lora_alpha=64, target_modules=layers, **settings))
        for name_, weight in tuned.named_parameters():
            if "lora_B" in name_:
                torch.nn.init.normal_(weight, std=0.5)
        tuned.peft_config["default"].base_model_name_or_path = "the-base"
        tuned.save_pretrained(folder / name, save_embedding_layers=False)
        return folder / name

    return made


@pytest.fixture(scope="module")
def base(checkpoint):
    return ModelSpec("base", "paligemma", "local", str(checkpoint("paligemma")))


def on(base: ModelSpec, folder) -> ModelSpec:
    return ModelSpec(folder.name, base.family, "local", base.source, adapter=str(folder))


def text(models, spec, photo) -> tuple:
    """What a model said, with the probability of each token: random models often say the same."""
    request = Request((pictures.read(photo),), "ask", caption="what?")
    *_, last = models.answer(spec, request, Generation(max_tokens=8), threading.Event())
    return last.text, tuple(round(token.log_probability, 4) for token in last.written)


def test_several_adapters_of_every_kind_stand_on_one_base_which_stays_what_it_was(made, base, photo):
    models = LoadedModels()
    before = text(models, base, photo)
    every = [on(base, folder) for folder in (
        made("plain"), made("high", r=32, seed=2), made("dora", seed=3, use_dora=True),
        made("tower", layers=r".*vision_tower.*\.(q|v)_proj", seed=4))]
    first = [text(models, spec, photo) for spec in every]
    assert len({before, *first}) == 5, "each one changes the answer in its own way"
    assert [text(models, spec, photo) for spec in reversed(every)] == first[::-1]
    assert text(models, base, photo) == before
    assert len(models.room.residents) == 1, "the weights are there once"
    assert all(models.held(spec) for spec in every)


def test_an_adapter_whose_folder_has_dots_in_its_name_works(made, base, photo, tmp_path):
    folder = shutil.copytree(made("dotted"), tmp_path / ".local" / "v1.2")
    assert text(LoadedModels(), on(base, folder), photo)


def test_what_an_adapter_is_stands_in_words(made):
    assert adapters.read(made("plain2")).words == "LoRA of rank 4"
    assert "DoRA of rank 4 · vLLM takes no DoRA" in adapters.read(made("dora2", use_dora=True)).words
    tower = adapters.read(made("tower2", layers=r".*vision_tower.*\.(q|v)_proj"))
    assert tower.tower and "asked by itself, not in one batch with its base" in tower.words
    assert "--max-lora-rank" in adapters.read(made("high2", r=32)).words


def test_an_adapter_of_another_base_is_said_before_it_is_loaded(made, checkpoint, photo):
    other = ModelSpec("other", "qwen3-vl", "local", str(checkpoint("qwen3_vl")))
    tower = made("tower3", layers=r".*vision_tower.*\.(q|v)_proj")
    with pytest.raises(ModelError, match=r"does not fit .* has no layer .*it was trained on the-base"):
        text(LoadedModels(), on(other, tower), photo)


def test_an_adapter_of_a_base_of_another_size_is_said(made, base, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file
    folder = shutil.copytree(made("wide"), tmp_path / "wide")
    weights = load_file(folder / "adapter_model.safetensors")
    save_file({name: torch.zeros(4, 4096) if "lora_A" in name else torch.zeros(4096, 4) for name in weights},
              folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="takes 4096 numbers, and there it takes"):
        LoadedModels().load(on(base, folder))


def test_weights_of_another_rank_than_their_settings_are_said(made, base, tmp_path):
    folder = shutil.copytree(made("ranked"), tmp_path / "ranked")
    settings = json.loads((folder / adapters.SETTINGS).read_text())
    (folder / adapters.SETTINGS).write_text(json.dumps(settings | {"r": 16}))
    with pytest.raises(ModelError, match="is damaged: its settings say rank 16, and its weights have 4"):
        LoadedModels().load(on(base, folder))


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"peft_type": "PREFIX_TUNING"}, "is an adapter of the kind PREFIX_TUNING; Boxloop takes LoRA and DoRA"),
    ({"peft_type": "LORA", "r": "many"}, "names no whole number as its rank"),
])
def test_other_kinds_of_adapters_are_refused_in_a_sentence(settings, sentence):
    with pytest.raises(ModelError, match=sentence):
        adapters.described(settings, "mine")


def test_a_failed_adapter_leaves_its_base_and_the_others_at_work(made, base, photo, tmp_path):
    models = LoadedModels()
    before, good = text(models, base, photo), on(base, made("good"))
    heard = text(models, good, photo)
    broken = shutil.copytree(made("broken"), tmp_path / "broken")
    (broken / "adapter_model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="is damaged, or was only copied in part"):
        models.load(on(base, broken))
    assert text(models, base, photo) == before and text(models, good, photo) == heard
