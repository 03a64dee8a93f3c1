"""Panels that look together: linked zoom, what lights up in the others, layers that can be hidden, and the truth."""
from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import gradio as gr
import PIL.Image
import pytest
from PIL import ImageDraw
from playwright.sync_api import expect

from app.types import Annotation, Point
from app.ui import page as app_page
from app.ui.layers import Layers
from app.ui.overlay import Overlay, View
from tests.waiting import wait

SIZE = (800, 600)
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>${window.hacked=1}'
STAR = Annotation("star", (100.0, 100.0, 260.0, 260.0), score=0.91)
FIGURE = Annotation("person", (500.0, 200.0, 700.0, 560.0), (Point("head", 600, 240), Point("left hand", 520, 380)))
DOT = Annotation("dot", None, (Point("", 400, 100),))
FIRST = (STAR, FIGURE, DOT)
SECOND = (Annotation("red star", (110.0, 110.0, 270.0, 270.0)),                # IoU 0.78 with the star
          Annotation("star", (230.0, 230.0, 390.0, 390.0)),                    # touches it: IoU 0.02
          Annotation("Dot", None, (Point("", 430, 120),)), Annotation("dot", None, (Point("", 400, 400),)),
          Annotation("speck", None, (Point("", 401, 101),)))
TRUTH = (Annotation("star", (98.0, 96.0, 256.0, 262.0)), Annotation("dot", None, (Point("", 402, 104),)))


def paint(path, colour):
    picture = PIL.Image.new("RGB", SIZE, colour)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((100, 100, 260, 260), fill="#b33")
    pen.rectangle((500, 200, 700, 560), fill="#386")
    pen.ellipse((392, 92, 408, 108), fill="#fd0")
    picture.save(path)
    return str(path)


@dataclass
class Show:
    """What the page's buttons bring: the views of the next answer, one per panel."""
    address: str
    first: View
    other: View
    views: tuple = ()


@pytest.fixture(scope="module")
def show(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looking")
    first, other = View(paint(folder / "a.png", "#dde4ee"), SIZE), View(paint(folder / "b.png", "#eed"), SIZE)
    scene = Show("", first, other)
    with gr.Blocks(title="Looking", analytics_enabled=False, fill_width=True) as page:
        gr.HTML('<p style="height: 40px; margin: 0">A page with panels.</p>', apply_default_css=False)
        with gr.Tab("Compare"):
            Layers(elem_id="layers")
            with gr.Row(elem_classes="panels"):
                overlays = []
                for name, answers in (("a", FIRST), ("b", SECOND), ("c", FIRST[:1])):
                    with gr.Column(min_width=280, elem_classes="model") as column:
                        overlays.append(Overlay(replace(first, annotations=answers, truth=TRUTH), elem_id=name))
            gr.Button("Next", elem_id="next").click(lambda: scene.views, None, overlays)
            gr.Button("Without c", elem_id="without").click(lambda: gr.update(visible=False), None, column)
            gr.Button("With c", elem_id="with").click(lambda: gr.update(visible=True), None, column)
        with gr.Tab("Elsewhere"):
            Overlay(replace(first, annotations=FIRST), elem_id="alone")
        gr.HTML('<p style="height: 1200px">below</p>', apply_default_css=False)
    _, scene.address, _ = app_page.launch(page, prevent_thread_lock=True, quiet=True, allowed_paths=[str(folder)])
    yield scene
    page.close(verbose=False)


@pytest.fixture
def look(chromium, show):
    """`look()` opens the page with its three panels."""
    contexts = []

    def look(width=1200, height=800, context=None, **options):
        context = context or chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda said: page.faults.append(said.text) if said.type == "error" else None)
        page.goto(show.address)
        for name, count in (("a", 5), ("b", 7), ("c", 3)):   # with the truth
            expect(page.locator(f"#{name} .overlay-object")).to_have_count(count)
        page.wait_for_function("document.querySelector('#layers output').textContent === '100 %'")
        return page

    yield look
    for context in contexts:
        for page in context.pages:
            assert not page.faults, f"the page's own scripts failed: {page.faults}"
    for context in set(contexts):
        context.close()


def windows(page):
    """What each panel sees of the picture, as (x, y, width, height)."""
    settled(page)
    boxes = page.eval_on_selector_all(".panels .overlay-svg", "all => all.map(each => each.getAttribute('viewBox'))")
    return [tuple(map(float, box.split())) for box in boxes]


def in_sight(page):
    """Whether the second panel sees the middle of the object that has the focus."""
    x, y, width, height = windows(page)[1]
    across, down = page.evaluate("(() => { const b = document.activeElement.getBBox(); "
                                 "return [b.x + b.width / 2, b.y + b.height / 2]; })()")
    return x - 1 <= across <= x + width + 1 and y - 1 <= down <= y + height + 1


def settled(page):
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def middle(page, name="a"):
    box = page.locator(f"#{name} .overlay-svg").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def wheel(page, name, by, ctrl=False):
    page.mouse.move(*middle(page, name))
    if ctrl:
        page.keyboard.down("Control")
    page.mouse.wheel(0, by)
    if ctrl:
        page.keyboard.up("Control")
    page.wait_for_timeout(60)


def lit(page, name):
    return sorted(each.get_attribute("aria-label").split(";")[0]
                  for each in page.locator(f"#{name} .overlay-shapes .lit").all())


def answer(page, name, label):
    return page.locator(f'#{name} .overlay-shapes [aria-label^="{label};"]')


def test_zooming_one_panel_zooms_all_to_the_same_part_of_the_picture(look):
    page = look()
    assert windows(page) == [(0, 0, 800, 600)] * 3
    wheel(page, "a", -300, ctrl=True)
    a, b, c = windows(page)
    assert a == b == c and 400 < a[2] < 800
    assert page.locator("#layers output").inner_text() == f"{round(800 / a[2] * 100)} %"


def test_what_is_under_the_pointer_stays_under_it(look):
    page = look()
    box = page.locator("#a .overlay-svg").bounding_box()
    at = (box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.3)
    page.mouse.dblclick(*at)
    x, y, width, height = windows(page)[0]
    assert width == pytest.approx(800 / 3)
    assert (x + width * 0.2, y + height * 0.3) == pytest.approx((160, 180), abs=1.5)
    page.mouse.dblclick(*at)
    assert windows(page) == [(0, 0, 800, 600)] * 3


def test_the_wheel_scrolls_the_page_until_a_picture_is_enlarged(look):
    page = look(height=500)
    wheel(page, "a", 100)
    page.wait_for_function("scrollY > 50")
    assert windows(page)[0] == (0, 0, 800, 600)
    page.locator("#layers [data-by=in]").click()
    scrolled = page.evaluate("scrollY")
    wheel(page, "a", -100)
    assert windows(page)[0][2] < 800 / 1.5 and page.evaluate("scrollY") == scrolled


def test_zoom_and_pan_never_leave_the_picture(look):
    page = look()
    for _ in range(10):
        page.locator("#layers [data-by=in]").click()
    assert page.locator("#layers output").inner_text() == "4000 %"
    assert windows(page)[0][2:] == pytest.approx((20, 15))
    page.locator("#a .overlay-svg").focus()
    for _ in range(12):
        page.keyboard.press("-")
    page.keyboard.press("+")
    x, y = middle(page)
    for dx, dy in ((500, 400), (-900, -700)):
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + dx / 2, y + dy / 2)
        page.mouse.move(x + dx, y + dy)
        page.mouse.up()
        left, top, width, height = windows(page)[0]
        assert width == pytest.approx(800 / 1.5)
        assert left >= -1e-6 and top >= -1e-6 and left + width <= 800 + 1e-6 and top + height <= 600 + 1e-6
    assert (left, top) == pytest.approx((800 - width, 600 - height))


def test_a_drag_moves_the_picture_with_the_pointer(look):
    page = look()
    page.locator("#layers [data-by=in]").click()
    before = windows(page)[0]
    scale = before[2] / page.locator("#a .overlay-svg").bounding_box()["width"]
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y + 10)
    page.mouse.move(x + 60, y - 30)
    page.mouse.up()
    after = windows(page)[0]
    assert (before[0] - after[0], before[1] - after[1]) == pytest.approx((60 * scale, -30 * scale), abs=0.5)
    page.mouse.move(x, y)   # the button is up: nothing moves any more
    assert windows(page)[0] == after


def test_the_keyboard_zooms_and_moves_a_picture_that_has_the_focus(look):
    page = look()
    page.locator("#b .overlay-svg").focus()
    page.keyboard.press("ArrowRight")
    assert windows(page)[0] == (0, 0, 800, 600)
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    x, y, width, height = windows(page)[0]
    assert width == pytest.approx(800 / 1.5) and x > (800 - width) / 2 and y > (600 - height) / 2
    page.keyboard.press("0")
    assert windows(page) == [(0, 0, 800, 600)] * 3
    page.keyboard.press("Tab")   # into its objects, where the arrows go from one to the next, and into sight
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.keyboard.press("+")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        wait(lambda: in_sight(page))
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.classList.contains('overlay-svg')")


def test_zoom_stays_while_answers_come_and_is_reset_by_another_picture(look, show):
    page = look()
    page.locator("#layers [data-by=in]").click()
    near = windows(page)
    show.views = [replace(show.first, annotations=(Annotation("news", (1.0, 2.0, 300.0, 400.0)),))] * 3
    page.click("#next")
    expect(answer(page, "a", "news")).to_have_count(1)
    assert windows(page) == near
    show.views = [replace(show.other, annotations=FIRST)] * 3
    page.click("#next")
    expect(answer(page, "a", "star")).to_have_count(1)
    expect(page.locator("#layers output")).to_have_text("100 %")
    assert windows(page) == [(0, 0, 800, 600)] * 3


def test_a_panel_that_comes_later_looks_where_the_others_do(look):
    page = look()
    page.click("#without")
    expect(page.locator("#c .overlay-svg")).to_have_count(0)
    page.click("#layers [data-by=in]")
    page.click("#layers [data-layer=boxes]")
    page.click("#with")
    expect(page.locator("#c .overlay-object")).to_have_count(3)
    a, b, c = windows(page)
    assert a == b == c and a[2] == pytest.approx(800 / 1.5)
    expect(page.locator("#c .overlay-shapes .overlay-box")).to_be_hidden()


def test_labels_and_lines_keep_their_size_on_the_screen(look):
    page = look()
    tag = page.locator("#a .overlay-tag rect").first
    before = tag.bounding_box()
    line = "each => parseFloat(getComputedStyle(each).strokeWidth) * each.getScreenCTM().a"
    thick = page.locator("#a .overlay-box").first.evaluate(line)
    page.mouse.dblclick(*middle(page))
    settled(page)
    assert tag.bounding_box()["height"] == pytest.approx(before["height"], abs=1)
    assert page.locator("#a .overlay-box").first.evaluate(line) == pytest.approx(thick, abs=0.1)
    frame = page.locator("#a .overlay-svg").bounding_box()
    for each in page.locator("#a .overlay-tag:not(.crowded)").all():
        at = each.bounding_box()
        assert at["x"] >= frame["x"] - 1 and at["x"] + at["width"] <= frame["x"] + frame["width"] + 1


def test_an_object_that_is_looked_at_lights_up_what_overlaps_it_in_the_others(look):
    page = look()
    answer(page, "a", "star").hover()
    assert lit(page, "a") == [] and lit(page, "b") == ["red star"] and lit(page, "c") == ["star"]
    expect(page.locator("#b .overlay-svg.looking")).to_have_count(0)   # nothing steps back in the others
    page.mouse.move(2, 2)
    assert lit(page, "b") == lit(page, "c") == []


def test_points_light_up_near_points_of_the_same_label(look):
    page = look()
    page.locator("#a .overlay-svg").focus()
    page.keyboard.press("Tab")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("dot;")
    assert math.hypot(30, 20) < 0.05 * math.hypot(*SIZE) and lit(page, "b") == ["Dot"]
    page.keyboard.press("Escape")
    assert lit(page, "b") == []


def test_layers_are_hidden_and_stay_hidden_on_the_next_visit(look):
    page = look()
    tag, box, point = (page.locator(f"#a .overlay-{kind}") for kind in ("tag", "box", "point"))
    labels = page.locator("#layers [data-layer=labels]")
    assert labels.get_attribute("aria-pressed") == "true"
    labels.click()
    assert labels.get_attribute("aria-pressed") == "false"
    expect(page.locator("#a .overlay-tag:visible")).to_have_count(0)
    answer(page, "a", "star").hover()   # a label is there for whom one asks
    expect(page.locator("#a .overlay-tag:visible")).to_have_text("star 0.91")
    page.locator("#layers [data-layer=boxes]").click()
    for each in page.locator("#a .overlay-shapes .overlay-box").all():
        expect(each).to_be_hidden()
    page.locator("#layers [data-layer=points]").click()
    for each in page.locator("#a .overlay-shapes .overlay-point").all():
        expect(each).to_be_hidden()
    again = look(context=page.context)
    for layer in ("labels", "boxes", "points"):
        assert again.locator(f"#layers [data-layer={layer}]").get_attribute("aria-pressed") == "false"
    again.locator("#a .overlay-svg").focus()
    for key in "lBp":
        again.keyboard.press(key)
    expect(again.locator("#a .overlay-tag:visible")).not_to_have_count(0)
    expect(again.locator("#c .overlay-shapes .overlay-box").first).to_be_visible()
    assert tag.count() and box.count() and point.count()


def slide(page, to):
    page.locator("#layers input[type=range]").fill(str(to))


def test_answers_below_the_confidence_are_hidden_and_those_without_a_score_always_stay(look, show):
    page = look()
    low, none = replace(STAR, label="low", score=0.3449), replace(STAR, label="unscored", score=None)
    full = replace(STAR, label="full", score=1.0)
    show.views = [replace(show.first, annotations=(low, none, full, replace(STAR, label="even", score=0.3451))),
                  replace(show.first, annotations=(STAR,)), replace(show.first, annotations=(none,))]
    page.click("#next")
    expect(page.locator("#a .overlay-shapes .overlay-object")).to_have_count(4)
    expect(page.locator("#layers .layers-least")).to_have_text("Confidence ≥ 0.00")
    slide(page, 0.35)
    expect(page.locator("#layers .layers-least")).to_have_text("Confidence ≥ 0.35")
    for label, seen in (("low", False), ("unscored", True), ("full", True), ("even", True)):
        expect(answer(page, "a", label)).to_be_visible(visible=seen)
    expect(page.locator("#a .overlay-svg")).to_have_attribute("aria-label", re.compile("3 objects and 1 too unsure"))
    said = page.locator("#a .overlay-tag").all_text_contents()
    assert sorted(said) == ["even 0.35", "full 1.00", "unscored"]
    slide(page, 1)
    expect(answer(page, "a", "unscored")).to_be_visible()
    expect(answer(page, "a", "full")).to_be_visible()
    expect(answer(page, "a", "even")).to_be_hidden()
    expect(answer(page, "b", "star")).to_be_hidden()
    answer(page, "a", "full").dispatch_event("pointerover")   # what is hidden is not lit, and not reached by the arrows
    assert lit(page, "b") == [] and lit(page, "c") == ["unscored"]
    page.locator("#a .overlay-svg").focus()
    page.keyboard.press("Tab")
    reached = set()
    for _ in range(3):
        reached.add(page.evaluate("document.activeElement.getAttribute('aria-label').split(';')[0]"))
        page.keyboard.press("ArrowRight")
    assert reached == {"unscored", "full"}
    slide(page, 0)
    expect(answer(page, "a", "low")).to_be_visible()


def test_the_confidence_is_kept_and_rests_where_nothing_has_a_score(look, show):
    page = look()
    slider = page.locator("#layers input[type=range]")
    expect(slider).to_be_enabled()
    slide(page, 0.95)
    expect(answer(page, "a", "star")).to_be_hidden()
    again = look(context=page.context)
    expect(answer(again, "a", "star")).to_be_hidden()
    expect(again.locator("#layers .layers-least")).to_have_text("Confidence ≥ 0.95")
    again.get_by_role("tab", name="Elsewhere").click()   # no bar there to bring it back with
    expect(answer(again, "alone", "star")).to_be_visible()
    again.get_by_role("tab", name="Compare").click()
    show.views = [replace(show.first, annotations=SECOND)] * 3
    again.click("#next")
    expect(answer(again, "a", "Dot")).to_be_visible()
    expect(again.locator("#layers input[type=range]")).to_be_disabled()
    assert again.locator("#layers .layers-least").get_attribute("title") == "No answer here has a score"


def test_the_truth_is_shown_on_request_and_has_a_tag_only_while_one_looks(look, show):
    page = look()
    truth, switch = page.locator("#a .overlay-truth"), page.locator("#layers [data-layer=truth]")
    expect(truth.first).to_be_hidden()
    switch.click()
    expect(truth.first).to_be_visible()
    expect(page.locator("#a .of-truth:visible")).to_have_count(0)
    answer(page, "a", "star").hover()   # an answer and its truth stay bright together
    expect(page.locator("#a .overlay-truth.lit")).to_have_attribute("aria-label", re.compile("truth: star;"))
    expect(page.locator("#a .of-truth:visible")).to_have_count(0)
    page.locator("#a .overlay-svg").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    expect(page.locator("#a .of-truth:visible")).to_have_text("truth: dot")
    assert lit(page, "a") == ["dot"] and lit(page, "b") == ["Dot"]
    page.keyboard.press("t")
    expect(truth.first).to_be_hidden()
    settled(page)
    assert page.evaluate("document.activeElement.classList.contains('overlay-svg')")
    show.views = [replace(show.first, annotations=FIRST)] * 3
    page.click("#next")
    expect(switch).to_be_disabled()
    assert switch.get_attribute("title") == "No ground truth for this picture"


def test_words_of_a_model_stay_words(look, show):
    page = look()
    hostile = Annotation(HOSTILE, (10.0, 10.0, 300.0, 300.0), (Point(HOSTILE, 50, 50), Point("b", 90, 90)),
                         id='"><img src=x onerror=window.hacked=1>')
    show.views = [replace(show.first, annotations=(hostile,), truth=(hostile,))] * 3
    page.click("#next")
    expect(page.locator("#a .overlay-shapes .overlay-object")).to_have_count(1)
    expect(page.locator("#a .overlay-tag:not(.of-truth)")).to_contain_text("<img src=x")
    page.locator("#a .overlay-shapes .overlay-object").hover()
    expect(page.locator("#b .overlay-object.lit")).to_have_count(1)
    page.mouse.dblclick(*middle(page))
    settled(page)
    assert page.evaluate("window.hacked") is None
    expect(page.locator(".panels img, .panels script")).to_have_count(0)


def test_an_overlay_outside_of_panels_zooms_alone(look):
    page = look()
    page.get_by_role("tab", name="Elsewhere").click()
    alone = page.locator("#alone .overlay-svg")
    alone.focus()
    page.keyboard.press("+")
    settled(page)
    assert float(alone.get_attribute("viewBox").split()[2]) == pytest.approx(800 / 1.5)
    assert windows(page) == [(0, 0, 800, 600)] * 3


def test_on_a_phone_two_fingers_zoom_and_one_scrolls_until_then(look):
    page = look(width=390, height=844, has_touch=True, is_mobile=True)
    finger = page.context.new_cdp_session(page)

    def touch(kind, *points):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [
            {"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]})

    def swipe(x, y, dx, dy):
        touch("touchStart", (x, y))
        for n in range(1, 9):
            touch("touchMove", (x + dx * n / 8, y + dy * n / 8))
        page.wait_for_timeout(150)   # a finger that rests does not fling the page
        touch("touchEnd")
        page.wait_for_timeout(100)

    x, y = middle(page, "a")
    swipe(x, y, 0, -120)
    assert page.evaluate("scrollY") > 60 and windows(page)[0] == (0, 0, 800, 600)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(100)
    x, y = middle(page, "a")
    touch("touchStart", (x - 20, y))
    touch("touchStart", (x - 20, y), (x + 20, y))
    for n in range(1, 9):   # fingers that part also drift, which a browser would take for a scroll
        touch("touchMove", (x - 20 - 5 * n, y - 8 * n), (x + 20 + 5 * n, y - 8 * n))
    touch("touchEnd")
    a, b, c = windows(page)
    assert a == b == c and a[2] == pytest.approx(800 / 3, rel=0.15)
    assert page.evaluate("scrollY") == 0 and page.evaluate("visualViewport.scale") == 1
    swipe(x, y, -60, 0)
    assert windows(page)[0][0] > a[0] + 30 and page.evaluate("scrollY") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    lefts = {round(each.bounding_box()["x"]) for each in page.locator(".panels .overlay").all()}
    assert len(lefts) == 1, "panels stack on a phone"
