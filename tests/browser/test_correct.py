"""The Correct tab from beginning to end, on a real store: predict, take, correct, next, reload, and all is there."""
from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from app.store.reviewing import Wanted
from app.types import Annotation, Point
from tests.browser.stage import Beat, Part
from tests.browser.test_editor import Hand, near
from tests.waiting import wait

BOXES = tuple(Annotation(f"thing {n}", (10.0 + 70 * n, 20.0 + 9 * n, 60.0 + 70 * n, 90.0 + 9 * n), score=0.5)
              for n in range(5))
MAN = Annotation("person", (300.0, 150.0, 420.0, 330.0), tuple(
    Point(name, x, y) for name, x, y in (("head", 360.0, 170.0), ("hip", 360.0, 240.0), ("left foot", 400.0, 320.0))))


class Corrector(Hand):
    """A person with a page and the store behind it."""

    def __init__(self, page, store):
        super().__init__(page, None)
        self.store = store

    def saved(self):
        expect(self.page.locator(".editor-saved")).to_have_text("saved", timeout=30_000)
        now = self.store.corrections.now(self.sample)
        return {each.id: {"box": each.box and list(each.box), "label": each.label, "points": each.points}
                for each in now.truth}

    @property
    def sample(self):
        return self.page.locator(".queue-items [aria-selected=true]").get_attribute("data-key")

    def open(self):
        self.page.get_by_role("tab", name="Correct").click()
        self.page.wait_for_selector(".editor:not(.empty) .overlay-svg:not([hidden])")
        self.page.wait_for_function("document.querySelector('.editor .overlay-svg').getBoundingClientRect().width > 50")

    def ask(self, name):
        expect(self.page.locator("#tray")).to_contain_text(name)
        self.page.click("#run")

    def take(self, files, model="first"):
        self.page.set_input_files("#tray .tray-files", files)
        self.ask(files.name)
        expect(self.page.locator(f"#panel-{model} .head-status")).to_contain_text("box", timeout=30_000)
        self.page.locator(f"#panel-{model} .panel-correct").click()
        self.page.wait_for_selector(".editor:not(.empty) .overlay-svg:not([hidden])")
        self.page.wait_for_function("document.querySelector('.editor .overlay-svg').getBoundingClientRect().width > 50")


@pytest.fixture
def correct(visit, stage):
    def correct(*found, **options):
        stage.reset(first=Part((Beat("x", found),)), second=Part((Beat("y", found[:1]),)))
        page = visit(**options)
        return Corrector(page, stage.store)
    return correct


def picture(tmp_path, colour, size=(640, 400)):
    from PIL import Image, ImageDraw
    path = tmp_path / f"{colour.strip('#')}.png"
    drawn = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(drawn).ellipse((40, 40, 300, 300), fill=colour)
    drawn.save(path)
    return path


PHONE = {"width": 390, "height": 844, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize(("way", "colour"), [("mouse", "#aa2233"), ("keys", "#22aa33"), ("fingers", "#3322aa")])
def test_predict_take_fix_three_add_one_delete_one_move_two_joints_and_a_reload_finds_all_of_it(
        correct, tmp_path, way, colour):
    you = correct(*BOXES, MAN, **(PHONE if way == "fingers" else {}))
    you.take(picture(tmp_path, colour))
    journey(you, way, BOXES, MAN)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["mouse", "keys", "fingers"])
def test_the_same_on_a_photograph(correct, shared, way):
    names = {"mouse": "000000184321.jpg", "keys": "000000289393.jpg", "fingers": "000000397133.jpg"}
    you = correct(*BOXES, MAN, **(PHONE if way == "fingers" else {}))
    you.take(shared / "coco/instances/images" / names[way])
    journey(you, way, BOXES, MAN)


def journey(you, way, boxes, man):
    you.page.wait_for_timeout(200)
    sample = you.sample
    taken = you.store.corrections.now(sample)
    assert (taken.model, taken.reviewed, len(taken.truth)) == ("first", False, 6)
    ids = {each.label: each.id for each in taken.truth}
    {"mouse": by_mouse, "keys": by_keys, "fingers": by_fingers}[way](you)
    saved = you.saved()
    within = {"mouse": 1.5, "keys": 0, "fingers": 4}[way]
    near(saved[ids["thing 0"]]["box"], (20, 30, 70, 100), within)
    near(saved[ids["thing 1"]]["box"], (80, 29, 140, 109), within)
    assert saved[ids["thing 2"]]["label"] == "zebra"
    assert ids["thing 4"] not in saved and len(saved) == 6
    before, after = {p.name: p for p in man.points}, {p.name: p for p in saved[ids["person"]]["points"]}
    moved = [name for name in before if (before[name].x, before[name].y) != (after[name].x, after[name].y)]
    assert moved == ["head", "hip"]
    changes = you.store.corrections.since(sample)
    assert set(changes.moved) == {ids["thing 0"], ids["thing 1"], ids["person"]}
    assert changes.relabelled == (ids["thing 2"],) and changes.deleted == (ids["thing 4"],)
    assert len(changes.added) == 1 and changes.kept == (ids["thing 3"],)
    you.focus()
    you.press("Shift+Enter")
    wait(lambda: you.store.corrections.now(sample).reviewed)
    final = you.store.corrections.now(sample).truth
    assert [each.box for each in final] == [saved[each.id]["box"] and tuple(saved[each.id]["box"]) for each in final]
    you.page.reload()
    you.page.wait_for_selector("#panel-first .overlay-svg:not([hidden])")
    you.page.get_by_role("tab", name="Correct").click()
    you.page.locator("[data-filter=status]").select_option("reviewed")
    you.page.locator(f".queue-items [data-key='{sample}']").click()
    expect(you.page.locator(".editor .overlay-shapes > .overlay-object")).to_have_count(6)
    for each in final:
        box = you.page.locator(f".editor .overlay-shapes [data-id='{each.id}'] .overlay-box")
        x, y, w, h = (float(box.get_attribute(name)) for name in ("x", "y", "width", "height"))
        assert (x, y, x + w, y + h) == pytest.approx(each.box, abs=1e-3)
    expect(you.page.locator(".editor-summary")).to_contain_text("1 added, 3 moved, 1 relabelled, 1 deleted since First")


def by_mouse(you):
    you.drag((30, 60), (40, 70))
    you.click(100, 60)
    you.drag((130, 99), (140, 109))
    you.click(170, 80)
    rename(you, "zebra")
    you.press("Escape")
    you.drag((500, 200), (560, 280))
    you.click(315, 90)
    you.press("Delete", "Escape")
    you.drag((360, 170), (350, 160))
    you.drag((360, 240), (370, 250))


def by_keys(you):
    you.focus()
    reach(you, "thing 0")
    you.press(*["ArrowRight"] * 10, *["ArrowDown"] * 10)
    reach(you, "thing 1")
    you.press(*["Alt+ArrowRight"] * 10, *["Alt+ArrowDown"] * 10)
    reach(you, "thing 2")
    you.press("l")
    you.page.keyboard.type("zebra")
    you.press("Enter")
    reach(you, "thing 4")
    you.press("Delete")
    reach(you, "person")
    you.press("j", *["ArrowLeft"] * 10, *["ArrowUp"] * 10, "j", *["ArrowRight"] * 10, *["ArrowDown"] * 10)
    you.press("Escape", "Escape", "i", "Shift+ArrowRight")


def by_fingers(you):
    finger = you.page.context.new_cdp_session(you.page)

    def touch(kind, *places):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [
            {"x": x, "y": y, "id": n} for n, (x, y) in enumerate(places)]})

    def swipe(start, end):
        (a, b), (c, d) = you.on_screen(*start), you.on_screen(*end)
        for _ in range(10):
            began = time.monotonic()
            touch("touchStart", (a, b))
            touch("touchMove", (a + (c - a) / 2, b + (d - b) / 2))
            if time.monotonic() - began < 0.4:
                break
            touch("touchCancel")  # a busy machine made a long press of it
        touch("touchMove", (c, d))
        touch("touchEnd")

    def tap(x, y):
        touch("touchStart", you.on_screen(x, y))
        touch("touchEnd")

    expect(you.page.locator(".editor.full")).to_be_visible()
    swipe((30, 60), (40, 70))
    tap(100, 60)
    swipe((130, 99), (140, 109))
    tap(170, 80)
    rename(you, "zebra")
    tap(560, 30)
    swipe((500, 200), (560, 280))
    tap(315, 90)
    you.page.locator("[data-do=delete]").tap()
    swipe((360, 170), (350, 160))
    swipe((360, 240), (370, 250))


def rename(you, label):
    box = you.page.locator(".editor-label")
    you.page.locator(".editor .overlay-object.chosen").first.wait_for()
    box.focus()
    box.fill(label)
    box.press("Enter")


def reach(you, label):
    """With N, as often as it takes."""
    for _ in range(10):
        you.press("n")
        if you.page.locator(".editor .overlay-object.chosen").get_attribute("aria-label").startswith(f"{label};"):
            return
    raise AssertionError(f"N never came to {label}")


def test_objects_of_two_answers_are_taken_together_one_with_the_others_label(correct, stage, tmp_path):
    one = (Annotation("cat", (40.0, 40.0, 200.0, 200.0)), Annotation("cup", (300.0, 40.0, 380.0, 120.0)))
    other = (Annotation("lynx", (50.0, 50.0, 210.0, 210.0)),)
    you = correct(*one)
    stage.reset(first=Part((Beat("x", one),)), second=Part((Beat("y", other),)))
    page = you.page
    page.set_input_files("#tray .tray-files", picture(tmp_path, "#1133aa"))
    you.ask("1133aa.png")
    for model in ("first", "second"):
        expect(page.locator(f"#panel-{model} .head-status")).to_contain_text(" ·", timeout=30_000)
    page.locator("#panel-first .overlay-object", has=page.locator('[x="40"]')).focus()
    page.keyboard.press("c")
    page.locator("#panel-second .overlay-object").focus()
    page.keyboard.press("Shift+C")
    expect(page.locator(".basket-words")).to_have_text("Chosen: lynx")
    page.locator(".basket-take").click()
    page.wait_for_selector(".editor:not(.empty) .overlay-svg:not([hidden])")
    expect(page.locator(".editor .overlay-shapes > .overlay-object")).to_have_count(1)
    [taken] = you.store.corrections.now(you.sample).truth
    assert (taken.label, taken.box) == ("lynx", (40.0, 40.0, 200.0, 200.0))


def test_a_vote_hides_the_names_and_is_kept(correct, stage, tmp_path):
    you = correct(*BOXES[:1])
    page = you.page
    page.set_input_files("#tray .tray-files", picture(tmp_path, "#8833aa"))
    you.ask("8833aa.png")
    for model in ("first", "second"):
        expect(page.locator(f"#panel-{model} .head-status")).to_contain_text("1 box ·", timeout=30_000)
    page.locator(".vote-begin").click()
    expect(page.locator("#panel-first .head-title")).not_to_be_visible()
    expect(page.locator("#panel-first .panel-settings")).not_to_be_visible()
    letter = page.locator("#panel-second").get_attribute("data-letter")
    page.get_by_role("button", name=f"{letter} is best").click()
    expect(page.locator(".vote-said")).to_contain_text("You chose Second. In all votes:")
    expect(page.locator("#panel-first .head-title")).to_be_visible()
    assert you.store.votes.wins()["second"].won >= 1


def test_the_queue_is_filtered_walked_skipped_flagged_and_what_is_taken_out_comes_back(correct, stage, tmp_path):
    from app import pictures
    from app.types import Sample
    store = stage.store
    dataset = store.datasets.open("shelf")
    samples = [Sample(f"s{n}", (pictures.read(str(picture(tmp_path, f"#{n}{n}44{n}{n}"))),), "detect", "cat",
                      (Annotation("cat" if n else "dog", (10.0, 10.0, 60.0 + n, 90.0), id="a"),)) for n in range(4)]
    first, second, third, fourth = store.datasets.add(dataset.id, samples).ids
    you = correct()
    page = you.page
    page.get_by_role("tab", name="Correct").click()
    page.locator("[data-filter=dataset]").select_option(dataset.id)
    expect(page.locator(".queue-items li")).to_have_count(4)
    expect(page.locator(".queue-items [aria-selected=true]")).to_have_attribute("data-key", first)
    you.open()
    expect(page.locator(".queue-progress p")).to_have_text("0 of 4 reviewed")
    you.focus()
    you.press("f")
    expect(page.locator(".editor-saved")).to_have_text("saved")
    you.press("s")
    expect(page.locator(".queue-items [aria-selected=true]")).to_have_attribute("data-key", second)
    assert (store.queue.find(first).status, store.queue.find(first).flagged) == ("skipped", True)
    you.focus()
    you.press("Shift+Enter")
    expect(page.locator(".queue-items [aria-selected=true]")).to_have_attribute("data-key", third)
    assert store.queue.find(second).status == "reviewed"
    you.focus()
    you.press(",")
    expect(page.locator(".queue-progress p")).to_contain_text("1 of 4 reviewed · 1 skipped · 1 flagged")
    page.locator("[data-filter=label]").select_option("cat")
    expect(page.locator(".queue-items [aria-selected=true]")).to_have_attribute("data-key", third)
    page.locator(".editor-more summary").click()
    page.locator("[data-do=remove]").click()
    expect(page.locator(".queue-removed")).to_contain_text("was taken out")
    assert store.corrections.now(third).removed
    page.locator(".queue-removed button").click()
    expect(page.locator(".queue-items [aria-selected=true]")).to_have_attribute("data-key", third)
    assert not store.corrections.now(third).removed
    page.locator("[data-filter=label]").select_option("")
    page.locator("[data-filter=status]").select_option("skipped")
    expect(page.locator(".queue-items li")).to_have_count(1)
    assert store.queue.count(Wanted(dataset.id)) == 2 and fourth
