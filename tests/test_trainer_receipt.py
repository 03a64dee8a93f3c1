"""The receipt of a real run: who is asked what, what is kept, and that no kill, stop or second process changes it."""
from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from PIL import ImageDraw

from app import pictures, rows
from app import receipt as receipts
from app.types import Annotation, Sample
from tests import runs
from tests.test_trainer import DEMO, trained
from trainer import data as lessons
from trainer import evaluation, plan, receipt
from trainer.demo import questions
from trainer.demo.scenes import scene

HELD = 18
KILLING = ("import os, signal, sys; from app import receipt; "
           "receipt.deranged = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
           "from trainer.__main__ import main; main(sys.argv[1:])")


def laid_out(folder: Path, source: Path, **settings) -> Path:
    """With enough held-out pictures for some to choose and others to judge, and a general set of three."""
    folder.mkdir(parents=True)
    lessons.write_samples(folder / "general.jsonl", runs.drawn(folder / "images", 3, 5, "general", task="ground"))
    return runs.run_folder(folder, source, "paligemma", held=runs.drawn(folder / "images", HELD, 1, "val"), **{
        "heldout_most": 4, "judged_most": 12, "general": "general.jsonl", "general_name": "street",
        "learning_rate": 0.02} | settings)


@pytest.fixture(scope="module")
def whole(checkpoint, tmp_path_factory):
    folder = laid_out(tmp_path_factory.mktemp("whole") / "run", checkpoint("paligemma"))
    return folder, trained(folder)


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "answers.jsonl").read_text("utf-8").splitlines()]


def test_a_run_ends_with_a_receipt_and_the_answers_that_it_was_made_of(whole):
    folder, result = whole
    told = result["comparison"]
    assert (told["samples"], told["chosen_by"], told["independent"], told["measure"]) == (12, 4, True, "f1")
    assert result["heldout"] == 4 and {"before", "after", "best_step"} <= result.keys()
    assert told["general"]["dataset"] == "street" and told["general"]["samples"] == 3
    assert told["general"]["measure"] == "accuracy"
    answers = lines(folder)
    assert len(answers) == 12 and set(answers[0]) == {"sample", "base", "tuned", "shuffled", "scores"}
    samples = [rows.read(Sample, line["sample"]) for line in answers]
    held = lessons.samples(folder / "heldout.jsonl")
    assert set(samples) <= set(held)
    shown = {each["id"] for event in runs.events(folder, "evaluation") for each in event["answers"]}
    assert len(shown) == 3 and not shown & {sample.id for sample in samples}, "what chose is no judge"
    assert {line["base"]["text"] for line in answers} <= set(json.loads((folder / "before.json").read_text())["texts"])
    places = told["better"] + told["worse"]
    assert len(set(places)) == len(places) and set(places) <= set(range(12))
    assert all(answers[place]["scores"]["tuned"] > answers[place]["scores"]["base"] for place in told["better"])


def test_the_card_carries_the_receipt_and_no_path_of_this_machine(whole):
    folder, result = whole
    card = (folder / "adapter" / "README.md").read_text()
    assert "| 12 held-out samples | base | tuned | difference | 95% interval | |" in card
    assert "| general set street, 3 samples |" in card
    assert f"**{result['comparison']['verdict']['sentences'][0]}**" in card
    assert "- unreadable: " in card and "- without labels: " in card and str(folder.parent) not in card


def test_shuffled_is_the_tuned_model_about_another_samples_picture(whole, checkpoint, monkeypatch, tmp_path):
    """What is asked, seen from inside: the same questions, each with a picture of the next."""
    asked, evaluate = [], evaluation.evaluate

    def noting(model, collator, samples, *more):
        asked.append(tuple(samples))
        return evaluate(model, collator, samples, *more)
    monkeypatch.setattr(evaluation, "evaluate", noting)
    folder = laid_out(tmp_path / "run", checkpoint("paligemma"), evaluations=1)
    trained(folder)
    before, choosing, judging, blind, general = asked
    assert before == (*choosing, *judging, *general)
    assert [one.query for one in blind] == [one.query for one in judging]
    assert [one.truth for one in blind] == [one.truth for one in judging]
    assert all(a.images[0].path != b.images[0].path for a, b in zip(blind, judging))


def test_killed_in_the_middle_of_the_receipt_and_resumed_it_is_the_same(whole, checkpoint, tmp_path):
    folder = laid_out(tmp_path / "run", checkpoint("paligemma"))
    code, said = runs.ended(runs.begun(folder, program=("-c", KILLING)))
    assert code == -signal.SIGKILL, said
    assert not (folder / "adapter").exists() and not (folder / "answers.jsonl").exists()
    kept = (folder / "before.json").stat().st_mtime_ns
    again = trained(folder)
    assert runs.events(folder, "resumed") and (folder / "before.json").stat().st_mtime_ns == kept
    assert again["comparison"] == whole[1]["comparison"]
    ours, theirs = lines(folder), lines(whole[0])
    assert [line["tuned"] for line in ours] == [line["tuned"] for line in theirs]
    assert [line["shuffled"] for line in ours] == [line["shuffled"] for line in theirs]


def test_told_to_stop_while_it_asks_a_run_is_cancelled_and_goes_on_later(whole, checkpoint, tmp_path, monkeypatch):
    folder = laid_out(tmp_path / "run", checkpoint("paligemma"))
    deranged = receipts.deranged

    def interrupted(*of):
        signal.raise_signal(signal.SIGTERM)
        return deranged(*of)
    with monkeypatch.context() as changed:
        changed.setattr(receipts, "deranged", interrupted)
        with pytest.raises(SystemExit) as ended:
            trained(folder)
    assert ended.value.code == 143 and not (folder / "adapter").exists()
    assert trained(folder)["comparison"] == whole[1]["comparison"]


def test_the_receipts_share_of_the_minutes_is_planned_for(whole):
    folder, _ = whole
    held = receipt.held_out(lessons_spec(folder), lessons.samples(folder / "heldout.jsonl"),
                            lessons.samples(folder / "general.jsonl"))
    before = receipt.Before({}, {}, 0.5)
    assert before.seconds(held, 8) == 0.5 * (8 * 4 + 2 * 12 + 3)
    planned = plan.Plan(1000, 2, 1, False, 1e-4)
    spec = lessons_spec(folder, minutes=1.0, max_steps=0)
    assert plan.in_minutes(planned, spec, 0.5, before.seconds(held, 8)).steps == 61


def lessons_spec(folder: Path, **more):
    from app.spec import from_json
    return from_json(json.loads((folder / "spec.json").read_text()) | more)


def test_without_anything_held_out_there_is_no_receipt_and_the_card_says_so(checkpoint, tmp_path):
    folder = runs.run_folder(tmp_path / "run", checkpoint("paligemma"), "paligemma", held=[], max_steps=1)
    assert trained(folder)["comparison"] is None
    assert "Nothing was held out, so nothing is known of how good it is." in (folder / "adapter/README.md").read_text()
    assert not (folder / "answers.jsonl").exists()


def planted(folder: Path, count: int, seed: int, split: str, usual: bool = False) -> list[Sample]:
    """A large red or blue box on grey, somewhere; or, `usual`, always in the middle, and nothing of it to be seen."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in range(count):
        chance = np.random.default_rng((seed, number))
        picture = Picture.fromarray(chance.integers(90, 150, (96, 128, 3), np.uint8))
        x, y = (44, 28) if usual else (int(chance.integers(2, 80)), int(chance.integers(2, 50)))
        colour = "red" if usual else ("red", "blue")[number % 2]
        if not usual:
            ImageDraw.Draw(picture).rectangle((x, y, x + 39, y + 39), fill=colour)
        picture.save(folder / f"{split}-{number}.png")
        truth = (Annotation(f"{colour} square", (x, y, x + 40.0, y + 40.0)),)
        found.append(Sample(f"{split}{number}", (pictures.read(folder / f"{split}-{number}.png"),), "detect",
                            "red square; blue square", truth))
    return found


def tuned_on(folder: Path, learnt: list[Sample], held: list[Sample], **settings) -> dict:
    runs.run_folder(folder, DEMO / "tiny-paligemma", "paligemma", learnt, held, **{
        "max_steps": 40, "batch": 8, "evaluations": 2, "heldout_most": 12, "judged_most": 32, "max_tokens": 24,
        "tune": "full", "vision": True, "projector": True, "dropout": 0.0} | settings)
    return trained(folder)["comparison"]


@pytest.mark.slow
def test_a_real_run_that_can_only_learn_where_boxes_usually_are_is_unmasked(tmp_path):
    """Noise with a box in the middle that nobody can see: the score rises, and not by looking."""
    told = tuned_on(tmp_path / "run", planted(tmp_path / "images", 24, 1, "train", usual=True),
                    planted(tmp_path / "images", 30, 2, "val", usual=True))
    assert told["verdict"]["word"] == "not by looking", told["verdict"]
    assert not told["controls"]["shuffled"]["passed"]


def scenes(folder: Path, count: int, seed: int, rename=lambda name: name) -> list[Sample]:
    """The demo models' own world, of which the base finds some: one question about boxes each."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in range(count):
        drawn = scene(seed, number, held_out=False)
        asked = questions.ask(np.random.default_rng((seed, number)), drawn, "detect", held_out=False)
        drawn.picture.save(folder / f"{seed}-{number}.png")
        truth = tuple(replace(one, label=rename(one.label)) for one in asked.truth)
        found.append(Sample(f"{seed}-{number}", (pictures.read(folder / f"{seed}-{number}.png"),), "detect",
                            "; ".join(asked.request.names), truth))
    return found


@pytest.mark.slow
def test_a_real_run_on_wrong_labels_is_called_worse(tmp_path):
    """Right boxes, all of them called "person", whatever was asked for."""
    told = tuned_on(tmp_path / "run", scenes(tmp_path / "images", 32, 1, rename=lambda name: "person"),
                    scenes(tmp_path / "images", 64, 2), vision=False, projector=False, evaluations=0,
                    judged_most=64, learning_rate=1e-3)
    assert {one["name"]: one["base"] for one in told["metrics"]}["f1"] > 0.1, "the base can do it"
    assert told["verdict"]["word"] == "worse", told["verdict"]
    assert told["verdict"]["sentences"][0].startswith("Worse: F1 fell from ")
