"""What the chip and the cards of jobs say, without a browser."""
from __future__ import annotations

from dataclasses import replace

import pytest

from app.jobs.queue import Jobs
from app.store import Store
from app.types import Job, Progress
from app.ui.jobs import cards

JOB = Job("1", "train", "running", "cuda:0", "", 0, 1000.0, 1000.0, progress=Progress(340, 1000, "step 340", 720.0))


@pytest.mark.parametrize("jobs, expected", [
    ([], "CPU"),
    ([JOB], "CPU · training 34%, 12 min"),
    ([JOB, replace(JOB, kind="import", progress=Progress(5, None, "", None))],
     "CPU · training 34%, 12 min · importing"),
    ([JOB, JOB, JOB, replace(JOB, status="queued")], "CPU · training 34%, 12 min · training 34%, 12 min · 1 more · "
                                                     "1 waiting"),
    ([replace(JOB, status="queued", progress=None)], "CPU · 1 waiting"),
])
def test_the_chip_says_what_runs(jobs, expected):
    assert cards.chip("CPU", jobs)["text"] == expected


@pytest.mark.parametrize("seconds, said", [(0.2, "1 s"), (59, "59 s"), (61, "1 min"), (3599, "60 min"),
                                           (5400, "1 h 30 min"), (10_800, "3 h"), (86400 * 3, "3.0 days")])
def test_a_duration_is_read_at_a_glance(seconds, said):
    assert cards.duration(seconds) == said


@pytest.mark.parametrize("job, status, acts", [
    (JOB, "running · 34%, 12 min", ["stop"]),
    (replace(JOB, stopping=1.0), "ending…", []),
    (replace(JOB, status="queued"), "waiting for its turn", ["stop"]),
    (replace(JOB, status="failed", ended=1060.0), "failed · ", ["play", "retry"]),
    (replace(JOB, status="done", ended=1060.0), "took 1 min", []),
])
def test_a_card_says_how_it_stands_and_what_can_be_done(job, status, acts):
    assert status in cards.status(job) and cards.acts(job) == acts


@pytest.mark.parametrize("kind, spec, expected", [
    ("import", {"path": "/data/voc.zip", "dataset": "street"}, "Import of voc.zip into street"),
    ("export", {"format": "yolo", "dataset": "street"}, "Export of street as yolo"),
    ("evaluate", {"dataset": "0f3a", "name": "street"}, "Measurement on street"), ("evaluate", {}, "Measurement"),
    ("train", {"model": "tiny-paligemma", "dataset": "street"}, "Training of tiny-paligemma on street"),
    ("train", {"model": "tiny-paligemma"}, "Training of tiny-paligemma"), ("train", {}, "Training"),
    ("merge", {"job": "260102-1"}, "Merging tuned-260102-1"), ("merge", {}, "Merging"),
    ("push", {"job": "260102-1", "repo": "you/cells"}, "Publishing tuned-260102-1 as you/cells"),
])
def test_a_title_says_what_a_job_was_told(tmp_path, kind, spec, expected):
    store = Store(tmp_path)
    jobs = Jobs(tmp_path / "runs", store.jobs)
    assert cards.title(jobs, jobs.submit(kind, spec)) == expected
    store.close()


def test_who_may_not_act_sees_nothing_inside_a_job(tmp_path):
    store = Store(tmp_path)
    jobs = Jobs(tmp_path / "runs", store.jobs)
    job = jobs.submit("import", {"path": "/home/ada/secret.zip", "format": "voc", "dataset": "x" * 999 + "\ud800"})
    (jobs.runs / job.id / "log.txt").write_text("token=abc\n")
    mine = cards.cards(jobs, jobs.all(), job.id, True)["cards"][0]
    theirs = cards.cards(jobs, jobs.all(), job.id, False)["cards"][0]
    assert mine["title"].startswith("Import of secret.zip into xxx") and len(mine["title"]) < 400
    assert mine["log"] == ["token=abc"] and mine["acts"] == ["stop"]
    assert (theirs["title"], theirs["log"], theirs["acts"], theirs["note"]) == ("Importing", [], [], "")
    mine["title"].encode("utf-8")
    store.close()
