"""A model that came after the page was built is asked like the others, without a restart; ticks stay the person's."""
from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from app.store import Store
from app.types import Annotation, ModelSpec
from app.ui import page as app_page
from app.ui.examples import examples
from app.ui.seats import SPARE
from tests.browser.conftest import arrived
from tests.browser.stage import Beat, Part, Shelf, Stage

STAR = Annotation("star", (40.0, 60.0, 140.0, 160.0), score=0.02)
OTHER = replace(STAR, box=(200.0, 100.0, 300.0, 220.0))


class SlowShelf(Shelf):
    """Whoever looks waits while `open` is not set; `asked` says that somebody does."""

    def __init__(self, specs):
        super().__init__(specs)
        self.open, self.asked = threading.Event(), threading.Event()
        self.open.set()

    def entries(self):
        self.asked.set()
        self.open.wait(20)
        return super().entries()


def model(name: str, backend: str = "local", family: str = "qwen3-vl") -> ModelSpec:
    return ModelSpec(name, family, backend, f"assets/models/{name}", title=name.capitalize())


@pytest.fixture
def stage(tmp_path):
    stage = Stage(SlowShelf([model("first"), model("second")]), Store(tmp_path), tmp_path)
    yield stage
    stage.catalogue.open.set()
    stage.jobs.close()
    stage.store.close()


@pytest.fixture
def page(chromium, stage):
    stage.parts = {"first": Part((Beat("one", (STAR,)),)), "later": Part((Beat("two", (STAR, OTHER)),))}
    blocks = app_page.build(stage, compare=stage.compare, shown=[replace(each, truth=None) for each in examples()])
    with arrived(chromium, blocks) as page:
        yield page


def go(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def tick(page, name: str):
    return page.locator("#models").get_by_label(name, exact=True)


def panel(page, title: str):
    return page.locator(".model:visible").filter(has=page.locator(".head-title").get_by_text(title, exact=True))


def test_a_model_that_came_later_is_asked_taken_and_voted_for_like_the_others(page, stage):
    tick(page, "Second").uncheck()
    stage.catalogue.append(model("later"))
    go(page, "Models")
    expect(page.locator('.model-row[data-id="later"]')).to_be_visible()
    go(page, "Compare")
    tick(page, "Later").check()
    expect(tick(page, "Second")).not_to_be_checked()
    later = panel(page, "Later")
    expect(later.locator(".overlay-svg")).to_be_visible()
    page.click("#run")
    expect(later.locator(".head-status")).to_contain_text("2 boxes ·")
    expect(later.locator(".overlay-box")).to_have_count(2)
    expect(panel(page, "First").locator(".overlay-box")).to_have_count(1)
    later.locator(".overlay-object").first.focus()
    page.keyboard.press("c")
    expect(page.locator("#basket")).to_contain_text("Chosen: star")
    later.get_by_text("Prompt and settings").click()
    expect(later.locator(".panel-prompt textarea")).to_have_value(re.compile("star"))
    stage.parts["later"] = Part((Beat("once more", (STAR,)),))
    later.locator(".panel-again").click()
    expect(later.locator(".head-status")).to_contain_text("1 box ·")  # done, and not only drawn
    expect(later.locator(".overlay-box")).to_have_count(1)

    page.get_by_role("button", name="Which is best? Vote blind").click()
    letter = page.locator("[id^=panel-seat][data-letter]").get_attribute("data-letter")
    page.get_by_role("button", name=f"{letter} is best").click()
    expect(page.locator(".vote-said")).to_contain_text("You chose Later.")

    page.reload()
    expect(later.locator(".overlay-box")).to_have_count(1)
    expect(tick(page, "Later")).to_be_checked()
    later.locator(".panel-correct").click()
    expect(page.locator("#editor .editor-objects li")).to_have_count(1)
    go(page, "Measure")
    page.locator("#measure-models input").click()
    expect(page.get_by_role("option", name="Later")).to_be_visible()

    stage.catalogue.pop()
    go(page, "Compare")
    expect(tick(page, "Later")).to_have_count(0)
    expect(page.locator(".model:visible")).to_have_count(1)
    page.click("#run")
    expect(panel(page, "First").locator(".head-status")).to_contain_text("1 box ·")


def test_a_tick_that_is_made_while_the_models_are_looked_at_again_stays(page, stage):
    stage.catalogue.append(model("later"))
    stage.catalogue.asked.clear()
    stage.catalogue.open.clear()
    go(page, "Models")
    go(page, "Compare")
    assert stage.catalogue.asked.wait(15)
    tick(page, "First").uncheck()
    stage.catalogue.open.set()
    expect(tick(page, "Later")).to_be_visible()
    expect(tick(page, "First")).not_to_be_checked()
    expect(tick(page, "Second")).to_be_checked()
    page.click("#run")
    expect(panel(page, "Second").locator(".head-status")).to_contain_text("answered")
    assert [ask.spec.id for ask in stage.asked] == ["second"]


def test_a_model_that_a_run_leaves_behind_is_offered_when_the_run_ends(page, stage):
    job = stage.jobs.submit("count", {"steps": 400, "rest": 0.05})
    expect(page.locator("#device .chip")).to_contain_text("count ", timeout=30_000)
    stage.catalogue.append(model("tuned"))
    stage.jobs.cancel(job.id)
    expect(tick(page, "Tuned")).to_be_visible(timeout=30_000)


def test_when_every_panel_is_taken_the_page_says_what_to_do(page, stage):
    several = [model(f"m{number}") for number in range(SPARE + 2)]
    stage.catalogue.extend(several)
    go(page, "Models")
    go(page, "Compare")
    expect(page.locator(".picker-note")).to_have_text(
        "2 more models are there, and every panel is taken. Remove models that you no longer need, or start Boxloop "
        "again.")
    expect(page.locator("#models label")).to_have_count(2 + SPARE)
    for gone in several[:2]:
        stage.catalogue.remove(gone)
    go(page, "Models")
    go(page, "Compare")
    expect(page.locator(".picker-note")).to_be_hidden()
    expect(page.locator("#models label")).to_have_count(2 + SPARE)
    tick(page, f"M{SPARE + 1}").check()
    expect(panel(page, f"M{SPARE + 1}").locator(".overlay-svg")).to_be_visible()


def test_a_panel_that_passes_to_a_detector_asks_for_no_prompt_and_back_again(page, stage):
    stage.catalogue.append(model("finder", "detector", "owlv2"))
    go(page, "Models")
    go(page, "Compare")
    tick(page, "Finder").check()
    finder = panel(page, "Finder")
    finder.get_by_text("Prompt and settings").click()
    expect(finder.get_by_label("Size of the picture it sees")).to_be_visible()
    expect(finder.locator(".panel-prompt")).to_be_hidden()
    expect(finder.get_by_label("Only what its answer's form allows")).to_be_hidden()
    stage.catalogue.pop()
    later = [model(f"m{number}") for number in range(SPARE)]  # one of them gets the same panel
    stage.catalogue.extend(later)
    go(page, "Models")
    go(page, "Compare")
    seat = page.locator("#panel-seat-1 .head[data-model]")
    expect(seat).not_to_have_attribute("data-model", "finder")
    tick(page, seat.get_attribute("data-model").capitalize()).check()
    expect(page.locator("#panel-seat-1 .panel-prompt")).to_be_visible()
