"""The overlay for eyes, keyboards and screen readers: names, order, one colour per label."""
from __future__ import annotations

from playwright.sync_api import expect

from app.colours import colour
from app.types import Annotation
from tests.browser.stage import HOLD, Beat, Part

LABELS = ["cat", "Cat", "red star", "кошка", "猫", "قطة", "Straße", "İstanbul", "e\u0301te\u0301", "été", "ΟΔΟΣ", "🦊",
          "a" * 200, "", " spaced ", "left\ud800half"]


def test_a_label_has_the_same_colour_in_python_and_in_the_browser(visit, stage):
    stage.reset(first=Part((Beat("x", tuple(
        Annotation(label, (0.0, 10.0 * n, 50.0, 10.0 * n + 9)) for n, label in enumerate(LABELS))),)))
    page = visit()
    page.click("#run")
    expect(page.locator("#panel-first .overlay-box")).to_have_count(len(LABELS))
    for n, label in enumerate(LABELS):
        box = page.locator(f'#panel-first .overlay-object[data-id="a{n}"] .overlay-box')
        assert box.get_attribute("stroke") == colour(label), label


def test_objects_have_names_and_the_keyboard_goes_through_them(visit, stage):
    stage.reset(first=Part((Beat("x", (Annotation("big", (0.0, 0.0, 200.0, 200.0)),
                                       Annotation("small", (10.0, 10.0, 60.0, 60.0), score=0.5))),)))
    page = visit()
    page.click("#run")
    objects = page.locator("#panel-first .overlay-object")
    expect(objects).to_have_count(2)
    assert page.locator("#panel-first .overlay-svg").get_attribute("aria-label").startswith("Picture with 2 objects")
    objects.first.focus()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "big; box from 0, 0 to 200, 200"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == (
        "small; box from 10, 10 to 60, 60; score 0.50")
    expect(page.locator("#panel-first .overlay-tag.on")).to_have_text("small 0.50")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-first .overlay-tag.on")).to_have_text("big")
    page.keyboard.press("Escape")
    expect(page.locator("#panel-first .overlay-svg.looking")).to_have_count(0)


def test_an_object_keeps_the_focus_while_others_are_still_coming(visit, stage):
    first, second = Annotation("first", (10.0, 10.0, 90.0, 90.0)), Annotation("second", (100.0, 10.0, 300.0, 200.0))
    stage.reset(first=Part((Beat("x", (first,)), HOLD, Beat("y", (first, second)))))
    page = visit()
    page.click("#run")
    expect(page.locator("#panel-first .overlay-object")).to_have_count(1)
    page.locator("#panel-first .overlay-object").focus()
    page.evaluate("window.seen = document.activeElement")
    stage.go.set()
    expect(page.locator("#panel-first .head-status")).to_contain_text("2 boxes ·")
    assert page.evaluate("window.seen === document.activeElement")
    expect(page.locator("#panel-first .overlay-object.on")).to_have_count(1)


def test_a_pointer_over_an_object_lets_the_others_step_back(visit, stage):
    stage.reset(first=Part((Beat("x", (Annotation("big", (0.0, 0.0, 400.0, 300.0)),
                                       Annotation("small", (100.0, 100.0, 160.0, 160.0)))),)))
    page = visit()
    page.click("#run")
    small = page.locator("#panel-first .overlay-object", has=page.locator('[x="100"]'))
    small.hover()
    expect(page.locator("#panel-first .overlay-object.on")).to_have_attribute("aria-label",
                                                                             "small; box from 100, 100 to 160, 160")
