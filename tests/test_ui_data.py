"""What the Data tab says, without a browser: reports, menus, and where uploads go."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app import pictures
from app.types import Annotation, Job, Sample
from app.ui.data import forms, parts, reports, sources
from app.workspace import Workspace

JOB = Job("1", "import", "failed", "cpu", "", 0, 1000.0, problem="the file is no JSON")


def test_a_report_says_what_was_kept_repaired_refused_and_why():
    told = {"samples": 9, "kept": 6, "already": 1, "refused_rows": 900, "repaired_rows": 1, "classes": {"cat": 6},
            "refused": [{"row": f"line {n}", "why": "x" * 999} for n in range(900)],
            "repaired": [{"row": "line 8", "how": "cut at the edge"}], "splits": {"drawn": 6},
            "split_conflicts": [{"picture": "a.png", "said": "train", "is": "val"}], "sizes": {}}
    report = reports.imported({"dataset": "street"}, told)
    assert report["title"] == "Imported into street"
    assert report["facts"][0] == "9 samples read, 6 kept, 900 refused, 1 repaired."
    assert "Classes: cat 6." in report["facts"] and "Splits: drawn by lot" in " ".join(report["facts"])
    refused, repaired, conflicts = report["tables"]
    assert refused["title"] == "Refused (900)" and len(refused["rows"]) == reports.SHOWN
    assert len(refused["rows"][0][1]) == reports.LONGEST + 1 and "700 more" in refused["more"]
    assert repaired["rows"] == [["line 8", "cut at the edge"]] and conflicts["rows"] == [["a.png", "train", "val"]]


def test_a_report_of_nothing_bad_has_no_tables():
    assert reports.imported({}, {"samples": 1, "kept": 1})["tables"] == []
    report = reports.exported({"format": "yolo"}, {"dataset": "street", "samples": 3, "lost": ["2 scores of objects"]})
    assert report["title"] == "street as YOLO" and report["tables"][0]["rows"] == [["2 scores of objects"]]
    assert reports.failed("Import", JOB)["facts"] == ["the file is no JSON"]


def test_a_sample_is_told_in_a_few_words(photo):
    sample = Sample("1", (pictures.read(photo),), "detect", "cat")
    assert parts.about(sample) == "nobody has looked" and parts.about(replace(sample, truth=())) == "nothing is there"
    cats = (Annotation("cat", (1, 2, 3, 4)), Annotation("cat"), Annotation("dog\ud800"))
    assert parts.about(replace(sample, truth=cats)) == "2 × cat, dog?"
    assert parts.about(replace(sample, task="ask", query="How many?", answer="two")) == "How many? — two"
    cell = parts._cell(replace(sample, truth=cats))
    assert cell.boxes[0]["box"] == [1, 2, 3, 4] and len(cell.boxes) == 1 and (cell.width, cell.height) == (64, 48)
    gone = replace(sample, images=(replace(sample.images[0], path="/nowhere.png", sha256="0" * 64),))
    assert parts._cell(gone).thumb is None


def test_menus_count_what_they_offer():
    assert forms.named((("val", 1200), ("train", 3)), "split") == [("held out (1,200)", "val"),
                                                                   ("to train on (3)", "train")]
    assert forms.named((("ground", 2),), "task")[0][1] == "ground"
    assert forms.named((("", 2),), "source") == [("unnamed (2)", "")]


def test_uploads_move_out_of_the_cache_and_a_list_is_found_among_its_pictures(tmp_path):
    workspace = Workspace(tmp_path / "home")
    cache = tmp_path / "cache"
    cache.mkdir()
    files = [cache / name for name in ("a.png", "b.jpg", "list.json")]
    for file in files:
        file.write_bytes(b"x")
    told = Path(sources.source(workspace, [str(file) for file in files], ""))
    assert told.name == "list.json" and {one.name for one in told.parent.iterdir()} == {"a.png", "b.jpg", "list.json"}
    assert told.is_relative_to(tmp_path / "home" / "uploads")
    assert Path(sources.source(workspace, [str(file) for file in files[:2]], "")).is_dir()
    assert sources.source(workspace, None, " /data/x.zip ") == "/data/x.zip"
    for uploaded, path in (([], ""), ([str(files[0])], "/data")):
        with pytest.raises(ValueError, match="path"):
            sources.source(workspace, uploaded, path)
    workspace.store.close()


def test_an_upload_is_deleted_when_its_import_is_done_and_not_before(tmp_path):
    workspace = Workspace(tmp_path / "home")
    upload = tmp_path / "list.json"
    upload.write_text("[]")
    jobs, ids = workspace.jobs, []
    for status in ("done", "failed"):
        path = sources.source(workspace, [str(upload)], "")
        job = jobs.submit("import", {"path": path, "format": "coco", "dataset": "x"})
        jobs._rows.change(job.id, ["queued"], status=status)
        ids.append(Path(path))
    elsewhere = jobs.submit("import", {"path": str(upload), "format": "coco", "dataset": "x"})
    jobs._rows.change(elsewhere.id, ["queued"], status="done")
    sources.sweep(workspace)
    assert [path.exists() for path in ids] == [False, True] and upload.exists()
    workspace.store.close()
