"""The receipt says what is so: planted cases on drawn answers, through the same functions as a run's own."""
from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from app import receipt
from app.evaluate import Answered, measured
from app.evaluate.paired import BETTER, UNCLEAR, WORSE, enough, paired, paired_slices
from app.metrics.intervals import chance, mean_statistic
from app.types import Annotation, Image, Sample
from tests.test_evaluate import said, sample

SIDE = 400
NAMES = ("cell", "plate")


def world(pictures: int, seed: int = 0, usual: bool = False) -> list[Sample]:
    """Boxes somewhere; or, `usual`, always about in the middle, as in pictures of a fixed camera."""
    chance = np.random.default_rng([7, seed])
    found = []
    for number in range(pictures):
        truth = []
        for _ in range(int(chance.integers(1, 6)) if not usual else 1):
            size = float(chance.choice([20, 60, 120])) if not usual else 150.0
            x, y = chance.uniform(0, SIDE - size, 2) if not usual else chance.uniform(120, 140, 2)
            name = "cell" if usual else NAMES[int(chance.integers(2))]
            truth.append(Annotation(name, (x, y, x + size, y + size)))
        found.append(sample(str(number), *truth, query="; ".join(NAMES)))
    return found


def seeing(samples, skill: float, seed: int, skip=lambda one: False, rename=lambda label: label) -> list[Answered]:
    """Finds each object with that chance, and now and then something that is not there."""
    luck = np.random.default_rng([11, seed])
    found = []
    for one in samples:
        given = [replace(each, label=rename(each.label)) for each in one.truth
                 if luck.random() < skill and not skip(each)]
        given += [Annotation("cell", (0.0, 0.0, 9.0, 9.0))] * int(luck.random() < 0.2)
        found.append(said(one, *given))
    return found


def shuffled(samples, answered: list[Answered]) -> list[Answered]:
    """What a model that looks would say of the other picture, at the same places of the own one."""
    other = receipt.deranged(samples, 0)
    return [said(one, *answered[place].prediction.annotations) for one, place in zip(samples, other)]


def told(base, tuned, blind=None, **more) -> dict:
    samples = [one.sample for one in tuned]
    found = receipt.comparison(base, tuned, shuffled(samples, tuned) if blind is None else blind, **{
        "independent": True, "chosen_by": 8} | more)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def test_a_gain_on_a_few_of_the_pictures_may_be_chance_and_says_so():
    samples = [sample(str(number), Annotation("cell", (10.0 * number, 10.0, 10.0 * number + 40, 50.0)), query="cell")
               for number in range(23)]
    tuned = [said(one, *one.truth) if number < 5 else said(one) for number, one in enumerate(samples)]
    found = told([said(one) for one in samples], tuned)
    main = next(one for one in found["metrics"] if one["name"] == "f1")
    assert main["interval"][0] > 0 and found["verdict"]["word"] == "no clear difference"
    sentence = found["verdict"]["sentences"][0]
    assert "but on so few of them that it may be chance" in sentence and "95% sure" not in sentence


def test_a_model_that_learnt_to_see_is_called_better():
    samples = world(30)
    found = told(seeing(samples, 0.3, 1), seeing(samples, 0.9, 2))
    assert found["verdict"]["word"] == "better" and found["measure"] == "f1" and found["samples"] == 30
    assert found["verdict"]["sentences"][0].startswith("Better: F1 rose from 0.")
    main = next(one for one in found["metrics"] if one["name"] == "f1")
    assert main["interval"][0] > 0 and main["difference"] == pytest.approx(main["tuned"] - main["base"], abs=1e-5)
    control = found["controls"]["shuffled"]
    assert control["passed"] and control["shuffled"] < 0.2 and control["words"].endswith("it looks.")
    assert found["controls"]["class_agnostic"]["difference"] > 0.2
    assert found["better"] and len(found["better"]) <= receipt.GALLERY
    gains = [seeing(samples, 0.9, 2)[place].score - seeing(samples, 0.3, 1)[place].score for place in found["better"]]
    assert gains == sorted(gains, reverse=True) and gains[-1] > 0


def test_a_run_on_wrong_labels_is_called_worse():
    samples = world(30)
    swapped = dict(zip(NAMES, reversed(NAMES)))
    found = told(seeing(samples, 0.7, 1), seeing(samples, 0.7, 2, rename=swapped.get))
    assert found["verdict"]["word"] == "worse"
    assert found["verdict"]["sentences"][0].startswith("Worse: F1 fell from ")
    boxes = found["controls"]["class_agnostic"]
    assert boxes["verdict"] == UNCLEAR and boxes["words"].startswith("The boxes themselves, whatever they are called")
    assert len(found["worse"]) > len(found["better"])
    misnamed = told(seeing(samples, 0.2, 1, rename=swapped.get), seeing(samples, 0.9, 2, rename=lambda _: "sell"))
    assert misnamed["controls"]["class_agnostic"]["words"].endswith("But it calls them by the wrong names.")


def test_a_run_that_only_learnt_where_boxes_usually_are_is_unmasked_by_shuffled_pictures():
    samples = world(40, usual=True)
    guess = Annotation("cell", (130.0, 130.0, 280.0, 280.0))
    usual = [said(one, guess) for one in samples]
    found = told(seeing(samples, 0.1, 1), usual)
    assert next(one for one in found["metrics"] if one["name"] == "f1")["verdict"] == BETTER
    assert found["verdict"]["word"] == "not by looking" and not found["controls"]["shuffled"]["passed"]
    assert found["verdict"]["sentences"][0].startswith("Not by looking: F1 rose from ")
    assert "where things usually are, not to see them" in found["controls"]["shuffled"]["words"]


def test_a_gain_that_is_partly_knowing_where_things_are_is_better_and_says_so():
    samples = world(60, usual=True)
    guess = Annotation("cell", (130.0, 130.0, 280.0, 280.0))
    half = [said(one, guess) if number % 2 else said(one) for number, one in enumerate(samples)]
    found = told(seeing(samples, 0.05, 1), [said(one, *one.truth) for one in samples], half)
    assert found["verdict"]["word"] == "better"
    assert "Part of what it gained is knowing where things usually are" in found["controls"]["shuffled"]["words"]


@pytest.mark.parametrize("pictures", [8, 31])
def test_a_base_against_itself_is_no_clear_difference_in_19_of_20_seeds(pictures):
    """Two draws of one model's dice, as if it were asked twice and warm; cold, it differs from itself by nothing."""
    words = []
    for seed in range(20):
        samples = world(pictures, seed)
        found = told(seeing(samples, 0.5, 2 * seed), seeing(samples, 0.5, 2 * seed + 1))
        words.append(found["verdict"]["word"])
    assert words.count(UNCLEAR) >= 19, words
    one = seeing(world(pictures), 0.5, 1)
    same = told(one, one)
    assert {each["difference"] for each in same["metrics"]} == {0.0} and not same["better"] and not same["worse"]
    assert same["verdict"]["sentences"][0].startswith("No clear difference: F1 stayed at ")


def test_parts_of_the_data_speak_only_where_chance_does_not_explain_all_of_them_together():
    spoke = 0
    for seed in range(20):
        samples = world(31, 100 + seed)
        spoke += any(one.verdict != UNCLEAR for one in paired_slices(seeing(samples, 0.5, 3 * seed),
                                                                     seeing(samples, 0.5, 3 * seed + 1)))
    assert spoke <= 1
    samples = world(60)
    found = told(seeing(samples, 0.6, 1), seeing(samples, 0.85, 2, skip=lambda each: each.box[2] - each.box[0] == 20))
    assert any(sentence.startswith("Worse on small objects: recall ") for sentence in found["verdict"]["sentences"])
    small = next(one for one in found["slices"] if one["kind"] == "size" and one["value"].startswith("1 small"))
    assert small["verdict"] == WORSE and small["interval"][1] < 0 and small["of"] == "objects"


def test_few_pictures_say_that_they_are_few_and_five_say_nothing():
    for pictures, sentence in ((5, "Fewer than 6 pictures cannot show a difference: hold out more."),
                               (12, "12 pictures are few: only a large difference is seen.")):
        samples = world(pictures)
        found = told([said(one) for one in samples], [said(one, *one.truth) for one in samples])
        assert (found["verdict"]["word"] == "better") == (pictures == 12)
        assert sentence in found["verdict"]["sentences"]
    assert enough(0.95) == 6


def test_one_picture_is_no_fault_and_nothing_is_shuffled():
    one = world(1)
    found = receipt.comparison([said(one[0])], [said(one[0], *one[0].truth)], None, independent=False, chosen_by=1)
    assert found["verdict"]["word"] == UNCLEAR and found["controls"]["shuffled"]["shuffled"] is None
    assert any("The same pictures chose the checkpoint" in each for each in found["verdict"]["sentences"])


def test_where_nothing_is_there_the_mean_score_judges():
    empty = [sample(str(number)) for number in range(10)]
    invented = [said(one, Annotation("cell", (1.0, 1.0, 9.0, 9.0))) for one in empty]
    found = told(invented, [said(one) for one in empty], [said(one) for one in empty])
    assert found["measure"] == "score"
    assert {one["name"]: one["verdict"] for one in found["metrics"]}["hallucination"] == BETTER, "less is better"


def test_answers_that_cannot_be_read_are_a_number_of_their_own():
    samples = world(20)
    garbage = [said(one, status="unreadable") for one in samples]
    found = told(garbage, seeing(samples, 0.9, 1))["controls"]["unreadable"]
    assert (found["base"], found["tuned"]) == (1.0, 0.0)
    assert found["words"] == ("0% of its answers cannot be read; of the base's, 100%. Part of what it gained is the "
                              "form of its answers.")
    assert "100% of its answers cannot be read." in told(seeing(samples, 0.9, 1), garbage)["verdict"]["sentences"]


def test_a_general_set_that_became_worse_is_a_sentence():
    samples, others = world(20), world(30, 5)
    found = told(seeing(samples, 0.3, 1), seeing(samples, 0.9, 2),
                 general=("street", seeing(others, 0.9, 3), seeing(others, 0.3, 4)))
    assert found["verdict"]["word"] == "better" and found["general"]["samples"] == 30
    assert any(each.startswith("Worse on the general set “street”: F1 0.") for each in found["verdict"]["sentences"])


@pytest.mark.parametrize(("task", "query", "truth", "measure", "boxes"), [
    ("ground", "the cell", (Annotation("the cell", (5.0, 5.0, 50.0, 50.0)),), "accuracy", True),
    ("count", "cell", (Annotation("cell"), Annotation("cell")), "exact", False)])
def test_every_task_is_judged_by_its_own_number(task, query, truth, measure, boxes):
    samples = [sample(str(number), *truth, task=task, query=query) for number in range(12)]
    nothing = [said(one) for one in samples]
    found = told(nothing, [said(one, *one.truth) for one in samples], nothing)
    assert (found["measure"], found["verdict"]["word"]) == (measure, "better")
    assert (found["controls"]["class_agnostic"] is not None) == boxes


def test_several_questions_about_one_picture_count_as_one_picture():
    """Thirty questions about five pictures are as sure as five pictures are."""
    pictures = [Image(f"{number}.png", (400, 400), f"s{number}", f"p{number}") for number in range(5)]
    box = (Annotation("cell", (5.0, 5.0, 50.0, 50.0)),)
    asked = [Sample(str(number), (pictures[number % 5],), "ground", f"cell {number}", box) for number in range(30)]
    before, after = measured([said(one) for one in asked]), measured([said(one, *box) for one in asked])
    assert after.pictures == 5
    assert {one.verdict for one in paired(after, before)} == {UNCLEAR}


def test_a_coin_gives_a_difference_as_often_as_it_does():
    """Five of five on one side: 2 of 32. The share is the exact one."""
    ours, theirs = np.array([[1.0] * 5, [1.0] * 5]), np.array([[0.0] * 5, [1.0] * 5])
    assert chance(ours, theirs, mean_statistic)[0] == pytest.approx(2 / 32, abs=0.01)
    assert chance(ours, ours, mean_statistic)[0] == 1.0
    assert chance(np.zeros((2, 3)), np.zeros((2, 3)), mean_statistic)[0] == 1.0, "undefined is never clear"


def test_those_that_choose_and_those_that_judge_share_no_picture():
    pictures = [Image(f"{number}.png", (400, 400), f"s{number}", f"p{number}") for number in range(30)]
    asked = [Sample(str(number), (pictures[number % 30],), "ground", f"cell {number}", ()) for number in range(60)]
    choosing, judging, independent = receipt.split(asked, 32, 64)
    assert independent and (len(choosing), len(judging)) == (20, 40)
    assert not {one.images[0] for one in choosing} & {one.images[0] for one in judging}
    again = receipt.split(asked[::-1], 32, 64)
    assert {one.id for one in again[0]} == {one.id for one in choosing}, "the order of the file decides nothing"
    assert [len(part) for part in receipt.split(asked, 7, 10)[:2]] == [6, 10], "whole pictures"
    choosing, judging, independent = receipt.split(asked[:16], 32, 64)
    assert not independent and choosing == judging and len(judging) == 16
    assert receipt.split(asked[:17], 32, 64)[2] and receipt.ALONE == 17
    assert receipt.split(asked[:5], 32, 64, chooses=False) == ((), tuple(asked[:5]), True)
    assert receipt.split((), 32, 64) == ((), (), False)


def test_every_question_gets_another_picture_and_always_the_same_one():
    pictures = [Image(f"{number}.png", (400, 400), f"s{number}", f"p{number}") for number in range(4)]
    asked = [Sample(str(number), (pictures[number % 4],), "ground", "cell", ()) for number in range(9)]
    other = receipt.deranged(asked, 3)
    assert other == receipt.deranged(asked, 3)
    assert all(asked[place].images != one.images for place, one in zip(other, asked))
    assert receipt.deranged(asked[:1], 3) is None


def test_what_was_seen_on_another_picture_is_held_at_the_same_place_of_the_own_one():
    seen, own = Image("a", (100, 200)), Image("b", (400, 400))
    [moved] = receipt.on_picture([Annotation("cell", (10.0, 20.0, 50.0, 100.0))], [seen], [own])
    assert moved.box == (40.0, 40.0, 200.0, 200.0)


def test_the_command_prints_the_verdict_the_controls_and_each_number_with_its_interval():
    from app.cli.training import _receipt
    samples = world(20)
    lines = _receipt(told(seeing(samples, 0.3, 1), seeing(samples, 0.9, 2)))
    assert lines[0].startswith("Better: F1 rose from ")
    assert any(line.endswith("it looks.") for line in lines)
    [f1] = [line for line in lines if line.startswith("  f1 ")]
    assert f1.endswith("  better") and " → " in f1 and " to +" in f1
    assert _receipt(None)[0].startswith("nothing was held out")
