"""An export as a job: a zip in the run folder, and nothing of it where it was cancelled."""
from __future__ import annotations

import zipfile
from dataclasses import replace

import pytest

from app import exporting, pictures
from app.jobs.queue import Jobs
from app.store import Store
from app.types import Annotation, Sample


@pytest.fixture
def store(tmp_path, photos):
    store = Store(tmp_path / "home")
    samples = [Sample(f"s{n}", (replace(pictures.read(photos((40 + n, 30))), name=f"{n}.png"),), "detect", "cat",
                      (Annotation("cat", (1.0, 2.0, 30.0, 20.0)),)) for n in range(3)]
    store.datasets.add(store.datasets.create("street").id, samples, split="train")
    yield store
    store.close()


def test_an_export_is_a_job_whose_zip_lies_in_its_run_folder(store, tmp_path):
    jobs = Jobs(tmp_path / "home" / "runs", store.jobs)
    dataset, = store.datasets.all()
    job = jobs.wait(jobs.submit("export", {"dataset": dataset.id, "format": "yolo"}).id, 60)
    assert (job.status, job.problem) == ("done", ""), jobs.log(job.id)
    assert jobs.result(job.id)["samples"] == 3 and job.progress.done == 3
    with zipfile.ZipFile(jobs.folder(job.id) / exporting.PACKED) as packed:
        names = packed.namelist()
    assert "data.yaml" in names and sum(name.endswith(".txt") for name in names) == 3
    again = jobs.wait(jobs.submit("export", {"dataset": "nowhere", "format": "yolo"}).id, 60)
    assert again.status == "failed" and "there is no dataset 'nowhere'" in again.problem
    odd = jobs.wait(jobs.submit("export", {"dataset": dataset.id, "format": "yolo", "out": "/etc"}).id, 60)
    assert "an export needs dataset and format; this one has dataset, format, out" in odd.problem


def test_a_cancelled_export_leaves_no_zip(store, tmp_path):
    from app.jobs.run import Run, state
    folder = tmp_path / "home" / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text('{"dataset": "street", "format": "coco"}')
    with pytest.raises(SystemExit), Run(folder) as run:
        run.cancelled = True
        exporting.exporting(run)
    assert state(folder)["status"] == "cancelled"
    assert not [path for path in folder.iterdir() if "zip" in path.name or "unfinished" in path.name]
