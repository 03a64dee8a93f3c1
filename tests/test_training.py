"""Training as a job of a workspace: what is told to the trainer, what is refused, and the model that comes out."""
from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import spec as specs
from app import training
from app.cli.common import commands
from app.types import Annotation
from app.workspace import Workspace
from tests import runs
from trainer import data

SMALL = ["max_steps=2", "batch=2", "evaluations=1", "max_tokens=4", "rank=4"]


@pytest.fixture
def workspace(tmp_path, checkpoint):
    """With a dataset `boxes`, and the tiny checkpoints as the shipped models."""
    checkpoint("paligemma"), checkpoint("grounding_dino")
    found = Workspace(tmp_path / "home", shipped=checkpoint("paligemma").parent)
    dataset = found.store.datasets.create("boxes").id
    for split, count, seed in (("train", 4, 0), ("val", 2, 1)):
        found.store.datasets.add(dataset, runs.drawn(tmp_path / "images", count, seed, split), split=split)
    yield found
    found.store.close()


def told(workspace, job) -> specs.TrainSpec:
    return specs.from_json(workspace.jobs.spec(job.id))


def test_a_job_is_told_the_model_and_a_version_of_the_data_that_later_corrections_do_not_change(workspace):
    job = training.submit(workspace, "boxes", "paligemma", ["rank=8"])
    spec = told(workspace, job)
    assert (spec.model, spec.family, spec.rank, spec.dataset, spec.revision) == ("paligemma", "paligemma", 8, "boxes",
                                                                               None)
    assert spec.minutes == specs.PRESETS["quick"].minutes
    learnt, held = data.samples(Path(spec.train)), data.samples(Path(spec.heldout))
    assert (len(learnt), len(held)) == (4, 2)
    sample = learnt[0]
    workspace.store.corrections.save(sample.id, task=sample.task, query=sample.query, truth=(), author="me",
                                     parent=workspace.store.corrections.history(sample.id)[-1].id
                                     if workspace.store.corrections.history(sample.id) else None, key="k")
    assert data.samples(Path(spec.train)) == learnt
    again = told(workspace, training.submit(workspace, "boxes", "paligemma", ["max_steps=3"]))
    assert again.minutes == 0 and again.snapshot != spec.snapshot
    assert data.samples(Path(again.train))[0].truth == ()


def test_the_tuned_model_is_in_the_catalogue_by_itself_and_can_be_tuned_further(workspace):
    job = workspace.jobs.wait(training.submit(workspace, "boxes", "paligemma", SMALL).id, 120)
    assert job.status == "done", workspace.jobs.log(job.id)
    model = training.tuned(workspace, job.id)
    assert model.id == f"tuned-{job.id}" and model.title == "paligemma, tuned on boxes"
    assert workspace.jobs.result(job.id)["samples"] == 4
    further = told(workspace, training.submit(workspace, "boxes", model.id, SMALL))
    assert further.model == "paligemma" and further.adapter == model.adapter
    whole = workspace.jobs.runs / "other" / "model"
    whole.parent.mkdir()
    whole.symlink_to(workspace.catalogue.shipped / "paligemma")
    assert workspace.catalogue.find("tuned-other").adapter is None


@pytest.mark.parametrize(("dataset", "model", "settings", "said"), [
    ("boxes", "paligemma", ["rank=0"], "rank is 0; it must be between 1 and 512"),
    ("boxes", "paligemma", ["ranks=8"], "there is no setting 'ranks'"),
    ("boxes", "grounding_dino", [], "grounding_dino cannot be trained here: Grounding DINO is a detector; choose one "
                                    "of: "),
    ("boxes", "nothing", [], "there is no model 'nothing'"),
    ("nothing", "paligemma", [], "there is no dataset 'nothing' here"),
])
def test_what_cannot_begin_is_refused_with_a_sentence(workspace, dataset, model, settings, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        training.submit(workspace, dataset, model, settings)
    assert not workspace.jobs.all()


def test_a_dataset_with_nothing_to_learn_from_is_refused(workspace, tmp_path):
    dataset = workspace.store.datasets.create("held").id
    [sample] = runs.drawn(tmp_path / "more", 1, 7)
    workspace.store.datasets.add(dataset, [replace(sample, truth=(Annotation("red", (1, 1, 9, 9)),))], split="val")
    with pytest.raises(ValueError, match="the dataset 'held' has no sample to learn from"):
        training.submit(workspace, "held", "paligemma")


def test_a_method_that_is_to_come_is_said_in_one_line(workspace):
    done = CliRunner().invoke(commands, ["train", "--home", str(workspace.home), "--dataset", "boxes", "--model",
                                         str(workspace.catalogue.shipped / "paligemma"), "--method", "grpo", "--json"])
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr == "the method grpo cannot be trained yet; sft can\n"


@pytest.mark.slow
def test_a_refused_run_fails_with_the_reason_of_its_preflight(workspace, tmp_path):
    """The command's own line says it; the details are in the run's preflight.json."""
    dataset = workspace.store.datasets.create("unseen").id
    workspace.store.datasets.add(dataset, [replace(one, truth=None) for one in runs.drawn(tmp_path / "u", 2, 9)],
                                 split="train")
    job = workspace.jobs.wait(training.submit(workspace, "unseen", "paligemma", SMALL).id, 120)
    assert job.status == "failed" and job.exit_code == 1
    assert job.problem.startswith("there is no sample with an answer to learn")
    report = json.loads((workspace.jobs.runs / job.id / "preflight.json").read_text())
    assert report["left_out"] == [0, 1]
