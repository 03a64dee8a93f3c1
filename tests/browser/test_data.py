"""The Data tab from end to end: VOC files with bad rows come in, are read about, browsed, renamed and exported."""
from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.jobs.queue import Jobs
from tests.test_datasets import unlike

SLOW = 30_000
OBJECT = ("<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>40</ymin><xmax>300</xmax><ymax>400</ymax></bndbox>"
          "</object>")
HOSTILE = "&lt;img src=x onerror=alert(1)&gt;"


@pytest.fixture(scope="module")
def voc(tmp_path_factory) -> Path:
    """A zip of nine VOC files; the third is torn, the fifth has a word for a number, the seventh names no picture."""
    folder = tmp_path_factory.mktemp("voc")
    with zipfile.ZipFile(folder / "street.zip", "w") as packed:
        for number in range(9):
            packed.write(unlike(folder / f"{number}.png", number, (640, 480)), f"images/{number}.png")
            things = OBJECT.format("cat", 50) + (OBJECT.format(HOSTILE, 20) if number == 1 else "")
            xml = f"<annotation><filename>{number}.png</filename>{things}</annotation>"
            xml = {3: xml[:60], 5: xml.replace("50", "x"), 7: xml.replace("7.png", "gone.png")}.get(number, xml)
            packed.writestr(f"annotations/{number}.xml", xml)
    return folder / "street.zip"


def opened(visit, width=1440, height=900):
    page = visit(width, height)
    page.get_by_role("tab", name="Data").click()
    return page


def choose(page, menu: str, option: str) -> None:
    page.locator(f"{menu} input").click()
    page.get_by_role("option", name=option).first.click()


def test_voc_files_come_in_with_a_report_and_go_out_as_yolo(visit, stage, voc):
    for other in stage.store.datasets.all():  # of the tests before
        stage.store.datasets.remove(other.id)
    page = opened(visit)
    expect(page.locator("#data-empty .notice")).to_contain_text("No datasets yet", timeout=SLOW)
    page.click("#import-go")
    expect(page.locator("#import-said .notice")).to_contain_text("Give the dataset a name", timeout=SLOW)
    page.locator("#uploads input[type=file]").set_input_files(str(voc))
    page.locator("#into input").fill("street")
    page.keyboard.press("Enter")
    choose(page, "#format-in", "Pascal VOC")
    expect(page.locator("#hint-in .notice")).to_contain_text(".xml files", timeout=SLOW)
    expect(page.locator("#uploads a")).to_be_visible(timeout=SLOW)
    page.click("#import-go")
    report = page.locator("#report .report")
    expect(report).to_contain_text("9 samples read, 6 kept, 3 refused", timeout=SLOW)
    for row in ("annotations/3.xml", "annotations/5.xml", "annotations/7.xml"):
        expect(report.locator("tr", has_text=row)).to_have_count(1)
    expect(report.locator("tr", has_text="annotations/7.xml")).to_contain_text("no such picture")
    expect(page.locator(".grid-cell")).to_have_count(6, timeout=SLOW)
    assert page.locator("#report img, #grid .grid-cell i img").count() == 0
    choose(page, "#only-label", "<img src=x")
    expect(page.locator(".grid-cell")).to_have_count(1, timeout=SLOW)
    choose(page, "#only-label", "any label")
    expect(page.locator(".grid-cell")).to_have_count(6, timeout=SLOW)
    for _ in range(2):  # what was closed comes back whole
        page.locator(".grid-cell").nth(1).click()
        expect(page.locator("#data-look .overlay-object")).to_have_count(2, timeout=SLOW)
        page.click("#data-close")
        expect(page.locator("#data-look")).not_to_be_visible(timeout=SLOW)

    page.locator("#classes button").first.click()
    choose(page, "#old-name", "cat (6)")
    page.locator("#new-name input").fill("lion")
    page.keyboard.press("Enter")
    page.click("#rename")
    expect(page.locator("#data-said .notice")).to_contain_text("in 6 samples", timeout=SLOW)
    expect(page.locator(".grid-cell").first).to_contain_text("lion")
    page.locator("#undo-rename").click()
    expect(page.locator(".grid-cell").first).to_contain_text("cat", timeout=SLOW)

    page.locator("#export button").first.click()
    choose(page, "#format-out", "YOLO")
    page.click("#export-go")
    expect(page.locator("#save-export")).to_be_visible(timeout=SLOW)
    with page.expect_download(timeout=SLOW) as saved:
        page.locator("#save-export button").click()
    assert saved.value.suggested_filename == "street-yolo.zip"
    with zipfile.ZipFile(saved.value.path()) as packed:
        assert sum(name.startswith("labels/") and name.endswith(".txt") for name in packed.namelist()) == 6

    page.locator("#delete button").first.click()
    page.click("#delete-go")
    expect(page.locator("#data-said .notice")).to_contain_text("was deleted", timeout=SLOW)
    page.reload()
    page.get_by_role("tab", name="Data").click()
    page.click("#restore")
    expect(page.locator(".grid-cell")).to_have_count(6, timeout=SLOW)


def test_a_visitor_who_is_no_operator_changes_nothing(visit, stage, monkeypatch):
    from app.ui import access
    monkeypatch.setattr(access, "_at_this_machine", lambda visitor: False)
    before, datasets = len(stage.jobs.all()), stage.store.datasets.all()
    page = opened(visit, 390, 844)
    page.locator("#into input").fill("mine")
    page.keyboard.press("Enter")
    page.locator("#path-in textarea, #path-in input").first.fill("/etc")
    page.click("#import-go")
    expect(page.locator("#import-said .notice")).to_contain_text("Only the operator", timeout=SLOW)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert len(stage.jobs.all()) == before and stage.store.datasets.all() == datasets
    assert isinstance(stage.jobs, Jobs)
