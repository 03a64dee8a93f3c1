"""What Compare keeps: several pictures with their own questions, settings, history, links, and what one takes away."""
from __future__ import annotations

import json
import re
import threading
import zipfile

import PIL.Image
import pytest
from playwright.sync_api import expect

from app import intake
from tests.browser.stage import HOLD, Beat, Part
from tests.browser.test_compare import RING, STAR, boxes, status


@pytest.fixture
def many(tmp_path):
    """Six pictures of different sizes, and a list of captions for five of them."""
    paths = []
    for n in range(6):
        paths.append(tmp_path / f"photo {n}.png")
        PIL.Image.new("RGB", (300 + 10 * n, 200), (40 * n, 90, 120)).save(paths[-1])
    asked = [0, 1, 2, 3, 3]  # two of them ask the same
    rows = ["file_name,caption", *(f"photo {n}.png,caption {k}" for n, k in enumerate(asked)), "gone.png,nowhere"]
    (tmp_path / "captions.csv").write_text("\n".join(rows))
    return [*paths, tmp_path / "captions.csv"]


def bring(page, files):
    page.set_input_files("#tray .tray-files", [str(file) for file in files])
    expect(page.locator(".tray-card")).to_have_count(len(files) - 1)


def test_six_pictures_with_captions_from_a_list_are_asked_one_after_the_other(visit, stage, many):
    stage.reset(first=Part((Beat("x", (STAR,)),)), second=Part((Beat("y", (STAR, RING)),)))
    page = visit()
    bring(page, many)
    expect(page.locator(".tray-problems")).to_contain_text("gone.png")
    expect(page.locator("#run")).to_have_text("Run all 6")
    page.click("#run")
    expect(page.locator(".tray-status", has_text="answered")).to_have_count(6)
    asked = sorted(ask.request.names for ask in stage.asked if ask.spec.id == "first")
    assert asked == [(f"caption {n}",) for n in (0, 1, 2, 3, 3)] + [("purple star", "person")]
    assert len(stage.asked) == 12
    page.locator(".tray-card").nth(3).locator(".tray-pick").click()
    expect(page.locator("#panel-first .overlay-svg")).to_have_attribute("viewBox", "0 0 330 200")
    expect(boxes(page, "second")).to_have_count(2)
    expect(page.locator("#panel-first .head-note")).to_have_text("1 agree · 1 missing here")
    expect(page.locator("#panel-second .head-note")).to_have_text("1 agree · 1 only here")


def test_what_is_typed_while_a_picture_is_on_its_way_stays(visit, stage, many, monkeypatch):
    page, taken = visit(), threading.Event()
    take = intake.take

    def slowly(*files, **named):
        assert taken.wait(60)
        return take(*files, **named)

    monkeypatch.setattr(intake, "take", slowly)
    page.set_input_files("#tray .tray-files", str(many[0]))
    page.locator("#question textarea").fill("green moon")
    page.wait_for_timeout(500)  # for the browser to tell the server what it tells
    taken.set()
    expect(page.locator("#tray")).to_contain_text("photo 0.png")
    expect(page.locator("#panel-first .overlay-svg")).to_have_attribute("viewBox", "0 0 300 200")
    expect(page.locator("#question textarea")).to_have_value("green moon")
    page.click("#run")
    expect(status(page, "second")).to_contain_text("answered ·")
    assert {ask.request.names for ask in stage.asked} == {("green moon",)}


def test_one_of_several_pictures_can_be_tried_first(visit, stage, many):
    page = visit()
    bring(page, many)
    page.click("#run-one")
    expect(status(page, "second")).to_contain_text("answered ·")
    assert len(stage.asked) == 2
    page.click("#run")
    expect(page.locator(".tray-status", has_text="answered")).to_have_count(6)
    assert len(stage.asked) == 12, "what was answered is not asked again"


def test_what_is_typed_under_a_picture_survives_a_reload_and_is_asked(visit, stage, many):
    page = visit()
    bring(page, many)
    page.locator(".tray-card").nth(5).locator(".tray-caption").fill("a lighthouse")
    page.reload()  # at once: nothing of it has been sent
    expect(page.locator(".tray-card").nth(5).locator(".tray-caption")).to_have_value("a lighthouse")
    page.click("#run")
    expect(page.locator(".tray-status", has_text="answered")).to_have_count(6)
    assert ("a lighthouse",) in {ask.request.names for ask in stage.asked}


def test_a_removed_picture_comes_back_by_undo(visit, stage, many):
    page = visit()
    bring(page, many)
    page.locator(".tray-card").nth(1).locator(".tray-remove").click()
    expect(page.locator("#run")).to_have_text("Run all 5")
    page.locator(".tray-undo").click()
    expect(page.locator(".tray-card")).to_have_count(6)


def test_an_edited_prompt_and_a_higher_limit_are_asked_of_one_model(visit, stage):
    stage.reset(first=Part((Beat("a b c d", (STAR,)),), "truncated", ("stopped after 4 tokens; raise the limit",)))
    page = visit()
    page.click("#run")
    expect(status(page, "first")).to_contain_text("raise “Longest answer” below")
    stage.asked.clear()
    stage.parts = {"first": Part((Beat("whole", (STAR, RING)),))}
    page.locator("#panel-first .panel-settings > summary").click()
    prompt = page.locator("#panel-first .panel-prompt textarea")
    expect(prompt).to_have_value("detect purple star ; person")
    prompt.fill("detect every person")
    page.locator("#panel-first .panel-tokens input[type=number]").fill("2048")
    page.locator("#panel-first .panel-tokens input[type=number]").press("Tab")
    page.locator("#panel-first .panel-again").click()
    expect(status(page, "first")).to_contain_text("2 boxes ·")
    [ask] = stage.asked
    assert ask.request.prompt == "detect every person" and ask.generation.max_tokens == 2048
    expect(prompt).to_have_value("detect every person")
    page.reload()
    page.locator("#panel-first .panel-settings > summary").click()
    expect(prompt).to_have_value("detect every person")
    expect(page.locator("#panel-first .panel-tokens input[type=number]")).to_have_value("2048")


def test_history_brings_an_earlier_comparison_back_and_a_link_shows_it_to_others_until_revoked(visit, stage, chromium):
    stage.reset(first=Part((Beat("x", (STAR,)),)))
    page = visit()
    page.click("#run")
    expect(boxes(page, "first")).to_have_count(1)
    stage.parts = {"first": Part((Beat("x", (STAR, RING)),))}
    page.fill("#question textarea", "a second question")
    page.click("#run")
    expect(boxes(page, "first")).to_have_count(2)
    page.click("#history > button")
    expect(page.locator("#history-strip .strip-item")).to_have_count(2)
    page.locator("#history-strip .strip-item").nth(1).click()
    expect(boxes(page, "first")).to_have_count(1)
    expect(page.locator("#question textarea")).to_have_value("purple star; person")
    page.click("#share")
    expect(page.locator("#link")).to_be_visible()
    link = page.locator("#link input, #link textarea").input_value()
    other = chromium.new_page()  # another browser profile
    other.goto(link)
    expect(boxes(other, "first")).to_have_count(1)
    assert other.locator("#history-strip .strip-item").count() == 0
    page.click("#revoke")
    expect(page.locator("#history-said")).to_contain_text("shows nothing any more")
    other.reload()
    expect(other.locator("#notice")).to_contain_text("shows nothing any more")
    expect(boxes(other, "first")).to_have_count(0)
    other.close()


def test_a_visitor_of_a_link_who_runs_it_asks_in_a_copy_of_their_own(visit, stage, chromium):
    stage.reset(first=Part((Beat("x", (STAR,)),)))
    page = visit()
    page.click("#run")
    expect(boxes(page, "first")).to_have_count(1)
    page.click("#share")
    expect(page.locator("#link")).to_be_visible()
    link = page.locator("#link input, #link textarea").input_value()
    other = chromium.new_page()
    other.goto(link)
    expect(boxes(other, "first")).to_have_count(1)
    stage.parts = {"first": Part((Beat("x", (STAR, RING)),))}
    other.click("#run")
    expect(boxes(other, "first")).to_have_count(2)
    page.reload()
    expect(boxes(page, "first")).to_have_count(1)
    other.close()


def test_a_comparison_is_taken_away_as_pictures_json_zip_and_command(visit, stage, many, tmp_path):
    stage.reset(first=Part((Beat("x", (STAR,)),)))
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.click("#take-json")
    expect(page.locator("#take-json")).to_contain_text("Press Run first")
    bring(page, many[:2] + many[-1:])
    page.click("#run")
    expect(page.locator(".tray-status", has_text="answered")).to_have_count(2)

    def saved(selector):
        with page.expect_download() as coming:
            page.click(f"{selector} button")
        path = tmp_path / coming.value.suggested_filename
        coming.value.save_as(path)
        return path

    told = json.loads(saved("#take-json").read_text("utf-8"))
    assert len(told["predictions"]) == 4 and "tmp" not in json.dumps(told)
    with PIL.Image.open(saved("#panel-first .download")) as picture:
        assert picture.size == (300, 200)
    with PIL.Image.open(saved("#take-sheet")) as sheet:
        assert sheet.width > 300
    with zipfile.ZipFile(saved("#take-zip")) as everything:
        assert any(name.endswith("photo 0.png") for name in everything.namelist())
    page.locator("#take-command button").click()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.count("python -m app compare") == 2 and "'photo 0.png'" in command


def test_a_stopped_run_goes_on_where_it_ended(visit, stage, many):
    stage.reset(first=Part((HOLD, Beat("x", (STAR,)))), second=Part((Beat("y", (STAR,)),)))
    page = visit()
    bring(page, many[:3] + many[-1:])
    page.click("#run")
    expect(status(page, "second")).to_contain_text("1 box ·")
    expect(page.locator(".tray-status", has_text="1 of 2")).to_have_count(3)
    page.click("#stop")
    expect(page.locator("#notice")).to_have_text("Stopped.")
    stage.go.set()
    stage.asked.clear()
    page.click("#run")
    expect(page.locator(".tray-status", has_text="answered")).to_have_count(3)
    assert {ask.spec.id for ask in stage.asked} == {"first"} and len(stage.asked) == 3


def test_where_the_truth_is_known_it_is_a_layer_and_each_answer_has_a_score(visit, stage, tmp_path):
    stage.reset(first=Part((Beat("x", (STAR,)),)), second=Part((Beat("y", (STAR, RING)),)))
    PIL.Image.new("RGB", (400, 300), "#889").save(tmp_path / "known.png")
    truth = [{"label": "red star", "box": list(STAR.box)}, {"label": "ring", "box": list(RING.box)}]
    (tmp_path / "list.jsonl").write_text(json.dumps({"file": "known.png", "caption": "red star; ring", "truth": truth}))
    page = visit()
    bring(page, [tmp_path / "known.png", tmp_path / "list.jsonl"])
    expect(page.locator("#panel-first .overlay-svg")).to_have_attribute("viewBox", "0 0 400 300")
    page.click("#run")
    expect(page.locator("#panel-first .head-note")).to_have_text("F1 0.67 · 1 agree · 1 missing here")
    expect(page.locator("#panel-second .head-note")).to_have_text("F1 1.00 · 1 agree · 1 only here")
    layer = page.locator("#panel-first .overlay-truths .overlay-object").first
    expect(layer).to_be_hidden()
    page.get_by_role("button", name="Truth").click()
    expect(layer).to_be_visible()


def test_a_full_disk_is_said_on_the_page_and_nothing_is_lost(visit, stage, monkeypatch):
    stage.reset(first=Part((Beat("x", (STAR,)),)))
    page = visit()
    page.click("#run")
    expect(boxes(page, "first")).to_have_count(1)
    with monkeypatch.context() as full:
        def refuse(*_):
            raise ValueError("the disk of the store is full; free some space and try again")
        full.setattr(stage.store, "begin", refuse)
        page.fill("#question textarea", "something else")
        page.click("#run")
        expect(page.locator("#notice")).to_contain_text("The disk of the store is full")
    expect(boxes(page, "first")).to_have_count(1)
    page.click("#run")
    expect(page.locator("#notice")).not_to_contain_text("full")
    expect(status(page, "first")).to_contain_text("1 box ·")


def test_a_prompt_that_is_typed_while_the_page_says_the_same_again_stays_and_can_be_taken_back(visit, stage):
    page = visit()
    page.locator("#panel-first .panel-settings > summary").click()
    prompt, own = page.locator("#panel-first .panel-prompt textarea"), page.locator("#panel-first .settings-own")
    expect(prompt).to_have_value("detect purple star ; person")
    expect(own).to_be_hidden()
    prompt.fill("detect every person")
    page.click("#run")  # the other models are asked in their own words, and so is this one
    expect(status(page, "first")).to_contain_text("answered ·")
    expect(prompt).to_have_value("detect every person")
    assert {ask.request.prompt for ask in stage.asked} == {None}
    own.click()
    expect(prompt).to_have_value("detect purple star ; person")
    expect(own).to_be_hidden()
    tokens = page.locator("#panel-first .panel-tokens input[type=number]")
    tokens.fill("")
    tokens.press("Tab")
    expect(tokens).to_have_value("512")
    tokens.fill("99999")
    tokens.press("Tab")
    expect(tokens).to_have_value("4096")
    expect(page.locator("#panel-first .panel-tokens input[type=range]")).to_have_value("4096")


def test_one_model_alone_can_be_asked_before_any_run_with_an_edited_prompt(visit, stage):
    page = visit()
    page.locator("#panel-second .panel-settings > summary").click()
    expect(page.locator("#panel-second .panel-prompt textarea")).to_have_value(re.compile("purple star"))
    page.fill("#panel-second .panel-prompt textarea", "where is it?")
    page.press("#panel-second .panel-prompt textarea", "Tab")
    page.locator("#panel-second .panel-again").click()
    expect(status(page, "second")).to_contain_text("answered ·")
    assert [(ask.spec.id, ask.request.prompt) for ask in stage.asked] == [("second", "where is it?")]
