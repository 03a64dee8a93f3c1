"""Runs of the trainer: from a folder to an adapter that answers, and what happens when a run is hurt on the way."""
from __future__ import annotations

import json
import resource
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from app.backends.local import load
from app.catalogue import Catalogue
from app.jobs import run as runs_of_jobs
from app.jobs.run import Run
from app.spec import TrainSpec
from app.types import Generation, ModelSpec
from tests import runs
from trainer import checkpoints, sft
from trainer import data as lessons
from trainer import model as models

DEMO = Path(__file__).resolve().parent.parent / "assets" / "models"


def trained(folder: Path) -> dict:
    """The run in this process; its receipt."""
    with Run(folder) as run:
        receipt = sft.train(run)
        if not run.cancelled:
            run.finish(receipt)
    return receipt


def failing(folder: Path) -> str:
    """The sentence that the run fails with."""
    with pytest.raises(SystemExit):
        trained(folder)
    told = runs_of_jobs.state(folder)
    assert told["status"] == "failed"
    return told["problem"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def whole(checkpoint, tmp_path_factory):
    """An uninterrupted run of a tiny PaliGemma, with dropout."""
    folder = runs.run_folder(tmp_path_factory.mktemp("whole") / "run", checkpoint("paligemma"), "paligemma")
    return folder, trained(folder)


@pytest.fixture
def again(checkpoint, tmp_path):
    """The folder of the same run, not begun."""
    return runs.run_folder(tmp_path / "run", checkpoint("paligemma"), "paligemma")


def test_a_demo_model_is_tuned_by_its_command_and_then_answers(tmp_path):
    """The whole road, in a process of its own: the adapter is found by the catalogue and asked like any model."""
    folder = runs.run_folder(tmp_path / "run", DEMO / "tiny-qwen3-vl", "qwen3-vl", learning_rate=0.02)
    code, said = runs.ended(runs.begun(folder))
    assert code == 0, said
    result = runs_of_jobs.result(folder)
    assert result["samples"] == 6 and result["steps"] == 4 and result["heldout"] == 2
    assert {"score", "f1", "unreadable"} <= result["before"].keys() & result["after"].keys()
    assert runs_of_jobs.state(folder)["status"] == "done"
    losses = [each["loss"] for each in runs.events(folder, "step")]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert [each["step"] for each in runs.events(folder, "evaluation")] == [0, 2, 4]
    assert len(runs.events(folder, "evaluation")[-1]["answers"]) == 2
    spec = Catalogue().describe(folder / "adapter", "mine")
    assert (spec.family, Path(spec.source).name) == ("qwen3-vl", "tiny-qwen3-vl")
    sample = lessons.samples(folder / "heldout.jsonl")[0]
    *_, answer = load(spec).generate(lessons.request_of(sample), Generation(max_tokens=4), threading.Event())
    assert answer.finished in ("stop", "length")
    assert not (folder / "features").exists()


def test_what_is_published_is_an_adapter_of_plain_peft_with_processor_and_card(whole):
    folder, receipt = whole
    assert {"adapter_model.safetensors", "adapter_config.json", "processor_config.json", "tokenizer.json", "README.md",
            } <= {file.name for file in (folder / "adapter").iterdir()}
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["base_model_name_or_path"]) == (4, "paligemma")
    card = (folder / "adapter" / "README.md").read_text()
    assert card.startswith('---\nmodel_name: "paligemma, tuned"\nbase_model: "paligemma"\n')
    assert "| score | 0." in card and "Controls:\n- shuffled pictures: With the picture of another" in card
    assert f"revision {receipt['base']['revision']}" in card
    assert any("max-lora-rank 8" in limit for limit in receipt["vllm"])


def test_the_adapter_that_is_loaded_says_what_the_tuned_model_said(whole, checkpoint):
    """Logits of plain PEFT around a fresh base equal those of the weights at the best step."""
    import peft
    import transformers
    folder, receipt = whole
    spec = TrainSpec(**json.loads((folder / "spec.json").read_text()))
    known = models.asked(spec)
    collator = lessons.collator(known, lessons.samples(folder / "heldout.jsonl"), spec)
    batch = {name: value for name, value in collator([{"row": 0}, {"row": 1}]).items() if name != "labels"}
    best = folder / "checkpoints" / f"checkpoint-{receipt['best_step']}"
    tuned = models.load(spec, known)
    peft.set_peft_model_state_dict(tuned, load_file(best / "adapter_model.safetensors"))
    base = transformers.AutoModelForImageTextToText.from_pretrained(checkpoint("paligemma"), dtype=torch.float32)
    plain = peft.PeftModel.from_pretrained(base, folder / "adapter")
    with torch.no_grad():
        assert torch.equal(tuned.eval()(**batch).logits, plain.eval()(**batch).logits)


def test_while_nothing_is_right_yet_those_weights_are_published_that_learnt_the_longest(whole):
    folder, receipt = whole
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    looks = {event["step"]: event["eval_score"] for event in events if event["name"] == "evaluation" and event["step"]}
    assert len(looks) > 1 and set(looks.values()) == {0.0}
    assert receipt["best_step"] == receipt["steps"] == max(looks)


def test_the_same_run_gives_the_same_adapter_and_another_seed_another(whole, again, checkpoint, tmp_path):
    trained(again)
    assert same(weights(again), weights(whole[0]))
    other = runs.run_folder(tmp_path / "other", checkpoint("paligemma"), "paligemma", seed=1)
    trained(other)
    assert not same(weights(other), weights(again))


def test_killed_in_the_middle_and_resumed_the_adapter_is_that_of_an_uninterrupted_run(whole, again):
    process = runs.begun(again)
    deadline = time.monotonic() + 120
    while not list(again.glob("checkpoints/*/manifest.json")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not (again / "adapter").exists()
    trained(again)
    assert runs.events(again, "resumed")
    assert same(weights(again), weights(whole[0]))


def test_a_run_that_is_told_to_stop_keeps_a_checkpoint_and_goes_on_from_it(whole, again, monkeypatch):
    step = sft.Learner.training_step

    def interrupted(self, *inputs):
        signal.raise_signal(signal.SIGTERM)
        return step(self, *inputs)
    with monkeypatch.context() as changed:
        changed.setattr(sft.Learner, "training_step", interrupted)
        with pytest.raises(SystemExit) as ended:
            trained(again)
    assert ended.value.code == 143 and runs_of_jobs.state(again)["status"] == "cancelled"
    assert checkpoints.newest(again / "checkpoints")[0].name == "checkpoint-1"
    assert not (again / "adapter").exists()
    trained(again)
    assert same(weights(again), weights(whole[0]))


DAMAGES = {
    "its weights are cut": lambda folder: _cut(folder / "adapter_model.safetensors"),
    "its weights are missing": lambda folder: (folder / "adapter_model.safetensors").unlink(),
    "a bit of its optimizer is another": lambda folder: _flip(folder / "optimizer.pt"),
    "its optimizer is missing": lambda folder: (folder / "optimizer.pt").unlink(),
    "its state is empty": lambda folder: (folder / "trainer_state.json").write_text(""),
    "its dice are missing": lambda folder: (folder / "rng_state.pth").unlink(),
    "it was never finished": lambda folder: (folder / "manifest.json").unlink(),
    "its manifest is garbage": lambda folder: (folder / "manifest.json").write_text("[]"),
    "its manifest is another's": lambda folder: (folder / "manifest.json").write_text('{"step": 1, "files": {}}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_does_not_count_and_the_one_before_it_does(whole, tmp_path, damage):
    root = _copied(whole[0] / "checkpoints", tmp_path / "checkpoints")
    assert checkpoints.newest(root) == (root / "checkpoint-4", [])
    DAMAGES[damage](root / "checkpoint-4")
    found, [(name, why)] = checkpoints.newest(root)
    assert (found, name) == (root / "checkpoint-2", "checkpoint-4") and why


def test_a_run_goes_on_from_before_the_damage_to_the_same_adapter(whole, again):
    """With the dice missing: what the usual trainer passes over in silence, and ends with other weights."""
    _copied(whole[0] / "checkpoints", again / "checkpoints")
    for name in ("plan.json", "before.json"):
        (again / name).write_bytes((whole[0] / name).read_bytes())
    (again / "checkpoints/checkpoint-4/rng_state.pth").unlink()
    trained(again)
    assert [each["why"] for each in runs.events(again, "checkpoint_damaged")] == ["rng_state.pth is missing"]
    assert [each["step"] for each in runs.events(again, "resumed")] == [2]
    assert same(weights(again), weights(whole[0]))


def test_a_number_that_is_none_ends_the_run_within_its_step_and_nothing_is_published(again, monkeypatch):
    batch = lessons.SuffixCollator.batch

    def poisoned(self, rows):
        made = batch(self, rows)
        if any(getattr(row, "answer", "") and self.poisoned for row in rows):
            made["pixel_values"][0, 0, 0, 0] = float("nan")
        return made
    call = lessons.Collator.__call__
    monkeypatch.setattr(lessons.SuffixCollator, "poisoned", False, raising=False)
    monkeypatch.setattr(lessons.SuffixCollator, "batch", poisoned)

    def calling(self, wanted):
        self.poisoned = any(each["row"] >= 6 for each in wanted)
        return call(self, wanted)
    monkeypatch.setattr(lessons.Collator, "__call__", calling)
    _set(again, cache_vision=False)
    assert "the gradient is not finite at step 4" in failing(again)
    assert not (again / "adapter").exists() and not (again / "result.json").exists()
    assert checkpoints.newest(again / "checkpoints")[0].name == "checkpoint-2"


def test_out_of_memory_halves_what_is_in_memory_and_not_the_update(whole, again, monkeypatch):
    _crowded(monkeypatch, 1)
    trained(again)
    [event] = runs.events(again, "out_of_memory")
    assert (event["micro_batch"], event["accumulation"]) == (1, 2)
    assert "out of memory with 2 samples at a time: 1 from now on" in event["words"]
    before, after = ([each["loss"] for each in runs.events(folder, "step")] for folder in (whole[0], again))
    assert after == pytest.approx(before, rel=0.05)  # dropout falls otherwise
    assert len(after) == 4


@pytest.mark.slow
def test_out_of_memory_is_given_up_on_with_what_would_help(again, monkeypatch):
    _crowded(monkeypatch, 0)
    said = failing(again)
    assert "the memory is not enough, also with fewer samples at a time: lower max_pixels or rank" in said
    assert not (again / "adapter").exists()


def _crowded(monkeypatch, room: int) -> None:
    step = sft.Learner.training_step

    def training(self, model, inputs, *more):
        if len(inputs["input_ids"]) > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return step(self, model, inputs, *more)
    monkeypatch.setattr(sft.Learner, "training_step", training)


def test_a_full_disk_ends_in_a_sentence_and_the_run_goes_on_when_there_is_room(whole, again):
    """The system's own word: no file may become larger than a little less than the optimizer's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(file.stat().st_size for file in (whole[0] / "checkpoints/checkpoint-4").iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1000, hard))
    try:
        said = failing(again)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "the disk became full while a checkpoint was written" in said
    assert checkpoints.newest(again / "checkpoints") == (None, [])
    trained(again)
    assert same(weights(again), weights(whole[0]))


@pytest.mark.slow
def test_too_little_disk_is_seen_before_a_checkpoint_is_begun(again, monkeypatch):
    monkeypatch.setattr("trainer.events.MARGIN", 1 << 60)
    assert "a checkpoint needs" in failing(again)
    assert not list((again / "checkpoints").iterdir())


@pytest.mark.slow
def test_an_update_is_the_same_however_many_samples_are_in_memory_at_once(checkpoint, tmp_path):
    losses = []
    for micro in (2, 1):
        folder = runs.run_folder(tmp_path / str(micro), checkpoint("qwen3_vl"), "qwen3-vl", batch=2, micro_batch=micro,
                                 max_steps=2, dropout=0.0, evaluations=0)
        trained(folder)
        losses.append([each["loss"] for each in runs.events(folder, "step")])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.parametrize("settings", [
    {"tune": "full"}, pytest.param({}, marks=pytest.mark.slow),
    pytest.param({"tune": "full", "vision": True, "language": False}, marks=pytest.mark.slow)])
def test_bfloat16_trains_as_it_does_on_a_gpu(checkpoint, tmp_path, settings):
    """Frozen weights in bfloat16 beside float32 ones that train: forward, features and answers meet both."""
    folder = runs.run_folder(tmp_path / "run", checkpoint("qwen3_vl"), "qwen3-vl", precision="bfloat16", minutes=5.0,
                             max_steps=0, epochs=0.7, **settings)
    assert trained(folder)["steps"] == 3
    assert json.loads((folder / "plan.json").read_text())["seconds_a_step"] > 0


@pytest.mark.slow
def test_gradient_checkpointing_changes_no_loss(checkpoint, tmp_path):
    losses = []
    for way in ("on", "off"):
        folder = runs.run_folder(tmp_path / way, checkpoint("paligemma"), "paligemma", checkpointing=way, dropout=0.0,
                                 evaluations=0, max_steps=2)
        trained(folder)
        losses.append([each["loss"] for each in runs.events(folder, "step")])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(("settings", "parts"), [
    ({}, {"language"}), ({"vision": True, "language": False}, {"vision"}),
    ({"vision": True, "projector": True}, {"language", "vision", "projector"}),
    ({"tune": "full", "language": False, "projector": True}, {"projector"}),
    ({"targets": r".*language_model.*\.q_proj"}, {"language"}),
])
@pytest.mark.parametrize("kind", ["paligemma", "qwen3_vl", "smolvlm"])
def test_only_the_parts_that_the_spec_names_are_trained(checkpoint, kind, settings, parts):
    family = {"paligemma": "paligemma", "qwen3_vl": "qwen3-vl", "smolvlm": "smolvlm"}[kind]
    settings = {name: value.replace("language_model", "text_model") if kind == "smolvlm" and name == "targets" else
                value for name, value in settings.items()}
    spec = TrainSpec(source=str(checkpoint(kind)), family=family, **settings)
    model = models.load(spec, models.asked(spec))
    learnt = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert {models.part(name) for name in learnt} == parts
    assert all("lora" in name for name in learnt) == (spec.tune != "full")
    if spec.targets:
        assert all("q_proj" in name for name in learnt)


def test_a_fully_tuned_model_is_published_whole_and_answers(checkpoint, tmp_path):
    folder = runs.run_folder(tmp_path / "run", checkpoint("qwen3_vl"), "qwen3-vl", tune="full", vision=True,
                             projector=True, flip=0.5, crop=0.5, colour=0.5)
    receipt = trained(folder)
    assert receipt["folder"] == "model" and not (folder / "adapter").exists()
    sample = lessons.samples(folder / "heldout.jsonl")[0]
    model = load(ModelSpec("tuned", "qwen3-vl", "local", str(folder / "model")))
    *_, answer = model.generate(lessons.request_of(sample), Generation(max_tokens=4), threading.Event())
    assert answer.tokens > 0
    assert not runs.events(folder, "vision_cache")


@pytest.mark.slow
def test_the_merged_model_is_kept_because_it_answers_like_the_tuned_one(checkpoint, tmp_path):
    folder = runs.run_folder(tmp_path / "run", checkpoint("paligemma"), "paligemma", merge=True, learning_rate=0.05)
    merged = trained(folder)["merged"]
    assert merged["logits_moved"] < 1e-4 and merged["same_answers"] == merged["of"] == 2
    assert (folder / "merged" / "config.json").exists() and (folder / "adapter").exists()


@pytest.mark.slow
def test_one_goes_on_from_an_adapter(whole, checkpoint, tmp_path):
    folder = runs.run_folder(tmp_path / "run", checkpoint("paligemma"), "paligemma", adapter=str(whole[0] / "adapter"),
                             learning_rate=1e-9, evaluations=0)
    trained(folder)
    before, after = weights(whole[0]), weights(folder)
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)


def _set(folder: Path, **settings) -> None:
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps(spec | settings))


def _copied(root: Path, to: Path) -> Path:
    import shutil
    shutil.copytree(root, to)
    return to


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
