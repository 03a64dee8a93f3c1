"""Imports and exports: reported row by row, repeated without doubles, killed and gone on with, whole or not there."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from app import formats
from app.exporting import export
from app.formats import Unclear, Unreadable
from app.importing import Import, import_into
from app.store import Store
from app.types import Annotation
from app.workspace import Workspace
from tests import drawn_samples as drawn
from tests.test_formats_bad import four, voc

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def store(tmp_path):
    with_home = Store(tmp_path / "home")
    yield with_home
    with_home.close()


def take(store: Store, folder: Path, path: Path, format: str, dataset: str = "set", **more) -> dict:
    return import_into(store, Import(str(path), format, dataset, **more), folder).to_json()


def three_bad(folder: Path) -> Path:
    """Seven good VOC files and three bad ones, as a zip."""
    for number in range(10):
        drawn.picture(folder / "set" / "images", f"p{number}.png", seed=number)
        voc(folder / "set" / "annotations", f"p{number}", four(1, 2, 30, 40))
    (folder / "set" / "annotations" / "p3.xml").write_text("<annotation><half")
    (folder / "set" / "images" / "p5.png").unlink()
    (folder / "set" / "images" / "p7.png").write_bytes((folder / "set" / "images" / "p8.png").read_bytes()[:60])
    with zipfile.ZipFile(folder / "set.zip", "w") as packed:
        for path in sorted((folder / "set").rglob("*.*")):
            packed.write(path, path.relative_to(folder))
    return folder / "set.zip"


def test_a_zip_with_three_bad_rows_is_reported_row_by_row_and_the_good_ones_are_kept(store, tmp_path):
    report = take(store, tmp_path / "run", three_bad(tmp_path), "voc")
    assert (report["samples"], report["kept"], report["refused_rows"]) == (10, 7, 3)
    why = {each["row"]: each["why"] for each in report["refused"]}
    assert "no readable XML" in why["set/annotations/p3.xml"] and "no such picture" in why["set/annotations/p5.xml"]
    assert "damaged" in why["set/annotations/p7.xml"]
    assert report["classes"] == {"cat": 7} and report["tasks"] == {"detect": 7}
    assert report["sizes"] == {"under 0.1 MP": 7}
    samples = list(store.datasets.samples(store.datasets.find("set").id))
    assert len(samples) == 7 and all(Path(s.images[0].path).is_relative_to(tmp_path / "home") for s in samples)
    assert not (tmp_path / "run" / "scratch").exists()


def test_the_same_again_changes_nothing(store, tmp_path):
    path = three_bad(tmp_path)
    take(store, tmp_path / "1", path, "voc")
    report = take(store, tmp_path / "2", path, "voc")
    assert (report["kept"], report["already"], store.datasets.find("set").samples) == (7, 7, 7)
    report = take(store, tmp_path / "2", path, "voc")  # the same folder: it was done already
    assert (report["kept"], report["already"]) == (7, 7) and store.datasets.find("set").samples == 7


def test_splits_come_from_the_format_or_from_the_person_and_conflicts_are_told(store, tmp_path):
    for share in ("train", "val"):
        drawn.picture(tmp_path / "in", f"{share}/a.png", (300, 200), seed=len(share))
    report = take(store, tmp_path / "1", tmp_path / "in", "pictures")
    assert report["splits"] == {"train": 1, "val": 1} and not report["split_conflicts"]
    report = take(store, tmp_path / "2", tmp_path / "in", "pictures", dataset="other", split="train")
    conflict, = report["split_conflicts"]
    assert (conflict["name"], conflict["said"], conflict["split"]) == ("val/a.png", "train", "val")


def test_what_only_a_person_can_decide_is_asked_before_anything_is_kept(store, tmp_path):
    for number, box in enumerate(((30, 20, 10, 8), (40, 10, 20, 30))):
        drawn.picture(tmp_path / "in", f"{number}.png")
        voc(tmp_path / "in", str(number), four(*box))
    with pytest.raises(Unclear, match="--boxes xywh or --boxes xyxy"):
        take(store, tmp_path / "1", tmp_path / "in", "voc")
    assert store.datasets.all() == []
    assert take(store, tmp_path / "2", tmp_path / "in", "voc", boxes="xywh")["kept"] == 2


def test_nothing_to_read_makes_no_dataset(store, tmp_path):
    (tmp_path / "in").mkdir()
    for format in ("voc", "coco", "pictures", "yolo", "jsonl", "datasets"):
        with pytest.raises(Unreadable):
            take(store, tmp_path / format, tmp_path / "in", format)
    assert store.datasets.all() == []


def test_a_part_by_class_and_count(store, tmp_path):
    told = [{"image_path": f"{i}.png", "object": {("cat", "dog", "cow")[i % 3]: [[1, 2, 3, 4]], "bus": [[5, 6, 7, 8]]}}
            for i in range(12)]
    for number in range(12):
        drawn.picture(tmp_path / "in", f"{number}.png", seed=number)
    (tmp_path / "in" / "x.json").write_text(json.dumps(told))
    report = take(store, tmp_path / "1", tmp_path / "in" / "x.json", "per-class", classes=("cat", "dog"), count=5)
    assert report["kept"] == 5 and report["classes"] == {"cat": 3, "dog": 2}
    samples = list(store.datasets.samples(store.datasets.find("set").id))
    assert {s.query for s in samples} == {"cat; dog"} and all(len(s.truth) == 1 for s in samples)


def rows_file(folder: Path, count: int, pictures: int) -> Path:
    """`count` rows of captions with boxes, over so many pictures."""
    for number in range(pictures):
        drawn.picture(folder, f"p{number}.png", (24 + number % 9, 20 + number // 9 % 11), seed=number)
    with (folder / "rows.jsonl").open("w") as file:
        for number in range(count):
            said = f"thing {number}"
            file.write(json.dumps({"file_name": f"p{number % pictures}.png", "caption": said, "task": "ground",
                                   "truth": [{"label": said, "box": [1, 2, 9 + number % 7, 12]}]}) + "\n")
    return folder / "rows.jsonl"


def worker(run: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "app.importing", str(run)], cwd=ROOT, stderr=subprocess.PIPE)


def killed_and_resumed(tmp_path: Path, count: int, pictures: int) -> tuple[dict, int]:
    """(report, peak memory in bytes) of an import that got SIGKILL at 40% and then was started again."""
    run = tmp_path / "home" / "runs" / "one"
    run.mkdir(parents=True)
    (tmp_path / "in").mkdir()
    (run / "spec.json").write_text(json.dumps({"path": str(rows_file(tmp_path / "in", count, pictures)),
                                               "format": "captions", "dataset": "many"}))
    first, seen = worker(run), 0
    while seen < 0.4 * count:
        assert first.poll() is None, first.stderr.read()
        try:
            seen = json.loads((run / "state.json").read_text()).get("done") or 0
        except FileNotFoundError:
            time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    _, _, used = os.wait4(first.pid, 0)
    first.returncode = -9
    assert seen < count, "it was quicker than the kill; give it more rows"
    second = worker(run)
    second.stderr.close()
    _, status, again = os.wait4(second.pid, 0)
    second.returncode = os.waitstatus_to_exitcode(status)
    assert second.returncode == 0, json.loads((run / "state.json").read_text())
    peak = max(used.ru_maxrss, again.ru_maxrss) * (1 if sys.platform == "darwin" else 1024)
    return json.loads((run / "result.json").read_text()), peak


def none_doubled(tmp_path: Path, report: dict, count: int) -> None:
    assert (report["samples"], report["kept"], report["refused_rows"]) == (count, count, 0)
    store = Store(tmp_path / "home")
    try:
        queries = Counter(sample.query for sample in store.datasets.samples(store.datasets.find("many").id))
    finally:
        store.close()
    assert len(queries) == count and set(queries.values()) == {1}


def test_an_import_that_was_killed_goes_on_without_a_double(tmp_path):
    report, _ = killed_and_resumed(tmp_path, 3_000, 20)
    none_doubled(tmp_path, report, 3_000)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_100000_rows_killed_at_40_percent_need_less_than_a_gigabyte_and_double_nothing(tmp_path):
    report, peak = killed_and_resumed(tmp_path, 100_000, 1_000)
    none_doubled(tmp_path, report, 100_000)
    assert peak < 1e9, f"{peak / 1e6:.0f} MB"


def test_a_run_that_is_told_to_stop_keeps_what_it_has_and_goes_on_later(store, tmp_path):
    (tmp_path / "in").mkdir()
    wanted = Import(str(rows_file(tmp_path / "in", 450, 5)), "captions", "many")
    asked = iter((False, False, True))
    report = import_into(store, wanted, tmp_path / "run", cancelled=lambda: next(asked))
    assert report.kept == store.datasets.find("many").samples == 200
    seen = []
    report = import_into(store, wanted, tmp_path / "run", progress=lambda *told: seen.append(told))
    assert report.kept == store.datasets.find("many").samples == 450 and report.already == 0
    assert seen == [(300, 450, "300 rows read"), (400, 450, "400 rows read"), (450, 450, "450 rows read")]


def test_a_file_that_was_changed_since_is_read_from_its_beginning(store, tmp_path):
    (tmp_path / "in").mkdir()
    path = rows_file(tmp_path / "in", 150, 5)
    take(store, tmp_path / "run", path, "captions")
    with path.open("a") as file:
        file.write('{"file_name": "p1.png", "caption": "one more", "task": "ground", "truth": []}\n')
    report = take(store, tmp_path / "run", path, "captions")
    assert (report["kept"], report["already"]) == (151, 150)


def test_the_job_says_in_a_sentence_why_it_cannot_begin(tmp_path):
    for spec, why in (({"path": "/nowhere", "format": "coco", "dataset": "x"}, "there is no /nowhere"),
                      ({"path": "/nowhere"}, "needs path, format and dataset"),
                      ({"path": "/", "format": "kitti", "dataset": "x"}, "no format 'kitti'")):
        run = tmp_path / "home" / "runs" / why[:5]
        run.mkdir(parents=True)
        (run / "spec.json").write_text(json.dumps(spec))
        done = subprocess.run([sys.executable, "-m", "app.importing", str(run)], cwd=ROOT, capture_output=True)
        state = json.loads((run / "state.json").read_text())
        assert done.returncode == 1 and state["status"] == "failed" and why in state["problem"]


def test_an_import_is_a_job_of_the_workspace(tmp_path):
    workspace = Workspace(tmp_path / "home")
    job = workspace.jobs.submit("import", asdict(Import(str(three_bad(tmp_path)), "voc", "cats")))
    assert workspace.jobs.wait(job.id, 60).status == "done", workspace.jobs.log(job.id)
    result = json.loads((tmp_path / "home" / "runs" / job.id / "result.json").read_text())
    assert (result["kept"], result["refused_rows"], workspace.store.datasets.find("cats").samples) == (7, 3, 7)
    workspace.jobs.close()
    workspace.store.close()


def kept(store: Store, folder: Path) -> str:
    """A dataset with samples of every task; its id."""
    dataset = store.datasets.open("mixed")
    samples = [*drawn.detect(folder), *drawn.ground(folder), *drawn.figures(folder), *drawn.asked(folder)]
    store.datasets.add(dataset.id, samples)
    return dataset.id


@pytest.mark.parametrize("format", ["coco", "yolo", "voc", "jsonl", "captions", "trl", "refcoco"])
def test_what_was_exported_can_be_imported_again(format, store, tmp_path):
    kept(store, tmp_path / "drawn")
    told = export(store, "mixed", format, tmp_path / "out")
    assert told["samples"] == 8 and (format == "captions") == (told["lost"] == [])
    other = Store(tmp_path / "other")
    report = take(other, tmp_path / "run", tmp_path / "out", format)
    assert report["kept"] >= 3 and not report["refused"]
    other.close()


def test_an_export_is_whole_or_not_there_and_overwrites_nothing(store, tmp_path, monkeypatch):
    kept(store, tmp_path / "drawn")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is there already; name a folder that is new or empty"):
        export(store, "mixed", "coco", tmp_path / "full")
    with pytest.raises(ValueError, match="no dataset 'none'"):
        export(store, "none", "coco", tmp_path / "new")
    with pytest.raises(ValueError, match="no format 'kitti' to export"):
        export(store, "mixed", "kitti", tmp_path / "new")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr("shutil.copyfile", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
        export(store, "mixed", "coco", tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn", "full", "home"]


def test_an_export_can_be_a_zip_or_a_single_file_with_its_pictures_beside_it(store, tmp_path):
    kept(store, tmp_path / "drawn")
    export(store, "mixed", "yolo", tmp_path / "out.zip")
    report = take(store, tmp_path / "run", tmp_path / "out.zip", "yolo", dataset="again")
    assert report["kept"] >= 3 and not report["refused"]
    export(store, "mixed", "coco", tmp_path / "one" / "gt.json")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["gt.json", "images"]
    assert len(json.loads((tmp_path / "one" / "gt.json").read_text())["images"]) == 4


def test_an_export_can_ask_more_of_the_same_boxes(store, tmp_path):
    kept(store, tmp_path / "drawn")
    told = export(store, "mixed", "instructions", tmp_path / "out", augment=("count", "enclosed", "empty"))
    rows = json.loads((tmp_path / "out" / "data.json").read_text())
    regions = [row for row in rows if "Look at the region" in row["messages"][0]["content"]]
    counts = [row["messages"][1]["content"] for row in rows if "Count the objects" in row["messages"][0]["content"]]
    assert regions and told["samples"] == 8 + 3 + len(regions)
    assert any(said.startswith("cat:2\n") for said in counts) and len(counts) == 3
    with pytest.raises(ValueError, match="no augmentation 'flip'"):
        export(store, "mixed", "jsonl", tmp_path / "more", augment=("flip",))


def test_a_correction_is_what_is_exported(store, tmp_path):
    image = drawn.picture(tmp_path, "a.png")
    dataset = store.datasets.open("one")
    added = store.datasets.add(dataset.id, [drawn.sample(image, "detect", "cat", [Annotation("cat", (1, 2, 3, 4))])])
    before = store.datasets.snapshot(dataset.id)
    store.corrections.save(added.ids[0], parent=None, author="ann", key="k", truth=[Annotation("cat", (5, 6, 30, 40))])
    for snapshot, box in ((None, (5, 6, 30, 40)), (before.id, (1, 2, 3, 4))):
        out = tmp_path / f"out-{snapshot}"
        export(store, "one", "voc", out, snapshot=snapshot)
        sample, = formats.find("voc").read(out)
        assert sample.truth[0].box == box


def command(home: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "app", *words, "--home", str(home)], cwd=ROOT, capture_output=True,
                          text=True)


def test_the_commands_import_and_export(tmp_path):
    home, path = tmp_path / "home", three_bad(tmp_path)
    done = command(home, "import", str(path), "--format", "voc", "--dataset", "cats", "--split", "val", "--json")
    assert done.returncode == 0 and not done.stderr, done.stderr
    report = json.loads(done.stdout)
    assert (report["samples"], report["kept"], report["split_conflicts"]) == (10, 7, [])
    assert {"row", "why"} == set(report["refused"][0]) and len(report["refused"]) == 3 and report["repaired"] == []
    assert not any((home / "scratch").iterdir())
    done = command(home, "export", "--dataset", "cats", "--format", "yolo", "--out", str(tmp_path / "out"))
    assert done.returncode == 0 and "7 samples of cats as yolo" in done.stdout, done.stderr
    assert len(list((tmp_path / "out" / "labels" / "val").glob("*.txt"))) == 7
    again = command(home, "export", "--dataset", "cats", "--format", "yolo", "--out", str(tmp_path / "out"))
    assert again.returncode == 1 and again.stderr.count("\n") == 1 and "there already" in again.stderr
    bad = command(home, "import", str(tmp_path / "nowhere"), "--format", "voc", "--dataset", "x")
    assert bad.returncode == 1 and bad.stderr == f"there is no {tmp_path / 'nowhere'}\n"
    for words in (("--format", "voc"), ("--format", "kitti", "--dataset", "x"), ("--format", "voc", "--dataset", "x",
                                                                                 "--split", "test")):
        assert command(home, "import", str(path), *words).returncode == 2
