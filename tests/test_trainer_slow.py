"""The long checks of the trainer: every family that can be trained, twenty kills, two processes."""
from __future__ import annotations

import json
import random
import time

import pytest

from app import families
from app.jobs import run as runs_of_jobs
from tests import runs
from tests.test_trainer import same, trained, weights
from tests.test_trainer_data import FAMILY

pytestmark = pytest.mark.slow
KILLS = 20


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize("task", ["detect", "ground"])
def test_every_trainable_family_learns_from_drawn_boxes(checkpoint, tmp_path, kind, task):
    """Tiny random weights: the loss falls, and an adapter comes out."""
    learnt = runs.drawn(tmp_path / "images", 4, task=task)
    folder = runs.run_folder(tmp_path / "run", checkpoint(kind), FAMILY[kind], learnt=learnt, max_steps=12,
                             evaluations=1, learning_rate=0.02, dropout=0.0)
    receipt = trained(folder)
    losses = [each["loss"] for each in runs.events(folder, "step")]
    assert sum(losses[-3:]) < sum(losses[:3])
    assert receipt["steps"] == 12 and weights(folder)
    assert bool(runs.events(folder, "vision_cache")) == (kind != "florence2")


def test_every_family_that_says_it_can_be_trained_is_among_them():
    """Those that are not have never been run, and the report of a review should say so."""
    said = {family.name for family in families.every() if "sft" in family.trainable_by and family.backend == "local"}
    assert set(FAMILY.values()) <= said


@pytest.mark.timeout(1200)  # each kill costs a start of torch
def test_killed_at_twenty_moments_the_adapter_is_always_that_of_an_uninterrupted_run(checkpoint, tmp_path):
    """Mid-save included: a checkpoint at each step, so that saving is most of what it does."""
    settings = dict(max_steps=60, evaluations=0, save_minutes=0.0)
    whole = runs.run_folder(tmp_path / "whole", checkpoint("paligemma"), "paligemma", **settings)
    trained(whole)
    folder = runs.run_folder(tmp_path / "killed", checkpoint("paligemma"), "paligemma", **settings)
    chance, kills = random.Random(5), 0
    while kills < KILLS:
        process = runs.begun(folder)
        state = folder / "state.json"
        state.unlink(missing_ok=True)
        deadline = time.monotonic() + 60
        # Until it trains; then, at a moment that only the dice know, of which most are in the middle of a save.
        while process.poll() is None and time.monotonic() < deadline and not (
                state.exists() and b'"words": "training"' in state.read_bytes()):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.7))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
        assert not (folder / "adapter").exists()
    resumed = len(runs.events(folder, "resumed"))
    if process.poll() != 0:
        code, said = runs.ended(runs.begun(folder))
        assert code == 0, said
    print(f"{kills} kills, {resumed} resumed, {len(runs.events(folder, 'checkpoint_damaged'))} unfinished checkpoints")
    assert kills >= 5
    assert same(weights(folder), weights(whole))


def test_two_processes_learn_what_one_learns_from_the_same_update(checkpoint, tmp_path):
    settings = dict(batch=4, max_steps=4, dropout=0.0, micro_batch=2, learning_rate=1e-3)
    one = runs.run_folder(tmp_path / "one", checkpoint("paligemma"), "paligemma", **settings)
    trained(one)
    two = runs.run_folder(tmp_path / "two", checkpoint("paligemma"), "paligemma", **settings)
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517", "-m", "trainer")
    code, said = runs.ended(runs.begun(two, program=launcher))
    assert code == 0, said
    result = runs_of_jobs.result(two)
    assert result["plan"]["micro_batch"] == 2 and result["plan"]["accumulation"] == 1
    before, after = ([each["loss"] for each in runs.events(folder, "step")] for folder in (one, two))
    assert after == pytest.approx(before, rel=1e-4)
    a, b = weights(one), weights(two)
    furthest = max(float((a[name] - b[name]).abs().max()) for name in a)
    moved = max(float(value.abs().max()) for name, value in a.items() if "lora_B" in name)
    assert furthest < 0.02 * moved
    figures = [runs.events(folder, "evaluation")[-1] for folder in (one, two)]
    assert figures[0]["eval_score"] == figures[1]["eval_score"]
    assert [each["id"] for each in figures[0]["answers"]] == [each["id"] for each in figures[1]["answers"]]
    told = [runs_of_jobs.result(folder)["comparison"] for folder in (one, two)]
    assert told[0]["samples"] == told[1]["samples"] == 2
    for folder in (one, two):
        assert len((folder / "answers.jsonl").read_text().splitlines()) == 2, "each sample once, by one process or two"
    said = [[json.loads(line)["base"]["text"] for line in (folder / "answers.jsonl").read_text().splitlines()]
            for folder in (one, two)]
    assert said[0] == said[1]


def test_the_benchmark_runs_at_toy_size_and_counts_what_the_notes_count():
    from benchmarks import train
    told = train.measured("paligemma2-3b-448", "boxloop")
    assert told["samples_a_second"] > 0 and told["mfu"] is None
