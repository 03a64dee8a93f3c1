"""`python -m app jobs`: what scripts and people without a page see of the queue."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent


def run(home: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "app", "jobs", *words, "--home", str(home)], cwd=ROOT,
                          capture_output=True, text=True)


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path / "home")
    workspace.jobs._kinds = workspace.jobs._supervisor._kinds = {"import": "tests.workers"}
    yield workspace
    workspace.jobs.close()
    workspace.store.close()


def test_jobs_are_listed_shown_and_cancelled(workspace, tmp_path):
    home, jobs = tmp_path / "home", workspace.jobs
    assert json.loads(run(home, "--json").stdout) == []
    job = jobs.submit("import", {"steps": 1000, "rest": 0.05})
    while not jobs.find(job.id).progress:
        jobs.settle(start=True)
    listed, = json.loads(run(home, "--json").stdout)
    assert listed["id"] == job.id and listed["status"] == "running" and listed["progress"]["words"] == "counting"
    assert f"{job.id}  import   running" in run(home).stdout
    shown = json.loads(run(home, "show", job.id, "--json").stdout)
    assert shown["pid"] and shown["log"][-1].startswith("step ")
    cancelled = json.loads(run(home, "cancel", job.id, "--json").stdout)
    assert cancelled["status"] == "cancelled"
    again = run(home, "cancel", job.id)
    assert again.returncode == 1 and "cannot be cancelled: it is cancelled already" in again.stderr


def test_a_resumed_job_starts_without_a_page_and_outlives_the_command(workspace, tmp_path):
    """The command knows only the real kinds, so that it is one that cannot be started here; it says so."""
    home, jobs = tmp_path / "home", workspace.jobs
    job = jobs.submit("import", {"path": "/no/such/file"})
    jobs.cancel(job.id)
    resumed = json.loads(run(home, "resume", job.id, "--json").stdout)
    assert resumed["status"] in ("running", "failed") and resumed["started"]
    assert jobs.wait(job.id, 30).status == "failed"


def test_a_wrong_use_is_2_and_an_unknown_job_is_1(tmp_path):
    for words in (["show"], ["dance", "x"]):
        assert run(tmp_path, *words).returncode == 2
    unknown = run(tmp_path, "show", "nope")
    assert (unknown.returncode, unknown.stdout) == (1, "") and "there is no job 'nope' here" in unknown.stderr
