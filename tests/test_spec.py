"""One training run as one JSON file: every setting has help, a wrong one is refused with its value and the way out."""
from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from app import spec
from app.spec import PRESETS, TrainSpec

FIELDS = dataclasses.fields(TrainSpec)


def test_a_spec_comes_back_from_its_file(tmp_path):
    before = TrainSpec(source="here", family="paligemma", rank=8, minutes=2.5, flip=0.5, revision="abc", vision=True)
    (tmp_path / "spec.json").write_text(json.dumps(before.to_json()))
    assert spec.read(tmp_path / "spec.json") == before


def test_whole_numbers_do_for_fields_with_a_point():
    assert spec.from_json({"epochs": 3, "learning_rate": 0}) == TrainSpec(epochs=3.0)


@pytest.mark.parametrize("each", FIELDS, ids=lambda each: each.name)
def test_every_setting_has_a_default_and_one_line_of_help(each):
    assert each.default is not dataclasses.MISSING
    words = each.metadata["help"]
    assert 5 < len(words) < 121 and "\n" not in words and words.endswith(".")


@pytest.mark.parametrize(("wrong", "said"), [
    ({"rank": 0}, "rank is 0; it must be between 1 and 512"),
    ({"rank": 8.5}, "rank is 8.5; it must be a whole number"),
    ({"rank": True}, "rank is True; it must be a whole number"),
    ({"dropout": float("nan")}, "dropout is nan; it must be between 0 and 0.9"),
    ({"tune": "lorra"}, "tune is 'lorra'; it can be: lora, qlora, full"),
    ({"vision": "yes"}, "vision is 'yes'; it must be true or false"),
    ({"source": None}, "source is None; it must be a text"),
    ({"revision": 5}, "revision is 5; it must be a text"),
    ({"language": False}, "nothing would be trained: set language, projector or vision to true"),
    ({"batch": 8, "micro_batch": 6}, "micro_batch is 6, which does not divide batch, 8; 2 does"),
    ({"push": "../x"}, "push is '../x'; it must be a name on the Hub, such as you/cells"),
    ({"reporters": "wandb, mlflow"}, "reporters has mlflow; there are: tensorboard, wandb, trackio"),
    ({"targets": "(q"}, "targets is '(q', which is no regular expression: missing ), unterminated subpattern"),
    ({"method": "grpo"}, "the method grpo cannot be trained yet; sft can"),
    ({"lr": 1e-4}, "there is no setting 'lr'; there are: source, family,"),
    ([], "a training spec is a JSON object of settings, not '[]'"),
])
def test_a_wrong_setting_is_refused_with_its_value_and_what_would_work(wrong, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        spec.from_json(wrong)


def test_what_a_person_types_changes_a_spec():
    new = spec.changed(TrainSpec(), ["rank=8", "learning_rate=2e-4", "vision=yes", "revision=main", "epochs=2"])
    assert new == TrainSpec(rank=8, learning_rate=2e-4, vision=True, revision="main", epochs=2.0)


@pytest.mark.parametrize(("words", "said"), [
    ("rank", "'rank' is no setting; write key=value, such as rank=8"), ("rank=big", "rank is 'big'"),
    ("vision=perhaps", "vision is 'perhaps'; it must be true or false"),
    ("preset=fast", "there is no preset 'fast'; there are: quick, standard, thorough"),
])
def test_what_cannot_be_a_setting_is_refused(words, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        spec.changed(TrainSpec(), [words])


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_spec_and_plans_its_minutes(name):
    new = spec.changed(TrainSpec(), [f"preset={name}"])
    assert new.minutes == PRESETS[name].minutes > 0


def test_a_setting_beside_a_preset_wins_wherever_it_stands():
    assert spec.changed(TrainSpec(), ["minutes=1", "preset=quick"]).minutes == 1


def test_a_file_that_is_no_spec_is_named(tmp_path):
    (tmp_path / "spec.json").write_text("{")
    with pytest.raises(ValueError, match=r"spec\.json cannot be read as a training spec"):
        spec.read(tmp_path / "spec.json")


@pytest.mark.parametrize("name", ["zero2", "zero3", "fsdp", "nodes"])
def test_a_configuration_for_several_gpus_is_one_that_accelerate_reads(name):
    from accelerate.commands.config.config_args import load_config_from_file
    path = Path(__file__).resolve().parent.parent / "trainer" / "configs" / f"{name}.yaml"
    config = load_config_from_file(str(path))
    assert config.num_processes == 8 * config.num_machines and config.mixed_precision == "bf16"
    assert (config.deepspeed_config or {}).get("zero_stage") == {"zero2": 2, "zero3": 3, "nodes": 3}.get(name)
    assert "Not run" in path.read_text()
