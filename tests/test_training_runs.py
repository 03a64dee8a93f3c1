"""What the page asks about trainings: can it begin, how far is it, what did it show, and what becomes of the model."""
from __future__ import annotations

import json
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from app import rows, training
from app.jobs.run import Run, borrowing
from app.spec import TrainSpec, changed
from app.training import checking
from app.types import Annotation
from app.workspace import Workspace
from tests import runs

SMALL = ["max_steps=2", "batch=2", "evaluations=1", "max_tokens=4", "rank=4"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, checkpoint):
    """With a dataset `boxes`, and the tiny checkpoints as the shipped models."""
    folder = tmp_path_factory.mktemp("runs")
    found = Workspace(folder / "home", shipped=checkpoint("paligemma").parent)
    dataset = found.store.datasets.create("boxes").id
    for split, count, seed in (("train", 4, 0), ("val", 2, 1)):
        found.store.datasets.add(dataset, runs.drawn(folder / "images", count, seed, split), split=split)
    yield found
    found.store.close()


def ended(check: training.Check) -> dict:
    deadline = time.monotonic() + 120
    while check.running and time.monotonic() < deadline:
        time.sleep(0.05)
    assert check.report is not None
    return check.report


def test_the_command_does_what_the_form_says_and_a_spec_gives_its_settings_back(workspace):
    settings = ["preset=standard", "rank=8", "vision=true", "targets=a|b c", "learning_rate=0.0001"]
    assert training.command("my cells", "tiny", settings[:2], device="cuda:0") == (
        "python -m app train --dataset 'my cells' --model tiny --set preset=standard --set rank=8 --device cuda:0")
    spec = changed(TrainSpec(), settings)
    assert sorted(training.settings_of(spec, "standard")) == sorted(settings)
    assert changed(TrainSpec(), training.settings_of(spec, "quick")) == spec
    told = training.prepared(workspace, "boxes", "paligemma", [*SMALL, "general=boxes"])
    assert "general=boxes" in training.settings_of(told)


def test_a_version_of_the_data_is_made_only_where_something_changed(workspace):
    first = training.prepared(workspace, "boxes", "paligemma")
    assert training.prepared(workspace, "boxes", "paligemma", ["rank=8"]).snapshot == first.snapshot
    dataset = workspace.store.datasets.create("other").id
    samples = runs.drawn(workspace.home / "more", 2, 5)
    workspace.store.datasets.add(dataset, samples, split="train")
    before = training.prepared(workspace, "other", "paligemma").snapshot
    one = next(workspace.store.datasets.samples(dataset))
    workspace.store.corrections.save(one.id, parent=None, author="me", key="k1", truth=())
    assert training.prepared(workspace, "other", "paligemma").snapshot != before


def test_new_corrections_are_those_of_people_since_the_run_and_not_of_what_is_held_out(workspace):
    dataset = workspace.store.datasets.create("nudged").id
    for split, seed in (("train", 21), ("val", 22)):
        workspace.store.datasets.add(dataset, runs.drawn(workspace.home / "nudge", 2, seed, split), split=split)
    assert training.new_corrections(workspace, "nudged", None) == 0
    job = training.submit(workspace, "nudged", "paligemma", SMALL)
    workspace.jobs.cancel(job.id)
    for number, one in enumerate(workspace.store.datasets.samples(dataset)):
        saved = workspace.store.corrections.save(one.id, parent=None, author="me", key=f"n{number}", truth=())
        workspace.store.corrections.save(one.id, parent=saved.id, author="me", key=f"m{number}", truth=one.truth)
    assert training.new_corrections(workspace, "nudged", job) == 2
    again = training.submit(workspace, "nudged", "paligemma", SMALL)
    workspace.jobs.cancel(again.id)
    assert training.new_corrections(workspace, "nudged", again) == 0


def test_a_general_set_is_the_held_out_part_of_another_dataset(workspace):
    told = training.prepared(workspace, "boxes", "paligemma", [*SMALL, "general=boxes"])
    assert told.general_name == "boxes" and len(Path(told.general).read_text().splitlines()) == 2
    dataset = workspace.store.datasets.create("only train").id
    workspace.store.datasets.add(dataset, runs.drawn(workspace.home / "t", 1, 31), split="train")
    with pytest.raises(ValueError, match="the dataset 'only train' has no sample in its split val"):
        training.prepared(workspace, "boxes", "paligemma", ["general=only train"])
    with pytest.raises(ValueError, match="there is no dataset 'nowhere' here"):
        training.prepared(workspace, "boxes", "paligemma", ["general=nowhere"])


def test_a_check_runs_beside_the_page_and_is_found_again(workspace):
    check = training.preflight(workspace, "boxes", "paligemma", SMALL)
    assert check.running and check.report is None
    assert training.preflight(workspace, "boxes", "paligemma", SMALL) == check
    report = ended(check)
    assert report["ok"] and report["expected_minutes"] > 0 and report["memory"]["needed"] > 0
    assert report["examples"] and not check.running
    written = (check.folder / "preflight.json").stat().st_mtime_ns
    assert ended(training.preflight(workspace, "boxes", "paligemma", SMALL)) == report
    assert (check.folder / "preflight.json").stat().st_mtime_ns == written, "nothing changed, and it ran again"
    assert training.preflight(workspace, "boxes", "paligemma", [*SMALL, "rank=8"]).folder != check.folder
    checking._end_others(workspace.home / "checks")


def test_a_newer_check_takes_the_place_of_one_that_still_runs(workspace):
    first = training.preflight(workspace, "boxes", "paligemma", [*SMALL, "seed=1"])
    second = training.preflight(workspace, "boxes", "paligemma", [*SMALL, "seed=2"])
    assert ended(first) == {"ok": False, "warnings": [], "refusals": ["the check ended without a word; check again"]}
    assert second.running
    checking._end_others(workspace.home / "checks")


@pytest.mark.slow
def test_what_the_trainer_cannot_begin_is_a_refusal_of_the_check(workspace):
    dataset = workspace.store.datasets.create("unseen").id
    samples = [replace(one, truth=None) for one in runs.drawn(workspace.home / "u", 2, 9)]
    workspace.store.datasets.add(dataset, samples, split="train")
    report = ended(training.preflight(workspace, "unseen", "paligemma", SMALL))
    assert not report["ok"] and report["refusals"][0].startswith("there is no sample with an answer to learn")
    report = ended(training.preflight(workspace, "boxes", "paligemma", [*SMALL, "targets=nothing"]))
    assert not report["ok"] and "which matches no layer of this model" in report["refusals"][0]


def told(folder: Path) -> Run:
    folder.mkdir()
    (folder / "spec.json").write_text(json.dumps(TrainSpec().to_json()))
    return Run(folder)


def test_a_curve_is_read_piece_by_piece_and_a_torn_line_waits(tmp_path):
    with pytest.raises(SystemExit), told(tmp_path / "run") as run:
        assert training.curve(run.folder) == {"offset": 0, "keep": None, "steps": [], "evaluations": [], "plan": None,
                                              "notes": []}
        run.event("plan", steps=4)
        run.event("evaluation", step=0, eval_score=0.25, eval_f1=0.5, answers=[])
        run.event("step", step=1, loss=2.0, samples_per_s=3.0)
        first = training.curve(run.folder)
        assert first["plan"] == {"steps": 4} and first["steps"][0]["samples_per_s"] == 3.0
        assert first["evaluations"][0]["figures"] == {"score": 0.25, "f1": 0.5}
        run.event("step", step=2, loss=1.0)
        with open(run.folder / "events.jsonl", "ab") as file:
            file.write(b'{"t": 1.0, "name": "step", "st')
        second = training.curve(run.folder, first["offset"])
        assert [each["step"] for each in second["steps"]] == [2] and second["keep"] is None
        run.event("step", step=3, loss=0.5)  # the line that a kill tore is closed by the next
        third = training.curve(run.folder, second["offset"])
        assert [each["step"] for each in third["steps"]] == [3]
        assert training.curve(run.folder, third["offset"])["steps"] == []
        assert training.curve(run.folder, 10**9)["keep"] == -1


def test_what_a_run_goes_through_again_replaces_what_it_had_gone_through(tmp_path):
    with pytest.raises(SystemExit), told(tmp_path / "run") as run:
        for step in (1, 2, 3):
            run.event("step", step=step, loss=float(step))
        before = training.curve(run.folder)
        run.event("resumed", step=1)
        run.event("step", step=2, loss=20.0)
        run.event("out_of_memory", words="half as many")
        news = training.curve(run.folder, before["offset"])
        assert news["keep"] == 1 and [each["loss"] for each in news["steps"]] == [20.0]
        assert news["notes"] == ["went on from step 1", "half as many"]
        assert [each["loss"] for each in training.curve(run.folder)["steps"]] == [1.0, 20.0]
        for step in range(3, 2_003):
            run.event("step", step=step, loss=0.0)
        thin = training.curve(run.folder, most=100)["steps"]
        assert len(thin) <= 100 and thin[-1]["step"] == 2_002


def test_the_pictures_that_are_shown_are_the_same_from_the_base_on(tmp_path):
    held = runs.drawn(tmp_path / "images", 4, 3, "val")
    box = Annotation("red", (1.0, 2.0, 3.0, 4.0))

    def answers(*found):
        return [{"id": sample.id, "text": "t", "status": "ok", "annotations": rows.write(found)} for sample in held[:3]]
    with pytest.raises(SystemExit), told(tmp_path / "run") as run:
        assert training.shown(run.folder) == {"samples": [], "evaluations": []}
        (run.folder / "heldout.jsonl").write_text("".join(json.dumps(rows.write(one)) + "\n" for one in held))
        run.event("evaluation", step=0, answers=answers(), eval_score=0.0)
        run.event("evaluation", step=5, answers=answers(), eval_score=0.5)
        run.event("evaluation", step=5, answers=answers(box), eval_score=0.75)
        found = training.shown(run.folder)
    assert found["samples"] == held[:3]
    assert [(each["step"], each["score"]) for each in found["evaluations"]] == [(0, 0.0), (5, 0.75)]
    assert found["evaluations"][1]["answers"][2] == {"text": "t", "status": "ok", "annotations": (box,)}


@pytest.fixture(scope="module")
def done(workspace):
    """A training that has ended, and its job."""
    job = workspace.jobs.wait(training.submit(workspace, "boxes", "paligemma", SMALL).id, 200)
    assert job.status == "done", workspace.jobs.log(job.id)
    return job


def test_a_run_whose_folder_was_removed_shows_nothing_and_does_not_fail(tmp_path):
    assert training.shown(tmp_path / "gone") == {"samples": [], "evaluations": []}
    assert training.curve(tmp_path / "gone")["steps"] == []


def test_a_run_tells_its_speed_its_memory_and_the_bases_answers(workspace, done):
    folder = workspace.jobs.folder(done.id)
    found = training.curve(folder)
    assert found["steps"][0]["samples_per_s"] > 0 and found["steps"][0]["memory_gb"] > 0
    assert [each["step"] for each in found["evaluations"]] == [0, 2]
    assert borrowing(folder) > 1_000_000, "what it needs of its device is no model's meanwhile"
    seen = training.shown(folder)
    assert len(seen["samples"]) == 2 and [len(each["answers"]) for each in seen["evaluations"]] == [2, 2]


def test_a_tuned_model_is_taken_away_as_a_zip(workspace, done):
    path = training.download(workspace, done.id)
    with zipfile.ZipFile(path) as file:
        names = set(file.namelist())
        assert {"adapter/adapter_model.safetensors", "adapter/README.md", "receipt.json", "spec.json"} <= names
        assert json.loads(file.read("receipt.json"))["model"] == "paligemma"
    written = path.stat().st_mtime_ns
    assert training.download(workspace, done.id).stat().st_mtime_ns == written


def test_what_has_no_tuned_model_says_so(workspace, done):
    queued = training.submit(workspace, "boxes", "paligemma", SMALL)
    for act in (training.download, training.merge, lambda *of: training.push(*of, "you/cells")):
        with pytest.raises(ValueError, match=f"there is no tuned model of {queued.id}: it is queued"):
            act(workspace, queued.id)
    with pytest.raises(ValueError, match="is no name on the Hub; it is like you/cells"):
        training.push(workspace, done.id, "cells/")
    with pytest.raises(ValueError, match=f"job {queued.id} cannot be deleted: it is queued; cancel it first"):
        training.delete(workspace, queued.id)
    workspace.jobs.cancel(queued.id)


def test_merging_is_a_job_that_keeps_only_what_answers_alike(workspace, done):
    job = workspace.jobs.wait(training.merge(workspace, done.id).id, 200)
    assert job.status == "done", workspace.jobs.log(job.id)
    told = workspace.jobs.result(job.id)
    assert told["same_answers"] == told["of"] == 2 and told["logits_moved"] < 1e-3
    merged = Path(told["path"])
    assert (merged / "config.json").exists() and 'library_name: "transformers"' in (merged / "README.md").read_text()
    assert merged == workspace.jobs.folder(done.id) / "merged"


def test_deleting_a_run_takes_its_model_with_it_but_not_while_somebody_needs_it(workspace, checkpoint):
    job = training.submit(workspace, "boxes", "paligemma", SMALL)
    workspace.jobs.cancel(job.id)
    folder = workspace.jobs.folder(job.id)
    (folder / "adapter").symlink_to(checkpoint("lora"))
    model = training.tuned(workspace, job.id)
    needing = training.submit(workspace, "boxes", model.id, SMALL)
    with pytest.raises(ValueError, match=f"is needed by the job {needing.id} \\(train\\), which is queued"):
        training.delete(workspace, job.id)
    workspace.jobs.cancel(needing.id)
    training.delete(workspace, job.id)
    assert not folder.exists() and checkpoint("lora").exists()
    with pytest.raises(ValueError, match="there is no model"):
        training.tuned(workspace, job.id)
    with pytest.raises(ValueError, match="there is no job"):
        workspace.jobs.find(job.id)
