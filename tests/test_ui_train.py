"""What the Fine-tune tab says, without a browser: settings, the check, a run, its receipt, several side by side."""
from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace

import pytest

from app import pictures as pictures_of
from app import spec as specs
from app import training
from app.jobs.queue import Jobs
from app.jobs.run import Run
from app.spec import PRESETS, TrainSpec
from app.store import Store
from app.types import Job, Progress, Sample
from app.ui.train import choices, looking, pictures, receipts, told
from app.ui.train.choices import Choice
from app.ui.train.offering import Offering
from app.ui.train.remembered import Chosen, Watched
from tests import runs
from tests.test_datasets import unlike
from tests.trainings import comparison

JOB = Job("1", "train", "running", "cpu", "", 0, 1000.0, 1000.0, progress=Progress(3, 12, "training", 90.0))
RESULT = {"samples": 40, "best_step": 8, "steps": 12, "minutes": 4.96, "device": "CPU, 2 threads", "dataset": "cells",
          "spec": TrainSpec().to_json(), "comparison": comparison()}


def test_every_setting_of_the_spec_stands_in_the_drawer_once_with_its_default_and_help():
    shown = [each for group in choices.schema()["groups"] for each in group["fields"]]
    names = [each["name"] for each in shown]
    assert sorted(names) == sorted({each.name for each in fields(TrainSpec)} - choices.ELSEWHERE)
    by_name = {each["name"]: each for each in shown}
    assert by_name["rank"]["defaults"] == dict.fromkeys(PRESETS, "16") and by_name["rank"]["kind"] == "number"
    assert by_name["minutes"]["defaults"] == {"quick": "5", "standard": "30", "thorough": "180"}
    assert by_name["vision"]["kind"] == "bool" and by_name["vision"]["defaults"]["quick"] == "false"
    assert by_name["schedule"]["of"] == ["cosine", "linear", "constant"] and by_name["method"]["of"] == ["sft"]
    assert all(each["help"] for each in shown)


def test_every_default_that_the_drawer_shows_is_taken_back_as_what_it_was():
    for preset in PRESETS:
        changed = {each["name"]: each["defaults"][preset] for group in choices.schema()["groups"]
                   for each in group["fields"]}
        assert specs.changed(TrainSpec(), Choice(preset, changed).settings) == specs.changed(
            TrainSpec(), [f"preset={preset}"])


def test_what_is_chosen_becomes_settings_a_file_and_the_same_choice_again():
    choice = Choice("standard", {"rank": "8", "vision": "true", "learning_rate": "2e-05"})
    assert choice.settings == ["preset=standard", "rank=8", "vision=true", "learning_rate=2e-05"]
    document = choices.document(choice, "cells", "tiny-paligemma", "paligemma")
    assert document["rank"] == 8 and document["minutes"] == 30 and document["dataset"] == "cells"
    assert not {"source", "train", "snapshot"} & set(document)
    again, spec = choices.read(json.dumps(document))
    assert again == choice and (spec.model, spec.dataset) == ("tiny-paligemma", "cells")


@pytest.mark.parametrize("text, said", [
    ("{", "no JSON"), ("[]", "a training spec is a JSON object"), ('{"ranks": 8}', "there is no setting 'ranks'"),
    ('{"rank": 0}', "rank is 0; it must be between 1 and 512"), ("x" * 300_000, "is no spec")])
def test_a_file_that_is_no_spec_is_refused_with_what_is_wrong(text, said):
    with pytest.raises(ValueError, match=said):
        choices.read(text)


def test_what_the_browser_says_is_read_whatever_it_is():
    for hostile in (None, "x", [], {"preset": "evil", "changed": {"source": "/etc", "rank": {"a": 1}}},
                    {"choice": 3, "run": ["x"], "ticked": "abc"}):
        assert Choice.read(hostile).preset == "quick" and "source" not in Choice.read(hostile).changed
        assert isinstance(Watched.read(hostile).run, str) and isinstance(Chosen.read(hostile).model, str)
    for now in (Chosen("cells", "m", Choice("standard", {"rank": "8"})), Watched("r", ("a", "b"))):
        assert type(now).read(json.loads(json.dumps(now.to_json()))) == now


def test_a_check_says_what_stands_in_the_way_what_it_takes_and_what_it_will_learn():
    report = {"ok": False, "refusals": ["checkpoints need about 3.0 GB and the disk has 1.0 GB; free some"],
              "warnings": ["there is no held-out sample"], "expected_minutes": 4.5, "samples": 40, "heldout": 0,
              "memory": {"needed": 3e8, "free": 4e9}, "parameters": 3_000_000, "trained": 20_000, "plan": {"steps": 90},
              "examples": [{"picture": "a\ud800.png", "prompt": "detect star", "answer": "<loc0001>"}]}
    shown = told.check(report)
    assert shown["headline"] == "It cannot begin: 1 thing to mend first" and shown["mark"] == "problem"
    assert shown["refusals"][0].startswith("Checkpoints need") and shown["warnings"] == ["There is no held-out sample"]
    assert ["Time", "about 4 min"] in shown["facts"] and ["Memory", "0.3 GB of 4.0 GB free"] in shown["facts"]
    assert shown["examples"] == [{"picture": "a?.png", "prompt": "detect star", "answer": "<loc0001>"}]
    assert told.takes(report) == "about 4 min · 0.3 GB"
    assert told.check(report | {"ok": True, "refusals": []})["headline"] == "Nothing stands in the way"
    assert told.check(None, 3.2)["mark"] == "busy"


def test_a_run_that_learns_is_told_with_its_curve_and_the_base_as_a_line(tmp_path):
    store = Store(tmp_path)
    jobs = Jobs(tmp_path / "runs", store.jobs)
    job = jobs.submit("train", {"model": "tiny", "dataset": "cells"})
    with pytest.raises(SystemExit), Run(jobs.folder(job.id)) as run:
        run.event("evaluation", step=0, eval_score=0.1, eval_f1=0.2)
        run.event("plan", steps=12)
        for step in (1, 2, 3):
            run.event("step", step=step, loss=2.0 / step, learning_rate=1e-4, samples_per_s=12.5, memory_gb=0.4)
        run.event("evaluation", step=3, eval_score=0.5, eval_f1=0.6)
    curves = told.Curves()
    shown = told.live(jobs, replace(JOB, id=job.id), curves.look(jobs.folder(job.id)), log=False, trusted=True)
    assert shown["title"] == "Training of tiny on cells" and shown["part"] == 0.25 and shown["steps"] == 12
    loss, score = shown["charts"]
    assert loss["points"] == [[1, 2.0], [2, 1.0], [3, 0.6667]] and loss["base"] is None
    assert score["points"] == [[0, 0.1], [3, 0.5]] and score["base"] == 0.1
    facts = dict(shown["facts"])
    assert facts["Held-out score"] == "0.100 → 0.500" and facts["Time left"] == "2 min"
    assert facts["Samples a second"] == "12.5" and facts["Memory"] == "0.40 GB" and facts["Update"] == "3 of 12"
    assert shown["acts"] == ["stop"] and shown["log"] == []
    theirs = told.live(jobs, replace(JOB, id=job.id), curves.look(jobs.folder(job.id)), log=True, trusted=False)
    assert (theirs["title"], theirs["acts"], theirs["log"], theirs["note"]) == ("Training", [], [], "")
    store.close()


def test_a_curve_is_read_on_where_the_last_look_ended_and_goes_back_with_a_resumed_run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "spec.json").write_text("{}")

    def say(*events):
        with (folder / "events.jsonl").open("a") as file:
            file.writelines(json.dumps({"t": 1.0, **each}) + "\n" for each in events)

    curves = told.Curves()
    assert curves.look(folder)["steps"] == []
    say(*({"name": "step", "step": step, "loss": 1.0} for step in (1, 2, 3)))
    assert [each["step"] for each in curves.look(folder)["steps"]] == [1, 2, 3]
    say({"name": "resumed", "step": 1}, {"name": "step", "step": 2, "loss": 0.5})
    found = curves.look(folder)
    assert [(each["step"], each["loss"]) for each in found["steps"]] == [(1, 1.0), (2, 0.5)]
    assert found["notes"] == ["went on from step 1"] and curves.look(folder) == found
    say({"name": "step", "step": 1, "loss": 0.9})  # killed before its first checkpoint, it begins anew
    assert [(each["step"], each["loss"]) for each in curves.look(folder)["steps"]] == [(1, 0.9)]


def test_a_long_curve_is_thinned_and_keeps_its_end():
    points = told._points([{"step": step, "loss": 1.0} for step in range(1, 5_001)], "loss")
    assert len(points) <= told.POINTS and points[-1] == [5000, 1.0]


def test_a_receipt_is_a_verdict_bars_and_what_keeps_it_honest():
    shown = receipts.told(RESULT)
    assert (shown["word"], shown["kind"]) == ("Better", "good") and len(shown["sentences"]) == 2
    assert shown["facts"][0] == "40 samples learnt" and "judged on 4 held-out samples" in shown["facts"]
    first, precision, unreadable = shown["tables"][0]["rows"]
    assert (first["title"], first["said"], first["change"]) == ("F1", "0.100 → 0.800", "+0.70 (+0.50 to +0.90)")
    assert first["at"] == {"base": 0.1, "tuned": 0.8, "low": 0.6, "high": 1.0} and first["kind"] == "good"
    assert precision["word"] == "No clear difference" and precision["kind"] == "idle"
    # Better is to the right, also where less is better.
    assert unreadable["at"]["base"] == 1.0 and unreadable["at"]["tuned"] == 0.75 and unreadable["kind"] == "bad"
    assert unreadable["at"]["low"] == pytest.approx(0.6) and unreadable["said"] == "0% → 25%"
    assert shown["controls"][0]["title"] == "Asked about the wrong pictures"
    assert shown["controls"][0]["word"] == "passed" and shown["controls"][0]["kind"] == "good"
    assert [each["title"] for each in shown["folded"]] == ["Label", "Object size"]
    assert shown["folded"][1]["rows"][0]["title"] == "small" and shown["folded"][0]["rows"][0]["word"] == "Worse"


@pytest.mark.parametrize("before, after, word", [(0.3, 0.9, "Better"), (0.9, 0.3, "Worse"), (0.5, 0.5,
                                                                                           "No clear difference")])
def test_what_the_engine_says_is_what_is_shown(before, after, word):
    from tests.test_receipt import seeing, world
    from tests.test_receipt import told as compared
    samples = world(20)
    found = compared(seeing(samples, before, 1), seeing(samples, after, 1 if before == after else 2))
    shown = receipts.told(RESULT | {"comparison": found})
    assert shown["word"] == word and shown["sentences"][0].startswith("F1 ")
    names = [row["title"] for row in shown["tables"][0]["rows"]]
    assert names[0] == "F1" and len(names) <= receipts.FIRST and not {"Refused", "Failed", "Cut off"} & set(names)
    assert {each["title"] for each in shown["folded"]} >= {"Label", "Object size", "More numbers"}
    assert [each["title"] for each in shown["controls"]] == [
        "Asked about the wrong pictures", "Places only, labels ignored", "Answers that could not be read"]
    for row in (row for table in shown["tables"] + shown["folded"] for row in table["rows"]):
        assert all(place is None or 0 <= place <= 1 for place in row["at"].values()), row
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown


def test_a_number_without_an_upper_end_has_its_place_on_the_bar_too():
    at = receipts._at({"base": 4.0, "tuned": 2.0, "interval": [-3.0, -1.0]}, "error")
    assert at["tuned"] > at["base"] and 0 <= at["low"] <= at["tuned"] <= at["high"] <= 1
    nothing = receipts._at({"base": None, "tuned": 0.5, "interval": None}, "f1")
    assert nothing == {"base": None, "tuned": 0.5, "low": None, "high": None}


@pytest.mark.parametrize("word, said, kind", [
    ("no clear difference", "No clear difference", "idle"), ("worse", "Worse", "bad"),
    ("not by looking", "Not by looking", "warning")])
def test_an_honest_verdict_is_not_made_prettier(word, said, kind):
    result = RESULT | {"comparison": comparison(word=word)}
    assert receipts.verdict(result) == (said, kind) and receipts.told(result)["word"] == said


def test_a_run_that_nothing_could_judge_says_so():
    shown = receipts.told({"samples": 3, "before": {}, "after": {}})
    assert shown["word"] == "No receipt" and "No held-out picture" in shown["sentences"][0] and shown["tables"] == []
    old = receipts.told({"before": {"f1": 0.1}, "after": {"f1": 0.5}})
    assert old["tables"][0]["rows"][0]["said"] == "0.100 → 0.500"
    dependent = receipts.told(RESULT | {"comparison": comparison(independent=False)})
    assert any("the best moment was chosen, too" in fact for fact in dependent["facts"])


def test_receipts_of_several_runs_stand_side_by_side():
    assert receipts.beside([("one", "today", RESULT)]) is None
    other = RESULT | {"comparison": comparison(word="worse", metrics=[]), "minutes": 30}
    table = receipts.beside([("one", "today", RESULT), ("two", "now", other)])
    assert [each["title"] for each in table["columns"]] == ["one", "two"]
    by_title = {each["title"]: each["cells"] for each in table["rows"]}
    assert [cell["said"] for cell in by_title["Verdict"]] == ["Better", "Worse"]
    assert [cell["said"] for cell in by_title["F1"]] == ["0.100 → 0.800", "–"]
    assert [cell["said"] for cell in by_title["Minutes"]] == ["5.0", "30.0"]


def test_the_list_says_each_run_and_only_those_with_a_receipt_can_stand_beside_others(tmp_path):
    store = Store(tmp_path)
    jobs = Jobs(tmp_path / "runs", store.jobs)
    ids = [jobs.submit("train", {"model": "tiny", "dataset": "cells"}).id for _ in range(2)]
    done = replace(JOB, id=ids[0], status="done", ended=1060.0)
    shown = told.runs(jobs, [replace(JOB, id=ids[1]), done], {ids[0]: RESULT}, ids[0], ids, True)
    assert [(each["done"], each["verdict"]) for each in shown["runs"]] == [(False, ""), (True, "Better")]
    assert shown["runs"][0]["title"] == "tiny on cells" and shown["beside"] is None
    both = told.runs(jobs, [replace(done, id=ids[1]), done], dict.fromkeys(ids, RESULT), "", ids, True)
    assert len(both["beside"]["columns"]) == 2
    assert told.runs(jobs, [done], {}, "", [], False)["runs"][0]["title"] == "Training"
    store.close()


def test_the_pictures_that_got_better_and_worse_come_with_both_answers(tmp_path):
    from app import rows
    from tests import trainings
    samples = runs.drawn(tmp_path / "images", 3)
    rows_of = [trainings._answered(sample, place) for place, sample in enumerate(samples)]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows_of))
    better = pictures.gallery(tmp_path, comparison(better=[2, 0, 99]), "better")
    assert [pair.index for pair in better.rows] == [2, 0] and better.title == "Got better (3)"
    base, tuned = better.rows[0].panes
    assert base.shapes == [] and base.note == "score 0.000" and tuned.note == "score 1.000"
    assert tuned.shapes[0]["box"] == list(samples[2].truth[0].box) and better.rows[0].truth == tuned.shapes
    assert pictures.gallery(tmp_path, comparison(worse=()), "worse").rows == []
    question, views = pictures.opened(tmp_path, 2)
    assert question.endswith("Detect: red; blue") and [head["title"] for head, _ in views] == [
        "What is true", "Base", "Tuned"]
    assert views[2][1].annotations == samples[2].truth and views[1][1].truth == samples[2].truth
    with pytest.raises(ValueError, match="not among the answers"):
        pictures.opened(tmp_path, 7)
    shown = {"samples": samples[:1], "evaluations": [
        {"step": 0, "score": None, "answers": [{"text": "<script>", "status": "unreadable", "annotations": ()}]},
        {"step": 40, "score": 0.5, "answers": [None]}]}
    learning = pictures.learning("run", shown)
    assert learning.steps == ["Base", "After update 40 · 0.50"] and rows
    assert learning.rows[0].panes[0].text == "<script>" and learning.rows[0].panes[1].note == "not asked"
    assert pictures.learning("run", {"samples": [], "evaluations": []}).rows == []


def test_a_look_says_only_what_is_new(tmp_path):
    from app.workspace import Workspace
    workspace = Workspace(tmp_path / "home")
    looks = looking.Looking(workspace)
    nothing = looks.look("gone", True)
    assert nothing["run"] == "" and looks.look("", True, seen=nothing["live"]["seen"]) == {}
    job = workspace.jobs.submit("train", {"model": "tiny", "dataset": "cells", "heldout": "none.jsonl"})
    found = looks.look("gone", True)
    assert found["run"] == job.id and set(looking.PARTS) <= set(found) and found["done"] is False
    seen = looking.heard(json.dumps(found["live"]["seen"]))
    assert looks.look(job.id, True, seen=seen) == {}
    workspace.jobs.cancel(job.id)
    news = looks.look(job.id, True, seen=seen)
    assert {"live", "receipt", "runs"} <= set(news) and "learning" not in news
    assert looks.last("cells") is None and looking.heard("[") == {} and looking.heard("[1]") == {}
    workspace.store.close()


@pytest.fixture
def workspace(tmp_path):
    """With a dataset `boxes` of drawn pictures, and the shipped models."""
    from app.workspace import Workspace
    found = Workspace(tmp_path / "home")
    dataset = found.store.datasets.create("boxes").id
    for split, numbers in (("train", range(3)), ("val", range(3, 5))):
        images = [pictures_of.read(unlike(tmp_path / f"{n}.png", n)) for n in numbers]
        found.store.datasets.add(dataset, [Sample(str(n), (image,), "detect", "red", ()) for n, image in
                                           enumerate(images)], split=split)
    yield found
    found.store.close()


def test_what_can_learn_is_offered_with_what_it_takes(workspace):
    offering = Offering(workspace)
    models = [id for _, id in offering.models()]
    assert "tiny-paligemma" in models and not {"google/owlv2-base-patch16-ensemble"} & set(models)
    assert offering.takes("tiny-paligemma")["quick"].startswith("about 5 min · more than ")
    assert offering.takes("gone") == {"quick": "about 5 min", "standard": "about 30 min", "thorough": "about 3 h"}
    assert offering.split("boxes") == "3 to learn from, 2 held out to judge by."
    assert offering.nothing(False).startswith("Nothing was trained yet") and offering.nothing(True) == ""
    workspace.store.datasets.remove(workspace.store.datasets.find("boxes").id)
    assert offering.nothing(False).startswith("Nothing to learn from yet")


def test_new_corrections_ask_for_a_training_and_the_last_one_is_told_again(workspace):
    offering, looks = Offering(workspace), looking.Looking(workspace)
    assert offering.nudge("boxes", looks.last("boxes")) == ""
    training.submit(workspace, "boxes", "tiny-paligemma", ["preset=standard", "rank=4"])
    last = looks.last("boxes")
    assert offering.nudge("boxes", last) == ""
    sample = next(iter(workspace.store.datasets.samples(workspace.store.datasets.find("boxes").id, split="train")))
    workspace.store.corrections.save(sample.id, task="detect", query="red", truth=(), author="me", parent=None, key="k",
                                     note="looked")
    assert offering.nudge("boxes", last) == "1 new correction since the last run: train?"
    again = offering.again(Chosen(dataset="boxes"), last)
    assert (again.model, again.choice) == ("tiny-paligemma", Choice("standard", {"rank": "4"}))
    with pytest.raises(ValueError, match="no run on this data yet"):
        offering.again(again, None)


def test_a_spec_of_another_machine_is_loaded_as_far_as_it_goes(workspace):
    now, said = Offering(workspace).loaded(json.dumps({"rank": 4, "model": "theirs", "dataset": "theirs"}),
                                           Chosen(dataset="boxes", model="tiny-paligemma"))
    assert now.choice.changed["rank"] == "4" and (now.dataset, now.model) == ("boxes", "tiny-paligemma")
    assert "no dataset 'theirs' here" in said and "the model 'theirs' is not here" in said


def test_the_base_and_the_tuned_model_of_a_run_are_named_for_compare(workspace):
    offering = Offering(workspace)
    job = training.submit(workspace, "boxes", "tiny-paligemma")
    with pytest.raises(ValueError, match="there is no model 'tuned-"):
        offering.pair(job.id)
    shutil.copytree(workspace.catalogue.shipped / "tiny-paligemma-sketch", workspace.jobs.folder(job.id) / "adapter")
    assert offering.pair(job.id) == ["tiny-paligemma", f"tuned-{job.id}"]
    further = training.submit(workspace, "boxes", f"tuned-{job.id}")
    shutil.copytree(workspace.jobs.folder(job.id) / "adapter", workspace.jobs.folder(further.id) / "adapter")
    assert offering.pair(further.id) == [f"tuned-{job.id}", f"tuned-{further.id}"]
