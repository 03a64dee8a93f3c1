"""The Fine-tune tab as a person uses it: check, start, watch it learn, stop, go on, read the receipt, delete."""
from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app import pictures, training
from app.types import Annotation, ModelSpec, Sample
from app.ui.train.offering import Offering
from tests import runs
from tests.test_datasets import unlike

ROOT = Path(__file__).parents[2]
SLOW = 30_000
VERY_SLOW = 400_000  # milliseconds: a real training of a tiny model on one busy core
HOSTILE = '<img src=x onerror="window.hacked=1">'
REPORT = {"ok": True, "refusals": [], "warnings": ["ask the tuned model with the same budget of 90,000 pixels"],
          "expected_minutes": 4.4, "memory": {"needed": 3e8, "free": 4e9}, "samples": 6, "heldout": 4,
          "examples": [{"picture": f"a {HOSTILE}.png", "prompt": "detect red", "answer": "<loc0001>"}]}


class Checked:
    """A check that has an answer at the second look, as `training.preflight` gives one."""

    def __init__(self, report: dict):
        self._looks = iter([None, None])
        self._report = report

    @property
    def report(self) -> dict | None:
        return next(self._looks, self._report)


@pytest.fixture
def cells(stage, tmp_path_factory, monkeypatch):
    """A dataset with a hostile label, an answer for the check, and no run of another test."""
    reports = {"now": REPORT}

    def preflight(workspace, dataset, model, settings, **named):
        training.prepared(workspace, dataset, model, settings)  # refuses as the real one does
        return Checked(reports["now"])

    monkeypatch.setattr(training, "preflight", preflight)
    for job in stage.jobs.all():
        if job.kind == "train":
            stage.jobs.delete(job.id)
    for other in stage.store.datasets.all():
        stage.store.datasets.remove(other.id)
    folder, datasets = tmp_path_factory.mktemp("cells"), stage.store.datasets
    dataset = datasets.create(f"cells {HOSTILE}").id
    truth = (Annotation("red", (10.0, 10.0, 40.0, 30.0)), Annotation(HOSTILE, (1.0, 1.0, 9.0, 9.0)))
    for split, numbers in (("train", range(6)), ("val", range(6, 10))):
        images = [replace(pictures.read(unlike(folder / f"{n}.png", n, (64, 48))), name=f"{n} {HOSTILE}.png")
                  for n in numbers]
        datasets.add(dataset, [Sample(image.name, (image,), "detect", "red", truth) for image in images], split=split)
    yield reports
    for job in stage.jobs.all():
        if job.kind == "train" and job.status in ("queued", "running"):
            stage.jobs.cancel(job.id)
            stage.jobs.wait(job.id, 10)
    stage.catalogue[:] = [spec for spec in stage.catalogue if not spec.id.startswith("tuned-")]


def opened(visit, width=1440, height=900):
    page = visit(width, height)
    page.get_by_role("tab", name="Fine-tune").click()
    expect(page.locator("#train-dataset input")).to_have_value(re.compile("cells"), timeout=SLOW)
    return page


def pressed(page, where: str, key: str = "Enter") -> None:
    """By the keyboard."""
    page.locator(where).first.focus()
    page.keyboard.press(key)


def setting(page, title: str, value: str) -> None:
    if not page.locator(".plan-groups").is_visible():
        pressed(page, ".plan-more summary")
    page.get_by_label(re.compile(f"^{title}")).fill(value)


def test_a_training_is_checked_started_watched_stopped_resumed_read_and_deleted(visit, stage, cells):
    page = opened(visit)
    expect(page.locator("#train-empty")).to_contain_text("Nothing was trained yet")
    expect(page.locator("#train-split")).to_contain_text("6 to learn from, 4 held out")
    expect(page.locator(".plan-card")).to_have_count(3)

    # What stands in the way is said before anything begins, with the way out; nothing is queued.
    cells["now"] = REPORT | {"ok": False, "refusals": ["checkpoints need about 3.0 GB; free some"]}
    page.click("#train-start")
    expect(page.locator(".check-refusals")).to_contain_text("Checkpoints need about 3.0 GB; free some", timeout=SLOW)
    assert not [job for job in stage.jobs.all() if job.kind == "train"]
    cells["now"] = REPORT
    page.click("#train-check")
    expect(page.locator(".check-head")).to_have_text("Nothing stands in the way", timeout=SLOW)
    expect(page.locator(".plan-card").first).to_contain_text("about 4 min · 0.3 GB")

    # Every setting, by its own name; what is typed outlives a change of everything else, and a reload.
    setting(page, "Seed", "7")
    pressed(page, ".plan-card input:checked", "ArrowDown")
    expect(page.get_by_label(re.compile("^Minutes"))).to_have_value("30")
    pressed(page, ".plan-card input:checked", "ArrowUp")
    expect(page.locator(".plan-count")).to_have_text("· 1 changed")
    setting(page, "Rank", "9999")
    expect(page.locator(".plan-field[title=rank]")).to_contain_text("between 1 and 512, please")
    page.click("#train-start")
    expect(page.locator("#train-said")).to_contain_text("Rank is 9999; it must be between 1 and 512", timeout=SLOW)
    expect(page.locator(".check")).to_be_hidden()
    setting(page, "Rank", "8")

    # It learns: the curve, the pictures, the log; it is found again after a reload. The keyboard is enough.
    pressed(page, "#train-start")
    expect(page.locator(".live-status")).to_contain_text("running", timeout=SLOW)
    job = next(job for job in stage.jobs.all() if job.kind == "train")
    assert stage.jobs.spec(job.id)["rank"] == 8 and stage.jobs.spec(job.id)["dataset"].startswith("cells")
    expect(page.locator(".live-facts")).to_contain_text("12.5", timeout=SLOW)
    expect(page.locator(".live-chart .live-line")).to_have_count(2)
    expect(page.locator("#train-learning .pairs-pane")).to_have_count(6)
    expect(page.locator("#train-learning .pairs-when")).to_be_hidden()  # base and one evaluation: nothing to choose
    page.reload()
    page.get_by_role("tab", name="Fine-tune").click()
    expect(page.locator(".live-status")).to_contain_text("running", timeout=SLOW)
    expect(page.get_by_label(re.compile("^Seed"))).to_have_value("7")
    pressed(page, ".live-log summary")
    expect(page.locator(".live-log pre")).to_contain_text("step 6", timeout=SLOW)

    # Stopped and gone on with.
    pressed(page, ".live-acts button")
    expect(page.locator(".live-status")).to_contain_text("cancelled", timeout=SLOW)
    (stage.jobs.folder(job.id) / "go").touch()
    page.locator(".live-acts button", has_text="Resume").click()
    expect(page.locator(".receipt-verdict")).to_have_text("Better", timeout=SLOW)
    expect(page.locator(".live-status")).to_contain_text("done")

    # The receipt, and the pictures behind it.
    expect(page.locator(".receipt-sentences li").nth(1)).to_have_text("Worse on <b>star</b>.")
    expect(page.locator(".receipt tr", has_text="F1").first).to_contain_text("0.100 → 0.800")
    expect(page.locator(".receipt-controls li")).to_have_count(3)
    pressed(page, ".receipt-folded summary")
    expect(page.locator(".receipt-folded")).to_contain_text("<b>star</b>")
    slider = page.locator("#train-learning .pairs-when input")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#train-learning .pairs-when span")).to_contain_text("After update 8")
    pressed(page, "#train-worse .pairs-frame")
    expect(page.locator("#train-head-0")).to_contain_text("What is true")
    expect(page.locator("#train-overlay-1 .overlay-shapes > .overlay-object")).not_to_have_count(0)
    pressed(page, "#train-close")
    expect(page.locator("#train-closer")).to_be_hidden()
    with page.expect_download(timeout=SLOW) as taken:
        page.locator("#train-zip button").click()
    assert taken.value.suggested_filename == f"tuned-{job.id}.zip"
    assert page.evaluate("window.hacked") is None

    # The tuned model stands beside its base in Compare, without a restart.
    stage.catalogue.append(ModelSpec(f"tuned-{job.id}", "paligemma", "local", "assets/models/first", adapter="tuned",
                                     title="First, tuned"))
    page.click("#train-compare")
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true", timeout=SLOW)
    expect(page.locator("#models input:checked")).to_have_count(2)
    expect(page.locator("#models label", has=page.locator(":checked")).last).to_contain_text("First, tuned")
    page.get_by_role("tab", name="Fine-tune").click()

    # A second run that fails says why, with the way out; receipts stand side by side; both are deleted.
    setting(page, "Seed", "0")
    page.click("#train-start")
    expect(page.locator(".runs-row input:enabled")).to_have_count(2, timeout=SLOW)  # both are done
    expect(page.locator(".live-status")).to_contain_text("done", timeout=SLOW)
    for box in page.locator(".runs-row input").all():
        box.focus()
        page.keyboard.press("Space")
    expect(page.locator(".runs-beside thead th")).to_have_count(2, timeout=SLOW)
    expect(page.locator(".runs-beside")).to_contain_text("lora 8: language")
    setting(page, "Seed", "13")
    page.click("#train-start")
    expect(page.locator(".live-note")).to_contain_text("free some and resume the job", timeout=SLOW)
    expect(page.locator(".live-acts button")).to_have_text(["Resume", "Start anew"])
    expect(page.locator(".receipt")).to_be_hidden()
    page.locator("#train-delete button").first.click()
    page.click("#train-delete-go")
    expect(page.locator("#train-acted")).to_contain_text("were deleted", timeout=SLOW)
    expect(page.locator(".runs-row")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440


def test_what_is_set_while_the_tab_opens_stays(visit, stage, cells, monkeypatch):
    page, takes, go_on = opened(visit), Offering.takes, threading.Event()
    setting(page, "Seed", "7")
    expect(page.locator(".plan-count")).to_have_text("· 1 changed")
    page.wait_for_timeout(1000)  # it is remembered a moment after it was typed
    page.get_by_role("tab", name="Compare").click()
    monkeypatch.setattr(Offering, "takes", lambda self, model: go_on.wait(60) and takes(self, model))
    page.get_by_role("tab", name="Fine-tune").click()
    setting(page, "Seed", "5")
    go_on.set()
    page.wait_for_timeout(2000)
    page.get_by_label(re.compile("^Rank")).focus()  # what is typed in does not change under one's hands
    setting(page, "Rank", "8")
    expect(page.get_by_label(re.compile("^Seed"))).to_have_value("5")
    expect(page.locator(".plan-count")).to_have_text("· 2 changed")
    page.wait_for_timeout(1000)
    page.reload()
    page.get_by_role("tab", name="Fine-tune").click()
    expect(page.get_by_label(re.compile("^Seed"))).to_have_value("5")


def test_a_spec_is_saved_and_loaded_and_new_corrections_are_worth_a_training(visit, stage, cells, tmp_path):
    page = opened(visit, 390, 844)
    setting(page, "Rank", "8")
    with page.expect_download(timeout=SLOW) as taken:
        page.locator("#train-save button").click()
    told = json.loads(taken.value.path().read_text("utf-8"))
    assert told["rank"] == 8 and told["model"] == "first" and told["dataset"].startswith("cells")
    (tmp_path / "spec.json").write_text(json.dumps(told | {"rank": 4, "minutes": 30, "dataset": "elsewhere"}))
    with page.expect_file_chooser() as chooser:
        page.click("#train-load")
    chooser.value.set_files(str(tmp_path / "spec.json"))
    expect(page.locator("#train-said")).to_contain_text("There is no dataset 'elsewhere' here", timeout=SLOW)
    expect(page.get_by_label(re.compile("^Rank"))).to_have_value("4")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.click("#train-start")
    expect(page.locator(".receipt-verdict")).to_have_text("Better", timeout=SLOW)
    dataset = stage.store.datasets.all()[0]
    for sample in stage.store.datasets.samples(dataset.id, split="train"):
        stage.store.corrections.save(sample.id, task=sample.task, query=sample.query, truth=(), author="me",
                                     parent=None, key=sample.id)
    page.reload()
    page.get_by_role("tab", name="Fine-tune").click()
    expect(page.locator("#train-nudged")).to_contain_text("6 new corrections since the last run: train?", timeout=SLOW)
    page.click("#train-again")
    expect(page.locator(".runs-row")).to_have_count(2, timeout=SLOW)
    newest = next(job for job in stage.jobs.all() if job.kind == "train")
    assert stage.jobs.spec(newest.id)["rank"] == 4 and stage.jobs.spec(newest.id)["minutes"] == 30
    expect(page.locator("#train-nudged")).to_be_hidden(timeout=SLOW)


def test_a_visitor_who_is_no_operator_sees_how_far_it_is_and_changes_nothing(visit, stage, cells, monkeypatch):
    from app.ui import access
    job = training.submit(stage, stage.store.datasets.all()[0].name, "first", ["seed=7"])
    monkeypatch.setattr(access, "_at_this_machine", lambda visitor: False)
    page = opened(visit)
    expect(page.locator(".live-title")).to_have_text("Training", timeout=SLOW)
    expect(page.locator("#train-said")).to_contain_text("only the operator trains")
    expect(page.locator("#train-start")).to_be_disabled()
    expect(page.locator(".live-acts button")).to_have_count(0)
    expect(page.locator(".live-log")).to_be_hidden()
    expect(page.locator(".plan-card input").first).to_be_disabled()
    assert stage.jobs.find(job.id).status in ("queued", "running")


@pytest.fixture
def server(tmp_path):
    """`server()` serves a home of its own as `python app.py` does, ending the one before; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = []

    def serve() -> str:
        for each in running:
            each.kill()
            each.wait(20)
        told = {"BOXLOOP_HOME": str(tmp_path / "home"), "GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(ROOT)}
        running.append(subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=os.environ | told))
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5).read()
                return f"http://127.0.0.1:{port}"
            except OSError:
                time.sleep(0.3)
        raise AssertionError("no server after two minutes")

    yield serve
    for each in running:
        each.kill()
        each.wait(20)


def brought_in(which: str, home: Path, request) -> None:
    """A dataset `cells`: real blood cells, or drawn boxes."""
    from app.importing import Import, import_into
    from app.workspace import Workspace
    workspace = Workspace(home)
    if which == "blood cells":
        source = request.getfixturevalue("shared") / "datasets/bccd_blood_cells"
        for split in ("train", "val"):
            import_into(workspace.store, Import(str(source / f"{split}.json"), "coco", "cells", split=split), home)
    else:
        dataset = workspace.store.datasets.create("cells").id
        for split, count, seed in (("train", 16, 0), ("val", 14, 1)):
            workspace.store.datasets.add(dataset, runs.drawn(home / "drawn", count, seed, split), split=split)
    workspace.store.close()


@pytest.mark.slow
@pytest.mark.parametrize("which", ["drawn boxes", "blood cells"])
def test_a_real_training_is_watched_through_a_restart_of_the_server_to_its_receipt(chromium, server, tmp_path, which,
                                                                                  request):
    brought_in(which, tmp_path / "home", request)
    spec = {"model": "tiny-paligemma", "dataset": "cells", "max_steps": 24, "batch": 4, "evaluations": 4,
            "heldout_most": 4, "judged_most": 6, "max_tokens": 64}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(60_000)

    def opened():
        page.goto(server())
        page.wait_for_selector("#run:not([disabled])")
        page.get_by_role("tab", name="Fine-tune").click()
        expect(page.locator("#train-dataset input")).to_have_value(re.compile("cells"), timeout=SLOW)

    opened()
    with page.expect_file_chooser() as chooser:
        page.click("#train-load")
    chooser.value.set_files(str(tmp_path / "spec.json"))
    expect(page.locator("#train-said")).to_contain_text("The spec is loaded", timeout=SLOW)
    page.click("#train-start")
    expect(page.locator(".check-head")).to_have_text("Nothing stands in the way", timeout=VERY_SLOW)
    expect(page.locator(".live-chart .live-line").first).to_be_visible(timeout=VERY_SLOW)
    opened()  # the server is killed in the middle, and another one finds the run
    expect(page.locator(".live-status")).to_contain_text(re.compile("running|done"), timeout=SLOW)
    expect(page.locator("#train-learning .pairs-row")).to_have_count(3, timeout=VERY_SLOW)
    expect(page.locator(".receipt-verdict")).to_have_text(
        re.compile("Better|No clear difference|Worse|Not by looking"), timeout=VERY_SLOW)
    expect(page.locator(".live-status")).to_contain_text("done")
    expect(page.locator(".receipt-controls li").first).to_contain_text("wrong pictures")
    page.click("#train-compare")
    expect(page.locator("#models input:checked")).to_have_count(2, timeout=SLOW)
    page.get_by_role("tab", name="Fine-tune").click()
    home = tmp_path / "home"
    assert len(list(home.glob("runs/*/adapter/adapter_config.json"))) == 1
    page.locator("#train-delete button").first.click()
    page.click("#train-delete-go")
    expect(page.locator("#train-acted")).to_contain_text("were deleted", timeout=SLOW)
    assert not list(home.glob("runs/*/adapter"))
    page.close()
