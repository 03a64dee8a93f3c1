"""The Measure tab as a person uses it: evaluate real tiny models, open every plot, look at pictures, correct, again."""
from __future__ import annotations

import json
import os
import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported

from app import importing, pictures
from app.types import Annotation, Sample
from app.ui import page as app_page
from app.workspace import Workspace
from tests.waiting import wait
from trainer.demo.scenes import scene

HOSTILE = '<img src=x onerror="window.hacked=1">'
PATIENCE = 240_000  # milliseconds: the first evaluation imports torch and loads two models


@pytest.fixture(scope="module")
def house(tmp_path_factory, checkpoint):
    """A workspace with two datasets, a detector in models.toml, and its page."""
    home = tmp_path_factory.mktemp("measure")
    (home / "models.toml").write_text(
        f'[[model]]\nid = "tiny-detector"\ntitle = "Tiny detector"\nsource = {json.dumps(str(checkpoint("owlv2")))}\n')
    workspace = Workspace(home)
    samples = []
    for n in range(4):
        drawn, path = scene(31, n, held_out=False), home / f"scene {n}.png"
        drawn.picture.resize((220, 180)).save(path)
        truth = () if n == 3 else (Annotation("star", (20.0, 20.0, 90.0, 90.0)), Annotation(HOSTILE, (5.0, 5.0, 9, 9)))
        image = replace(pictures.read(path), name=f"scene {n} {HOSTILE}.png")
        samples.append(Sample(str(n), (image,), "detect", f"star; {HOSTILE}", truth))
    datasets = workspace.store.datasets
    datasets.add(datasets.create("Drawn").id, samples, split="val")
    blocks = app_page.build(workspace)
    _, address, _ = app_page.launch(blocks, prevent_thread_lock=True, quiet=True)
    yield workspace, address
    blocks.close(verbose=False)
    workspace.jobs.close()
    workspace.store.close()


@pytest.fixture
def page(chromium, house):
    tab = chromium.new_page(viewport={"width": 1440, "height": 900})
    tab.set_default_timeout(30_000)
    tab.faults, tab.foreign = [], []
    tab.on("pageerror", lambda error: tab.faults.append(str(error)))
    tab.on("console", lambda said: tab.faults.append(said.text) if said.type == "error" else None)
    tab.on("request", lambda asked: tab.foreign.append(asked.url) if not asked.url.startswith(
        (house[1], "data:", "blob:", "file:")) else None)
    opened(tab, house[1])
    yield tab
    faults, foreign = tab.faults, tab.foreign
    tab.close()
    assert not foreign, "nothing comes from elsewhere"
    assert not [fault for fault in faults if "favicon" not in fault], faults


def opened(page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("#run:not([disabled])")
    page.get_by_role("tab", name="Measure").click()
    expect(page.locator("#measure-models")).to_contain_text("Tiny PaliGemma")


def evaluated(page, models: int) -> None:
    expect(page.locator("#measure-table tbody tr")).to_have_count(models, timeout=PATIENCE)


def chosen(page, which: str, words: str | re.Pattern) -> None:
    page.locator(f"#{which} input").click()
    page.get_by_role("option", name=words).first.click()


def test_models_are_evaluated_looked_at_and_evaluated_again_after_a_correction(page, house, tmp_path):
    workspace, address = house
    expect(page.locator("#measure-notice")).to_contain_text("Nothing is evaluated yet")
    chosen(page, "measure-models", "Tiny detector")
    page.keyboard.press("Escape")
    page.click("#measure-run button, button#measure-run")
    expect(page.locator("#measure-notice")).to_contain_text("You can close this tab", timeout=60_000)
    evaluated(page, 3)
    expect(page.locator("#measure-table")).to_contain_text("tiny-detector")

    # Every number and every plot.
    expect(page.locator("#measure-table thead th[aria-sort]")).to_have_text("F1")
    chosen(page, "measure-metric", "Recall")
    expect(page.locator("#measure-table thead th[aria-sort]")).to_have_text("Recall")
    expect(page.locator("#measure-curves svg.plot").first).to_be_visible()
    expect(page.locator("#measure-pareto svg.plot")).to_have_count(2)
    for part, told in (("slices", "Object size"), ("confusion", "nothing there"), ("protocol", "Data version")):
        page.click(f"#measure-{part}-more > button")
        expect(page.locator(f"#measure-{part}")).to_contain_text(told)
    expect(page.locator("#measure-pairs .measure-outcomes")).to_have_count(3)

    # The gallery, and the picture with all answers.
    chosen(page, "measure-look", "Worst of tiny-qwen3-vl")
    expect(page.locator(".gallery-shot")).to_have_count(4)
    page.locator(".gallery-shot", has_text="scene 0").click()
    expect(page.locator("#measure-overlay-3 .overlay-svg")).to_be_visible()
    expect(page.locator("#measure-overlay-4 .overlay-svg")).to_be_hidden()
    expect(page.locator("#measure-head-0")).to_contain_text("What is true")
    expect(page.locator("#measure-overlay-0 .overlay-box")).not_to_have_count(0)
    assert page.evaluate("window.hacked") is None

    # What is handed over opens without a network.
    for button, ending in (("csv", "numbers.csv"), ("pictures", "pictures.csv"), ("json", ".json"), ("html", ".html")):
        with page.expect_download() as download:
            page.click(f"#measure-{button} button")
        assert download.value.suggested_filename.endswith(ending)
        download.value.save_as(tmp_path / f"taken{ending[-5:]}")
    report = page.context.browser.new_context(offline=True).new_page()
    asked = []
    report.on("request", lambda request: asked.append(request.url))
    report.goto(f"file://{tmp_path / 'taken.html'}")
    expect(report.locator("svg.plot").first).to_be_visible()
    assert report.locator(".shots img").count() >= 8
    assert report.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert report.evaluate("window.hacked") is None
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    report.context.close()

    # From the gallery to the editor at a click, and a picture is corrected there.
    page.get_by_role("button", name=re.compile("^Correct scene 0")).click()
    expect(page.locator("#editor .overlay-shapes > .overlay-object")).to_have_count(2)
    page.locator("#editor .overlay-box").first.click(force=True)
    page.keyboard.press("Delete")
    expect(page.locator("#editor .overlay-shapes > .overlay-object")).to_have_count(1)
    dataset = workspace.store.datasets.find("Drawn").id
    wait(lambda: len(next(iter(workspace.store.datasets.samples(dataset))).truth) == 1)

    # Only the numbers change. The reload finds the same evaluation.
    opened(page, address)
    evaluated(page, 3)
    chosen(page, "measure-models", "Tiny detector")
    page.keyboard.press("Escape")
    page.click("#measure-run button, button#measure-run")
    expect(page.locator("#measure-stop")).to_be_visible()
    expect(page.locator("#measure-stop")).to_be_hidden(timeout=PATIENCE)
    newest, first = workspace.jobs.all(2)
    assert newest.id != first.id and workspace.jobs.result(newest.id)["answers"] == workspace.jobs.result(
        first.id)["answers"]
    assert {each["asked"] for each in workspace.jobs.result(newest.id)["models"].values()} == {0}


def test_a_page_that_fits_a_phone_and_the_dark(page, house):
    """After the test above; the table scrolls in its own box."""
    evaluated(page, 3)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.evaluate("document.body.classList.add('dark')")
    colours = page.evaluate("""() => ['.measure-table tbody th', '.plot text', '.measure-note'].map(where => {
        const style = getComputedStyle(document.querySelector(where));
        return where === '.plot text' ? style.fill : style.color; })""")
    for colour in colours:
        assert sum(map(int, re.findall(r"\d+", colour)[:3])) > 380, f"{colour} is too dark for a dark page"


def test_a_stranger_may_look_and_not_evaluate(page, house, monkeypatch):
    from app.ui import access
    monkeypatch.setattr(access, "is_operator", lambda workspace, visitor: False)
    jobs = len(house[0].jobs.all())
    page.click("#measure-run button, button#measure-run")
    expect(page.locator("#measure-notice")).to_contain_text("Only the operator of this page may evaluate models")
    assert len(house[0].jobs.all()) == jobs


@pytest.mark.slow
def test_a_real_set_is_imported_and_measured(page, house, shared, tmp_path):
    workspace, address = house
    wanted = importing.Import(str(shared / "datasets/bccd_blood_cells/val.json"), "coco", "blood", split="val")
    importing.import_into(workspace.store, wanted, tmp_path)
    opened(page, address)
    chosen(page, "measure-dataset", re.compile("blood"))
    chosen(page, "measure-models", "Tiny detector")
    page.keyboard.press("Escape")
    page.click("#measure-run button, button#measure-run")
    expect(page.locator("#measure-which input")).to_have_value(re.compile("blood"), timeout=280_000)
    expect(page.locator("#measure-table caption")).to_contain_text("46 pictures")
    for model in ("tiny-paligemma", "tiny-qwen3-vl", "tiny-detector"):
        expect(page.locator("#measure-table")).to_contain_text(model)
    chosen(page, "measure-look", "Worst of tiny-detector")
    page.locator(".gallery-shot").first.click()
    expect(page.locator("#measure-overlay-0 .overlay-box").first).to_be_visible()
