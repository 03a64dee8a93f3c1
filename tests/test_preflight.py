"""What would go wrong in a training run is said before it begins, with the reason; the rest passes."""
from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from app.selftest import SelfTest
from app.spec import TrainSpec
from app.types import Annotation, Sample
from tests import runs
from trainer import model as models
from trainer import preflight


def report(folder, source, family="paligemma", learnt=None, held=None, **settings) -> dict:
    runs.run_folder(folder, source, family, learnt, held, **settings)
    spec = TrainSpec(**json.loads((folder / "spec.json").read_text()))
    found = preflight.checked(folder, spec, models.asked(spec), *preflight.data(folder, spec))
    assert json.loads((folder / "preflight.json").read_text()) == found
    return found


@pytest.fixture
def paligemma(checkpoint):
    return checkpoint("paligemma")


def test_good_data_passes_and_shows_what_will_be_learnt(paligemma, tmp_path):
    found = report(tmp_path / "run", paligemma)
    assert found["ok"] and not found["refusals"]
    assert (found["samples"], found["heldout"]) == (6, 2)
    assert found["selftest"]["ok"] is True
    assert found["examples"][0]["prompt"] == "detect red ; blue"
    assert found["examples"][0]["answer"].startswith("<loc") and found["examples"][0]["answer"].endswith(" red")
    assert 0 < found["trained"] < found["parameters"]
    assert found["memory"]["needed"] < found["memory"]["free"] and found["expected_minutes"] > 0
    assert found["plan"]["steps"] == 4


def test_check_is_a_command_that_writes_the_report_and_trains_nothing(paligemma, tmp_path):
    folder = runs.run_folder(tmp_path / "run", paligemma, "paligemma", learnt=[])
    code, said = runs.ended(runs.begun(folder, "--check"))
    assert code == 1
    assert said.strip().endswith("there is no sample with an answer to learn: correct some answers first, or import "
                                 "some")
    assert json.loads((folder / "preflight.json").read_text())["ok"] is False
    assert not (folder / "state.json").exists() and not (folder / "checkpoints").exists()


def test_what_nobody_has_looked_at_is_left_out_and_said(paligemma, tmp_path):
    learnt = runs.drawn(tmp_path / "images", 4)
    learnt[2] = replace(learnt[2], truth=None)
    found = report(tmp_path / "run", paligemma, learnt=learnt)
    assert found["ok"] and (found["samples"], found["left_out"]) == (3, [2])
    assert "1 sample of 4 nobody has looked at yet, and so left out" in found["warnings"]


def changed(sample: Sample, **values) -> Sample:
    return replace(sample, **values)


BOX = (5.0, 5.0, 20.0, 20.0)
REFUSED = {
    "outside": (lambda s: changed(s, truth=(Annotation("red", (5.0, 5.0, 90.0, 20.0)),)),
                "a box lies outside of its picture, or is empty, or inside out (1 times: "),
    "inside out": (lambda s: changed(s, truth=(Annotation("red", (20.0, 5.0, 5.0, 20.0)),)),
                   "a box lies outside of its picture, or is empty, or inside out"),
    "no box": (lambda s: changed(s, truth=(Annotation("red"),)), "PaliGemma cannot write an answer"),
    "no such task": (lambda s: changed(s, task="paint"), "there is no task 'paint'"),
    "nothing in it": (lambda s: changed(s, truth=(Annotation("red", (5.0, 5.0, 5.0, 5.0)),)),
                      "a box lies outside of its picture, or is empty, or inside out"),
    "no name": (lambda s: changed(s, truth=(Annotation("", BOX),)),
                "an answer does not survive PaliGemma's own language (1 times: train-0-1.png (detect 'red; blue'): "
                "the label '' becomes 'object')"),
    "another size": (lambda s: changed(s, images=(replace(s.images[0], size=(640, 480)),)),
                     "a picture has another size than its samples say"),
    "gone": (lambda s: changed(s, images=(replace(s.images[0], path="/nowhere.png"),)),
             "there is no file /nowhere.png"),
    "marked as held out": (lambda s: changed(s, images=(replace(s.images[0], split="val"),)),
                           "1 held-out picture among those to learn from"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_go_wrong_is_refused_with_its_reason(paligemma, tmp_path, case):
    learnt = runs.drawn(tmp_path / "images", 3)
    change, said = REFUSED[case]
    learnt[1] = change(learnt[1])
    found = report(tmp_path / "run", paligemma, learnt=learnt)
    assert not found["ok"]
    assert said in "; ".join(found["refusals"])


def test_a_held_out_picture_among_the_others_is_refused_whatever_its_name(paligemma, tmp_path):
    learnt = runs.drawn(tmp_path / "images", 3)
    copy = tmp_path / "copy.png"
    copy.write_bytes(Path(learnt[0].images[0].path).read_bytes())
    held = [replace(learnt[0], id="v", images=(replace(learnt[0].images[0], path=str(copy)),))]
    found = report(tmp_path / "run", paligemma, learnt=learnt, held=held)
    assert "1 held-out picture among those to learn from" in found["refusals"][0]


def test_a_red_self_test_blocks_training(paligemma, tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "selftest", lambda *_: SelfTest(False, 9.0, 1.0, 3, ("the frame is wrong",)))
    assert report(tmp_path / "run", paligemma)["refusals"] == [
        "coordinates wrong: 9.0 px off where 1.0 px are allowed; the frame is wrong"]


def test_too_little_memory_is_refused_with_what_would_help(paligemma, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.plan.free_memory", lambda: 500_000)
    [said] = report(tmp_path / "run", paligemma, tune="full", vision=True)["refusals"]
    assert said.startswith("training needs about") and "choose lora or qlora" in said


def test_memory_that_other_models_take_is_no_refusal_where_they_make_room(paligemma, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.plan.free_memory", lambda: 500_000)
    folder = runs.run_folder(tmp_path / "run", paligemma, "paligemma")
    spec = TrainSpec(**json.loads((folder / "spec.json").read_text()))
    asked = folder, spec, models.asked(spec), *preflight.data(folder, spec)
    found = preflight.checked(*asked, borrows=True)
    assert found["ok"] and found["memory"]["free"] == 500_000 < found["memory"]["needed"] <= found["memory"]["wanted"]
    assert any("are free: models in memory make room first" in said for said in found["warnings"])
    assert not preflight.checked(*asked)["ok"]
    monkeypatch.setattr("trainer.plan.all_memory", lambda: 500_000)
    [said] = preflight.checked(*asked, borrows=True)["refusals"]
    assert said.startswith("training needs about")


def test_too_little_disk_is_refused(paligemma, tmp_path, monkeypatch):
    from collections import namedtuple
    monkeypatch.setattr("shutil.disk_usage", lambda _: namedtuple("Usage", "total used free")(10**9, 10**9, 1000))
    assert any("checkpoints need about" in said for said in report(tmp_path / "run", paligemma)["refusals"])


@pytest.mark.parametrize(("family", "said"), [
    ("owlv2", "OWLv2 cannot be trained by sft here; these can: "),
    ("qwen-vl", "Qwen-VL cannot be trained by sft here"), ("nothing", "no family named 'nothing'")])
def test_a_model_that_may_not_be_trained_is_refused(paligemma, family, said):
    with pytest.raises(ValueError, match=said):
        models.asked(TrainSpec(source=str(paligemma), family=family))


def test_memory_that_is_short_means_fewer_samples_at_a_time_and_then_checkpointing(paligemma):
    from trainer import plan
    spec = TrainSpec(source=str(paligemma), family="paligemma", batch=8)
    model = preflight.outline(spec, models.asked(spec))
    needs = {(rows, on): plan.needed(model, rows, 500, on) / plan.ROOM for rows in (8, 1) for on in (True, False)}

    def made(free):
        found = plan.made(model, spec, 100, 500, 1, int(free) + 1000)
        return found.micro_batch, found.accumulation, found.checkpointing
    assert made(needs[8, False]) == (8, 1, False)
    assert made(needs[1, False]) == (1, 8, False)
    assert made(needs[1, True]) == (1, 8, True)
    with pytest.raises(ValueError, match="training needs about"):
        made(needs[1, True] / 2)


def test_minutes_that_do_not_do_for_all_updates_make_them_fewer():
    from trainer import plan
    planned = plan.Plan(1000, 2, 1, False, 1e-4)
    spec = TrainSpec(minutes=1.0, evaluations=2)
    assert plan.in_minutes(planned, spec, 0.5, 20.0).steps == 80
    assert plan.in_minutes(planned, spec, 0.001, 0.0).steps == 1000
    assert plan.in_minutes(planned, replace(spec, max_steps=1000), 0.5, 10.0).steps == 1000


def test_a_step_is_measured_with_its_pictures_and_leaves_the_weights_as_they_are(paligemma, tmp_path):
    from trainer import data as lessons
    from trainer import plan
    runs.run_folder(tmp_path, paligemma, "paligemma", tune="full")
    spec = TrainSpec(**json.loads((tmp_path / "spec.json").read_text()))
    known = models.asked(spec)
    learnt, _ = preflight.data(tmp_path, spec)
    collate, model = lessons.collator(known, learnt, spec), models.load(spec, known)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}

    def slowly(rows):
        time.sleep(1)
        return collate(rows)

    alone = plan.seconds_of_a_step(model, slowly, [{"row": 0}], spec, 3, workers=0)
    beside = plan.seconds_of_a_step(model, slowly, [{"row": 0}], spec, 3, workers=1)
    assert alone > 3 > beside > 0
    assert all(weight.equal(before[name]) for name, weight in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


def test_a_batch_that_cannot_be_spread_over_the_processes_is_refused(paligemma):
    from trainer import plan
    spec = TrainSpec(source=str(paligemma), family="paligemma", batch=8)
    with pytest.raises(ValueError, match="batch is 8, which cannot be spread over 3 processes; 9 can"):
        plan.made(preflight.outline(spec, models.asked(spec)), spec, 10, 100, 3)
