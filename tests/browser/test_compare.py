"""The Compare tab as a person uses it: pictures, examples, answers that stream, Stop, and things that go wrong."""
from __future__ import annotations

import PIL.Image
import pytest
from playwright.sync_api import expect

from app.types import Annotation, Point
from tests.browser.stage import HOLD, Beat, Part

STAR = Annotation("red star", (40.0, 60.0, 140.0, 160.0))
RING = Annotation("ring", (200.0, 100.0, 300.0, 220.0), score=0.875)
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>{{constructor}}${window.hacked=1}\'"`'


def status(page, model):
    return page.locator(f"#panel-{model} .head-status")


def boxes(page, model):
    return page.locator(f"#panel-{model} .overlay-box")


def choose(page, path):
    page.set_input_files("#tray .tray-files", str(path))


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "mine.png"
    PIL.Image.new("RGB", (640, 400), "#778899").save(path)
    return path


def test_the_first_visit_shows_an_example_ready_to_run(visit):
    page = visit()
    for model in ("first", "second"):
        expect(page.locator(f"#panel-{model} .overlay-svg")).to_be_visible()
        expect(status(page, model)).to_have_text("press Run")
    expect(page.locator("#panel-remote")).to_be_hidden()
    assert page.locator("#question textarea").input_value()
    expect(page.locator("#stop")).to_be_disabled()


def test_boxes_are_drawn_while_the_text_is_still_being_written(visit, stage):
    stage.reset(first=Part((Beat("one star ", (STAR,)), HOLD, Beat("and a ring", (STAR, RING)))),
                second=Part((Beat("nothing"),), "empty"))
    page = visit()
    page.click("#run")
    expect(status(page, "first")).to_have_text("answering… 1 box so far")
    expect(boxes(page, "first")).to_have_count(1)
    expect(page.locator("#stop")).to_be_enabled()
    page.locator("#panel-first .answer-raw summary").click()
    expect(page.locator("#panel-first .answer-text")).to_have_text("one star ")
    stage.go.set()
    expect(status(page, "first")).to_contain_text("2 boxes ·")
    expect(status(page, "second")).to_contain_text("nothing found ·")
    expect(page.locator("#panel-first .answer-text")).to_be_visible()  # what was opened stays open
    assert page.locator("#panel-first .answer-text").text_content() == "one star and a ring"
    expect(page.locator("#panel-first .answer-prompt")).to_have_text("prompt of first")
    expect(page.locator("#panel-first .answer-facts")).to_have_text("5 tokens · first after 0.1 s")
    expect(page.locator("#stop")).to_be_disabled()


def test_a_selection_in_the_raw_answer_survives_the_next_words(visit, stage):
    stage.reset(first=Part((Beat("a star"), HOLD, Beat(" and more"))))
    page = visit()
    page.click("#run")
    page.locator("#panel-first .answer-raw summary").click()
    text = page.locator("#panel-first .answer-text")
    expect(text).to_have_text("a star")
    text.evaluate("place => getSelection().setBaseAndExtent(place.firstChild, 2, place.firstChild, 6)")
    stage.go.set()
    expect(text).to_have_text("a star and more")
    assert page.evaluate("getSelection().toString()") == "star"


def test_one_click_on_an_example_fills_everything_and_runs(visit, stage):
    stage.reset(first=Part((Beat("x", (STAR,)),)))
    page = visit()
    item = page.locator(".strip-item").nth(2)
    question = item.locator("i").text_content()
    item.click()
    expect(boxes(page, "first")).to_have_count(1)
    expect(page.locator("#question textarea")).to_have_value(question)
    for ask in stage.asked:
        assert ask.request.task == "keypoints" and "; ".join(ask.request.names) == question
        assert ask.request.images[0].name == page.locator(".tray-name").text_content()


def test_enter_in_the_question_runs(visit, stage):
    page = visit()
    page.fill("#question textarea", "a zebra; a giraffe")
    page.press("#question textarea", "Enter")
    expect(status(page, "first")).to_contain_text("answered ·")
    assert stage.asked[0].request.names == ("a zebra", "a giraffe")


def test_stop_ends_every_model_and_says_so(visit, stage):
    stage.reset(first=Part((Beat("one", (STAR,)), HOLD)), second=Part((Beat(""), HOLD)))
    page = visit()
    page.click("#run")
    expect(boxes(page, "first")).to_have_count(1)
    page.click("#stop")
    expect(status(page, "first")).to_have_text("stopped · 1 box so far")
    expect(status(page, "second")).to_have_text("stopped · nothing so far")
    expect(page.locator("#notice")).to_have_text("Stopped.")
    expect(boxes(page, "first")).to_have_count(1)
    assert stage.left == ["stopped", "stopped"]


def test_a_second_run_replaces_the_first(visit, stage):
    stage.reset(first=Part((Beat("old", (STAR,)), HOLD)))
    page = visit()
    page.click("#run")
    expect(boxes(page, "first")).to_have_count(1)
    stage.parts = {"first": Part((Beat("new", (STAR, RING)),))}
    page.click("#run")
    expect(status(page, "first")).to_contain_text("2 boxes ·")
    page.wait_for_timeout(400)
    expect(status(page, "first")).to_contain_text("2 boxes ·")  # the old one does not come back
    assert sorted(stage.left) == ["finished", "finished", "stopped"]  # who had answered is not asked again


def test_closing_the_tab_loses_nothing_and_a_reload_shows_it(visit, stage):
    stage.reset(first=Part((Beat("one", (STAR,)), HOLD, Beat(" two", (STAR, RING)))))
    page = visit()
    page.click("#run")
    expect(boxes(page, "first")).to_have_count(1)
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(status(page, "first")).to_have_text("answering… 1 box so far")
    expect(page.locator("#stop")).to_be_enabled()
    stage.go.set()
    expect(status(page, "first")).to_contain_text("2 boxes ·")
    page.reload()
    expect(boxes(page, "first")).to_have_count(2)
    expect(page.locator("#stop")).to_be_disabled()


def test_an_error_stays_in_its_own_panel(visit, stage):
    stage.reset(first=Part((), "failed", ("First needs 7 GB of GPU memory; choose a smaller model",)),
                second=Part((Beat("x", (STAR,)),)))
    page = visit()
    page.click("#run")
    expect(status(page, "first")).to_have_text("failed: First needs 7 GB of GPU memory; choose a smaller model")
    expect(page.locator("#panel-first .answer-problems")).to_contain_text("choose a smaller model")
    expect(page.locator("#panel-first .answer-raw")).to_be_hidden()
    expect(status(page, "second")).to_contain_text("1 box ·")
    expect(page.locator("#notice")).to_be_hidden()


def test_an_answer_that_was_cut_off_says_what_to_do(visit, stage):
    stage.reset(first=Part((Beat("a b c d", (STAR,)),), "truncated", ("stopped after 4 tokens; raise the limit",)))
    page = visit()
    page.click("#run")
    expect(status(page, "first")).to_have_text("cut off after 4 tokens: raise “Longest answer” below")


def test_what_cannot_be_drawn_is_said(visit, stage):
    stage.reset(first=Part((Beat("3 cats", (Annotation("cat"),) * 3),)))
    page = visit()
    page.click("#run")
    expect(page.locator("#panel-first .answer-said")).to_have_text("3 × cat")
    expect(status(page, "first")).to_contain_text("3 counted ·")


def test_no_script_runs_from_words_of_models_people_or_files(visit, stage, tmp_path):
    path = tmp_path / "<img src=x onerror=window.hacked=1>.png"
    PIL.Image.new("RGB", (300, 200)).save(path)
    hostile = Annotation(HOSTILE, (10.0, 10.0, 90.0, 90.0), (Point(HOSTILE, 20, 20), Point(HOSTILE + "2", 60, 60)),
                         id=HOSTILE)
    stage.reset(first=Part((Beat(HOSTILE, (hostile, Annotation(HOSTILE))),)),
                second=Part((Beat("half \ud800 a pair"),), "failed", (HOSTILE,)))
    page = visit()
    choose(page, path)
    expect(page.locator(".tray-note")).to_contain_text("300 × 200")
    page.fill("#question textarea", HOSTILE)
    page.click("#run")
    expect(status(page, "first")).to_contain_text("1 box, 2 points, 1 counted")
    expect(status(page, "second")).to_contain_text("failed: <img src=x")
    assert page.locator("#panel-first .answer-text").text_content() == HOSTILE
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    assert page.locator("[onerror]").count() == 0


def test_nothing_is_fetched_from_outside(visit, stage, theatre):
    stage.reset(first=Part((Beat("x", (STAR,)),)))
    page = visit()
    page.click("#run")
    expect(boxes(page, "first")).to_have_count(1)
    outside = [url for url in page.requests if not url.startswith((theatre[1], "data:", "blob:"))]
    assert not outside, outside


def test_the_picture_is_fetched_once_and_never_while_answers_stream(visit, stage):
    stage.reset(first=Part(tuple(Beat("x ", (STAR,) * n) for n in range(1, 20))))
    page = visit()
    page.wait_for_timeout(300)
    before = len([url for url in page.requests if "/file=" in url])
    page.click("#run")
    expect(status(page, "first")).to_contain_text("19 boxes ·")
    assert len([url for url in page.requests if "/file=" in url]) == before


def test_nothing_moves_when_answers_come(visit, stage):
    stage.reset(first=Part((Beat("x", (STAR,)),)), second=Part((), "failed", ("a long sentence " * 20,)))
    page = visit()

    def place(model: str) -> list[float]:
        """On the page, which the driver may scroll before it clicks."""
        box = "const {x, y, width, height} = node.getBoundingClientRect()"
        return page.locator(f"#panel-{model} .overlay-svg").evaluate(
            f"node => {{ {box}; return [x, y + scrollY, width, height]; }}")

    before = place("first")
    page.click("#run")
    expect(boxes(page, "first")).to_have_count(1)
    assert place("first") == before
    assert place("second")[1] == before[1]


def test_a_chosen_picture_is_on_every_panel_before_any_question(visit, stage, picture):
    page = visit()
    choose(page, picture)
    expect(page.locator(".tray-note")).to_contain_text("640 × 400")
    expect(page.locator("#panel-second .overlay-svg")).to_have_attribute("viewBox", "0 0 640 400")
    assert stage.asked == []


def test_the_model_gets_the_very_file_that_was_chosen(visit, stage, picture):
    page = visit()
    choose(page, picture)
    expect(page.locator(".tray-note")).to_contain_text("640 × 400")
    page.click("#run")
    expect(status(page, "first")).to_contain_text("answered")
    with open(stage.asked[0].request.images[0].path, "rb") as file:
        assert file.read() == picture.read_bytes()


def test_a_file_that_is_no_picture_is_refused_in_a_sentence_and_the_page_goes_on(visit, stage, tmp_path, picture):
    path = tmp_path / "notes.jpg"
    path.write_text("these are words")
    page = visit()
    choose(page, path)
    expect(page.locator(".tray-problems")).to_contain_text("notes.jpg is not a picture")
    expect(page.locator(".tray-name")).to_have_count(1)  # what was there is still there
    choose(page, picture)
    expect(page.locator(".tray-problems")).to_be_hidden()
    page.click("#run")
    expect(status(page, "first")).to_contain_text("answered")


def test_a_picture_over_50_megapixels_is_refused_in_a_sentence(visit, tmp_path):
    path = tmp_path / "huge.png"
    PIL.Image.new("1", (9000, 6000)).save(path)
    page = visit()
    choose(page, path)
    expect(page.locator(".tray-problems")).to_contain_text("54 megapixels; the limit is 50")


def test_no_model_and_no_question_are_sentences_too(visit, stage):
    page = visit()
    for model in ("First", "Second"):
        page.get_by_label(model, exact=True).click()
    expect(page.locator("#panel-first")).to_be_hidden()
    page.click("#run")
    expect(page.locator("#notice")).to_have_text("No model is chosen. Tick at least one.")
    page.locator("#models input").first.click()
    page.fill("#question textarea", "  ")
    page.click("#run")
    expect(page.locator("#notice")).to_contain_text("empty")


def test_ticking_a_model_brings_its_panel_with_the_picture(visit, stage):
    stage.reset(remote=Part((Beat("x", (STAR,)),)))
    page = visit()
    page.get_by_text("More models").click()
    page.get_by_label("Remote (6.1 GB to download, 8 GB of GPU memory)").check()
    expect(page.locator("#panel-remote .overlay-svg")).to_be_visible()
    page.click("#run")
    expect(boxes(page, "remote")).to_have_count(1)


def test_the_task_says_what_to_write(visit):
    page = visit()
    before = page.locator("#help").text_content()
    page.locator("#task input").click()
    page.get_by_role("option").nth(1).click()
    expect(page.locator("#help")).not_to_have_text(before)
    assert page.locator("#question textarea").get_attribute("placeholder")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_everything_stacks_and_nothing_scrolls_sideways(visit, stage, theme):
    stage.reset(first=Part((Beat("x", (STAR,)),)))
    page = visit(width=390, height=844, has_touch=True, color_scheme=theme)
    page.locator("#run").scroll_into_view_if_needed()
    page.click("#run")
    expect(boxes(page, "first")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    first, second = (page.locator(f"#panel-{model} .overlay-svg").bounding_box() for model in ("first", "second"))
    assert second["y"] > first["y"] + first["height"] and first["width"] > 330
    assert page.locator("#run").bounding_box()["height"] >= 40
