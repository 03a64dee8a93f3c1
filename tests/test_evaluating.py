"""An evaluation is a job: real processes, a real store, tiny real models; killed, resumed, and asked again."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app import evaluating, pictures
from app.evaluate import measured
from app.types import Annotation, Generation, Sample
from app.workspace import Workspace
from trainer.demo.scenes import scene

ROOT = Path(__file__).resolve().parent.parent
MODELS = ["tiny-paligemma", "tiny-qwen3-vl"]
SHORT = Generation(max_tokens=40)
# `python -c DYING RUN_DIR N`: an evaluation that is killed when N answers are on the disk, however quick the machine.
DYING = """
import os, runpy, signal, sys
from app.store.answers import Answers
left, keep = int(sys.argv.pop()), Answers.keep
def last(*told):
    global left
    keep(*told)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
Answers.keep = last
runpy.run_module("app.evaluating", run_name="__main__", alter_sys=True)
"""


def street(home: Path, count: int) -> Workspace:
    """A workspace with a dataset `street` of drawn scenes, the last one without a truth."""
    workspace = Workspace(home)
    samples = []
    for n in range(count):
        path = home / f"{n}.png"
        drawn = scene(77, n, held_out=False)
        drawn.picture.resize((160, 120)).save(path)
        truth = (Annotation("star", (10.0, 10.0, 60.0, 60.0)),) if n % 3 else ()
        samples.append(Sample(f"s{n}", (pictures.read(path),), "detect", "star; circle", truth))
    samples.append(replace(samples[0], id="unseen", query="square", truth=None))
    workspace.store.datasets.add(workspace.store.datasets.create("street").id, samples, split="val")
    return workspace


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A finished evaluation of both shipped models on five scenes."""
    workspace = street(tmp_path_factory.mktemp("street"), 5)
    job = evaluating.submit(workspace, "street", "val", MODELS, generation=SHORT)
    job = workspace.jobs.wait(job.id, 240)
    assert job.status == "done", (job.problem, workspace.jobs.log(job.id))
    yield workspace, job
    workspace.store.close()


def test_an_evaluation_measures_each_model_and_says_how(evaluated):
    workspace, job = evaluated
    result = workspace.jobs.result(job.id)
    for model in MODELS:
        told = result["models"][model]
        assert told["samples"] == 5 and told["asked"] == 5 and told["reused"] == 0, "the unseen sample is no test"
        assert {"precision", "recall", "f1", "miou", "AP", "no_target", "unreadable", "seconds"} <= set(told["metrics"])
        assert len(told["intervals"]["score"]) == 2
    protocol = result["protocol"]
    assert protocol["samples"] == 5 and protocol["split"] == "val" and len(protocol["snapshot_digest"]) == 64
    for model in MODELS:
        assert protocol["models"][model]["prompt"] and protocol["models"][model]["revision"]
        assert protocol["models"][model]["score_source"] in (["tokens"], ["none"], ["none", "tokens"], [])
    assert {each["metric"] for each in result["differences"]} >= {"score", "unreadable"}


def test_what_the_page_shows_is_computed_from_the_same_answers(evaluated):
    workspace, job = evaluated
    result = workspace.jobs.result(job.id)
    for model, pairs in evaluating.answered(workspace, workspace.jobs.spec(job.id), result).items():
        told = {name: None if value == -1 else value for name, value in result["models"][model]["metrics"].items()}
        assert measured(pairs).values == pytest.approx(told)


def test_the_same_again_asks_nothing_and_comes_to_the_same(evaluated):
    workspace, first = evaluated
    again = workspace.jobs.wait(evaluating.submit(workspace, "street", "val", MODELS, generation=SHORT).id, 120)
    results = [workspace.jobs.result(job.id) for job in (first, again)]
    for model in MODELS:
        assert results[1]["models"][model]["asked"] == 0 and results[1]["models"][model]["reused"] == 5
        assert results[1]["models"][model]["metrics"] == results[0]["models"][model]["metrics"]


def test_after_a_correction_nothing_is_asked_and_the_numbers_change(evaluated):
    workspace, first = evaluated
    dataset = workspace.store.datasets.find("street")
    one = next(iter(workspace.store.datasets.samples(dataset.id)))
    before = workspace.jobs.result(first.id)["models"][MODELS[0]]["metrics"]
    history = workspace.store.corrections.history(one.id)
    workspace.store.corrections.save(one.id, parent=history[-1].id if history else None, task=one.task,
                                     query=one.query, truth=(Annotation("star", (1.0, 1.0, 5.0, 5.0)),),
                                     author="a person", client="test", key="k1")
    job = workspace.jobs.wait(evaluating.submit(workspace, "street", "val", MODELS[:1], generation=SHORT).id, 120)
    told = workspace.jobs.result(job.id)["models"][MODELS[0]]
    assert told["asked"] == 0 and told["metrics"]["score"] != before["score"]


def test_only_the_question_that_changed_is_asked(evaluated):
    workspace, job = evaluated
    spec = workspace.catalogue.find(MODELS[0])
    samples = evaluating.measured_samples(workspace, workspace.jobs.spec(job.id))
    keys = evaluating.keys_of(spec, samples, SHORT)
    assert len(set(keys)) == 5
    assert evaluating.keys_of(spec, [replace(samples[0], truth=())], SHORT) == keys[:1], "the truth is no part of it"
    assert evaluating.keys_of(spec, [replace(samples[0], query="ring")], SHORT) != keys[:1]
    assert evaluating.keys_of(spec, samples[:1], Generation()) != keys[:1]
    assert evaluating.keys_of(workspace.catalogue.find(MODELS[1]), samples[:1], SHORT) != keys[:1]
    assert evaluating.keys_of(replace(spec, id="another name"), samples[:1], SHORT) == keys[:1]


def test_what_cannot_be_evaluated_is_one_sentence(evaluated):
    workspace, _ = evaluated
    for dataset, split, models, sentence in (
            ("street", None, ["nobody"], "there is no model 'nobody'"), ("nowhere", None, MODELS, "no dataset 'now"),
            ("street", "train", MODELS, "measure by in the split 'train'"), ("street", None, [], "at least")):
        with pytest.raises(ValueError, match=sentence):
            evaluating.submit(workspace, dataset, split, models)


def test_a_model_that_cannot_answer_is_a_miss_with_its_reason(evaluated):
    workspace, _ = evaluated
    detector = "google/owlv2-base-patch16-ensemble"  # its weights are not here, and there is no Hub
    job = workspace.jobs.wait(evaluating.submit(workspace, "street", "val", [detector, MODELS[0]],
                                                generation=SHORT).id, 240)
    told = workspace.jobs.result(job.id)["models"]
    assert told[detector]["metrics"]["failed"] == 1 and told[detector]["problem"]
    assert told[detector]["metrics"]["score"] == 0 and told[MODELS[0]]["metrics"]["failed"] == 0


def killed_at(home: Path, count: int, share: float) -> dict:
    """Kill -9 the evaluation at that share of its answers, start it again, and give the result."""
    workspace = street(home, count)
    job = evaluating.submit(workspace, "street", "val", MODELS[:1], generation=SHORT)
    folder = home / "runs" / job.id
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    spec = workspace.catalogue.find(MODELS[0])
    keys = evaluating.keys_of(spec, evaluating.measured_samples(workspace, workspace.jobs.spec(job.id)), SHORT)
    kept = round(share * count)
    killed = subprocess.run([sys.executable, "-c", DYING, folder, str(kept)], cwd=ROOT, env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert len(workspace.store.answers.known(keys)) == kept
    subprocess.run([sys.executable, "-m", "app.evaluating", folder], cwd=ROOT, env=environment, check=True)
    result = workspace.jobs.result(job.id)
    assert result["models"][MODELS[0]]["asked"] == count - kept, "what was kept before the kill is not asked again"
    workspace.store.close()
    return result


def test_killed_at_forty_percent_it_goes_on_and_comes_to_the_same_numbers(evaluated, tmp_path):
    workspace, whole = evaluated
    same_numbers(killed_at(tmp_path, 5, 0.4), workspace.jobs.result(whole.id))


@pytest.mark.slow
def test_a_longer_one_too(tmp_path):
    killed = killed_at(tmp_path / "killed", 60, 0.4)
    workspace = street(tmp_path / "whole", 60)
    whole = workspace.jobs.wait(evaluating.submit(workspace, "street", "val", MODELS[:1], generation=SHORT).id, 280)
    same_numbers(killed, workspace.jobs.result(whole.id))
    workspace.store.close()


def same_numbers(one: dict, other: dict) -> None:
    one, other = one["models"][MODELS[0]], other["models"][MODELS[0]]
    assert one["intervals"] == other["intervals"]
    timeless = [{name: value for name, value in told["metrics"].items() if name != "seconds"} for told in (one, other)]
    assert timeless[0] == timeless[1]


def test_answers_about_a_picture_that_is_deleted_go_with_it(evaluated):
    workspace, job = evaluated
    sample = evaluating.measured_samples(workspace, workspace.jobs.spec(job.id))[0]
    [key] = evaluating.keys_of(workspace.catalogue.find(MODELS[0]), [sample], SHORT)
    assert workspace.store.answers.known([key]) == {key}
    workspace.store.purge(sample.images[0].sha256, author="operator")
    assert workspace.store.answers.known([key]) == set()
