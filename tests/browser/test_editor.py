"""The editor in a real browser: every edit with a mouse, with keys alone and with fingers, and what a save brings."""
from __future__ import annotations

import json

import pytest
from PIL import Image
from playwright.sync_api import expect

from app.types import Annotation, Point
from app.ui import page as app_page
from app.ui.editor import About, Work
from tests.browser.easel import easel
from tests.browser.test_hostile import CORPUS
from tests.waiting import wait

SIZE = (800, 600)
CAT = Annotation("cat", (100.0, 100.0, 300.0, 300.0), score=0.9, id="m1", score_source="tokens")
DOG = Annotation("dog", (400.0, 150.0, 640.0, 420.0), score=0.6, id="m2", score_source="tokens")
PAW = Annotation("cat", (150.0, 150.0, 220.0, 220.0), id="m3")  # inside the cat
JOINTS = (Point("left_shoulder", 640, 200), Point("right_shoulder", 560, 200), Point("nose", 600, 130))
MAN = Annotation("person", (500.0, 100.0, 700.0, 500.0), JOINTS, id="m4")


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """(address, ledger) of a page with the editor."""
    path = tmp_path_factory.mktemp("easel") / "picture.png"
    Image.linear_gradient("L").resize(SIZE).convert("RGB").save(path)
    from gradio import processing_utils, utils
    shown = processing_utils.save_file_to_cache(path, cache_dir=utils.get_upload_folder())

    def work(name, annotations, **rest):
        about = rest.pop("about", About("detect", "cat; dog"))
        return Work(name, shown, SIZE, about, annotations, annotations or (), "tiny-paligemma",
                    labels=("cat", "dog", "bird"), place="2 of 3", before=True, **rest)

    works = {
        "plain": work("plain", (CAT, DOG)), "pair": work("pair", (CAT, PAW)), "bare": work("bare", None),
        "man": work("man", (MAN,), about=About("keypoints", "nose; tail")),
        "copy": work("copy", (CAT,), earlier=(DOG,)), "words": work("words", None, about=About("ask", "what is it?")),
        "hostile": work("hostile", tuple(
            Annotation(text, (9.0 * n, 9.0, 9.0 * n + 200, 90.0), (Point(text, 9 * n, 20),), id=f"h{n}")
            for n, text in enumerate(CORPUS))),
    }
    blocks, ledger = easel(works)
    _, address, _ = app_page.launch(blocks, prevent_thread_lock=True, quiet=True)
    yield address, ledger
    blocks.close(verbose=False)


class Hand:
    """A person at the editor. Places are pixels of the picture."""

    def __init__(self, page, ledger):
        self.page, self.ledger = page, ledger

    def on_screen(self, x, y):
        return self.page.evaluate("""([x, y]) => {
            const to = document.querySelector('.editor .overlay-svg').getScreenCTM();
            return [to.a * x + to.e, to.d * y + to.f]; }""", [x, y])

    def click(self, x, y, **options):
        self.page.mouse.click(*self.on_screen(x, y), **options)

    def drag(self, start, end, button="left"):
        self.page.mouse.move(*self.on_screen(*start))
        self.page.mouse.down(button=button)
        self.page.mouse.move(*self.on_screen(*end), steps=4)
        self.page.mouse.up(button=button)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def saved(self):
        """The objects by id, as they are on the other side once all is saved."""
        expect(self.page.locator(".editor-saved")).to_have_text("saved", timeout=15_000)
        return self.ledger.objects

    def shown(self):
        return self.page.locator(".editor .overlay-shapes > .overlay-object").count()

    def focus(self):
        self.page.locator(".editor .overlay-svg").focus()


@pytest.fixture
def hand(chromium, studio):
    address, ledger = studio
    opened = []

    def hand(work="plain", width=1440, height=900, fresh=True, **options):
        if fresh:
            ledger.__init__()
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.requests, faults = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        opened.append((context, faults))
        page.goto(f"{address}?work={work}")
        page.wait_for_selector(".editor .overlay-svg:not([hidden])")
        page.wait_for_function("document.querySelector('.editor image').getBoundingClientRect().width > 10")
        return Hand(page, ledger)

    yield hand
    for context, faults in opened:
        context.close()
        assert not faults, f"the page's own scripts failed: {faults}"


def near(box, wanted, within=1.5):
    assert box and all(abs(a - b) <= within for a, b in zip(box, wanted, strict=True)), f"{box} is not {wanted}"


def test_with_a_mouse_boxes_are_moved_resized_drawn_deleted_and_all_of_it_undone(hand):
    you = hand()
    you.drag((250, 250), (270, 290))  # by its middle
    near(you.saved()["m1"]["box"], (120, 140, 320, 340))
    you.drag((640, 420), (700, 500))  # chosen first by a click elsewhere in it
    assert "m2" in you.saved()
    you.press("Control+z")
    you.click(500, 300)
    for start, end, wanted in (
            ((640, 420), (700, 500), (400, 150, 700, 500)), ((550, 150), (550, 100), (400, 100, 700, 500)),
            ((400, 300), (420, 300), (420, 100, 700, 500)), ((420, 500), (440, 480), (440, 100, 700, 480))):
        you.drag(start, end)
        near(you.saved()["m2"]["box"], wanted)
    you.drag((440, 100), (760, 560))  # past the opposite corner: the corners are put in order
    near(you.saved()["m2"]["box"], (700, 480, 760, 560))
    you.drag((20, 20), (90, 80))  # on an empty place: a new one
    drawn = [each for id, each in you.saved().items() if id not in ("m1", "m2")]
    near(drawn[0]["box"], (20, 20, 90, 80))
    assert drawn[0]["label"] == "cat" and drawn[0]["score_source"] == "person" and drawn[0]["score"] is None
    you.press("3")
    assert you.saved()[drawn[0]["id"]]["label"] == "bird"
    you.drag((330, 30), (390, 80))  # the last label is kept
    assert [each["label"] for each in you.saved().values()].count("bird") == 2
    you.press("Delete")
    assert len(you.saved()) == 3
    you.page.locator("[data-do=undo]").click()
    assert len(you.saved()) == 4
    for _ in range(20):
        you.press("Control+z")
    assert {id: each["box"] for id, each in you.saved().items()} == {"m1": list(CAT.box), "m2": list(DOG.box)}
    assert [each["score_source"] for each in you.saved().values()] == ["tokens", "tokens"], "not checked by anybody now"
    for _ in range(20):
        you.press("Control+Shift+z")
    assert len(you.saved()) == 3
    assert len([url for url in you.page.requests if "picture.png" in url]) == 1, "the picture was sent again"


def test_what_leaves_the_picture_stays_at_its_edge_and_no_box_is_empty(hand):
    you = hand()
    you.drag((200, 200), (-300, -300))
    near(you.saved()["m1"]["box"], (0, 0, 200, 200))
    you.click(500, 300)
    you.drag((640, 420), (1200, 900))
    near(you.saved()["m2"]["box"], (400, 150, 800, 600))
    you.drag((800, 600), (400, 150))
    left, top, right, bottom = you.saved()["m2"]["box"]
    assert right - left >= 1 and bottom - top >= 1


def test_keys_alone_are_enough(hand):
    you = hand()
    you.focus()
    you.press("n")
    expect(you.page.locator(".editor-voice")).to_have_text("cat; box from 100, 100 to 300, 300; score 0.90; 1 of 2")
    you.press("ArrowRight", "Shift+ArrowDown")
    near(you.saved()["m1"]["box"], (101, 110, 301, 310), 0)
    you.press("Alt+ArrowRight", "Alt+Shift+ArrowDown", "Control+ArrowLeft")
    near(you.saved()["m1"]["box"], (100, 110, 302, 320), 0)
    you.press("2")
    assert you.saved()["m1"]["label"] == "dog"
    you.press("l")
    you.page.keyboard.type("zebra & co")
    you.press("Enter")
    assert you.saved()["m1"]["label"] == "zebra & co"
    you.press("Enter")
    you.page.keyboard.type("bi")  # found in the list by typing
    expect(you.page.locator(".editor-labels [aria-selected=true]")).to_have_text("bird")
    you.press("Enter")
    assert you.saved()["m1"]["label"] == "bird"
    you.press("i")
    assert len(you.saved()) == 3
    you.press("Control+a", "Delete")
    assert you.saved() == {}
    you.press("Control+z", "Escape", "n", "a")
    assert len(you.saved()) == 3
    you.press("Shift+a")
    assert {each["score_source"] for each in you.saved().values()} == {"person"} and you.ledger.events[-1]["reviewed"]
    you.press("e")
    assert you.saved() == {} and you.ledger.events[-1]["nothing"]
    you.press("?")
    expect(you.page.locator(".editor-help")).to_be_visible()
    you.press("?")
    expect(you.page.locator(".editor-help")).not_to_be_visible()
    you.focus()
    you.press("Shift+Enter")
    you.page.wait_for_timeout(100)
    wait(lambda: you.ledger.gone)
    assert you.ledger.gone[-1] == {"to": "done", "sample": "plain"}


def test_overlaps_are_cycled_and_several_are_chosen(hand):
    you = hand("pair")
    chosen = you.page.locator(".editor .overlay-object.chosen")
    you.click(180, 180)
    expect(chosen).to_have_attribute("data-id", "m3")  # the small one lies on top
    you.click(180, 180)
    expect(chosen).to_have_attribute("data-id", "m1")
    you.press("o")
    expect(chosen).to_have_attribute("data-id", "m3")
    you.page.keyboard.down("Shift")
    you.click(280, 280)
    you.page.keyboard.up("Shift")
    expect(chosen).to_have_count(2)
    you.drag((280, 280), (290, 300))
    saved = you.saved()
    near(saved["m1"]["box"], (110, 120, 310, 320))
    near(saved["m3"]["box"], (160, 170, 230, 240))
    you.press("Escape")
    you.page.keyboard.down("Shift")
    you.drag((60, 60), (400, 400))
    you.page.keyboard.up("Shift")
    expect(chosen).to_have_count(2)
    you.press("2")
    assert {each["label"] for each in you.saved().values()} == {"dog"}


def test_what_changed_is_told_by_id(hand):
    you = hand()
    you.click(500, 300)
    you.press("ArrowRight", "3", "Escape")
    you.drag((20, 20), (90, 80))
    you.press("Escape")
    you.click(200, 200)
    you.press("Delete")
    expect(you.page.locator(".editor-summary")).to_have_text(
        "2 objects · 1 added, 1 moved, 1 relabelled, 1 deleted since tiny-paligemma")
    you.press("t")
    expect(you.page.locator(".editor .overlay-truth")).to_have_count(2)
    you.page.locator("[data-back=m1]").click()
    expect(you.page.locator(".editor-summary")).not_to_contain_text("deleted")
    assert you.saved()["m1"]["box"] == list(CAT.box)


def test_points_are_placed_moved_hidden_and_go_with_their_box(hand):
    you = hand("man")
    expect(you.page.locator(".editor .overlay-shapes .overlay-bone")).to_have_count(1)  # between the shoulders
    you.drag((600, 130), (610, 140))
    nose = you.saved()["m4"]["points"][2]
    near((nose["x"], nose["y"]), (610, 140))
    you.press("k")
    assert you.saved()["m4"]["points"][2]["visibility"] == "hidden"
    you.press("ArrowLeft", "k")
    assert you.saved()["m4"]["points"][2]["visibility"] == "absent"
    you.press("j", "Delete")
    assert [p["name"] for p in you.saved()["m4"]["points"]] == ["right_shoulder", "nose"]
    before = you.saved()["m4"]
    you.press("Shift+ArrowRight")
    after = you.saved()["m4"]
    assert [p["x"] for p in after["points"]] == [p["x"] + 10 for p in before["points"]], "a point stayed behind its box"
    you.press("Escape", "p")
    you.click(100, 100)  # the first that the question asks for, then the second
    you.click(120, 200)
    [figure] = [each for id, each in you.saved().items() if id != "m4"]
    assert [p["name"] for p in figure["points"]] == ["nose", "tail"] and figure["box"] is None
    you.press("Escape")
    you.page.locator(".editor-template").select_option(label="Person, 17 joints")
    you.focus()
    you.drag((200, 250), (400, 550))
    figure = next(each for each in you.saved().values() if each["box"] and each["id"] != "m4")
    near(figure["box"], (200, 250, 400, 550))
    assert len(figure["points"]) == 17 and all(200 <= p["x"] <= 400 and 250 <= p["y"] <= 550 for p in figure["points"])


def test_a_template_is_made_from_an_object_and_still_there_after_a_reload(hand):
    you = hand("man")
    you.click(520, 450)
    you.page.locator("[data-do=points]").click()
    you.page.locator(".editor-template").select_option("new")
    you.page.locator(".maker-title").fill("bust")
    you.page.locator(".maker-lines").fill("nose – left_shoulder; nose – ear")
    you.page.locator("[data-do=make]").click()
    expect(you.page.locator(".maker-problem")).to_contain_text("“nose – ear” is no line")
    you.page.locator(".maker-lines").fill("nose – left_shoulder; nose – right_shoulder")
    you.page.locator("[data-do=make]").click()
    expect(you.page.locator(".editor .overlay-shapes .overlay-bone")).to_have_count(2)
    you.page.reload()
    you.page.wait_for_selector(".editor .overlay-svg:not([hidden])")
    expect(you.page.locator(".editor-template option", has_text="bust")).to_have_count(1)


def test_fingers_draw_move_and_zoom_on_a_phone(hand):
    you = hand(width=390, height=844, has_touch=True, is_mobile=True)
    you.page.locator(".editor-open").tap()
    expect(you.page.locator(".editor.full")).to_be_visible()
    finger = you.page.context.new_cdp_session(you.page)

    def touch(kind, *places):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [
            {"x": x, "y": y, "id": n} for n, (x, y) in enumerate(places)]})

    def swipe(start, end):
        (a, b), (c, d) = you.on_screen(*start), you.on_screen(*end)
        touch("touchStart", (a, b))
        for step in range(1, 5):
            touch("touchMove", (a + (c - a) * step / 4, b + (d - b) * step / 4))
        touch("touchEnd")

    swipe((200, 200), (250, 260))
    near(you.saved()["m1"]["box"], (150, 160, 350, 360), 4)
    reach = you.page.locator(".editor-reach").first.evaluate("e => e.getBoundingClientRect().width")
    assert reach >= 43.9, "a finger needs 44 pixels"
    swipe((20, 450), (300, 590))
    [new] = [each for id, each in you.saved().items() if id not in ("m1", "m2")]
    near(new["box"], (20, 450, 300, 590), 4)
    swipe((300, 590), (400, 500))  # by its corner
    near(you.saved()[new["id"]]["box"], (20, 450, 400, 500), 4)
    sizes = you.page.locator(".editor button:visible").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect().height)")
    assert min(sizes) >= 44, "a finger needs 44 pixels"
    middle = you.on_screen(400, 300)
    touch("touchStart", (middle[0] - 30, middle[1]), (middle[0] + 30, middle[1]))
    for by in (40, 60, 90):
        touch("touchMove", (middle[0] - by, middle[1]), (middle[0] + by, middle[1]))
    touch("touchEnd")
    expect(you.page.locator(".editor .overlay-svg.enlarged")).to_be_visible()
    assert len(you.saved()) == 3, "a pinch drew something"
    before = you.on_screen(700, 100)
    you.press("Escape")
    place = you.on_screen(345, 380)
    touch("touchStart", place)
    you.page.wait_for_timeout(700)  # a long press on an empty place takes hold of the picture
    touch("touchMove", (place[0] - 30, place[1] - 20))
    touch("touchEnd")
    wait(lambda: you.on_screen(700, 100)[0] < before[0] - 10)
    assert len(you.saved()) == 3


def test_an_answer_that_is_lost_is_asked_for_again_and_makes_no_second_event(hand):
    you = hand()
    you.ledger.silent = 1
    you.page.clock.install()
    you.click(500, 300)
    you.press("ArrowRight")
    you.page.clock.run_for(1000)
    wait(lambda: len(you.ledger.came) == 1)
    expect(you.page.locator(".editor-saved")).to_have_text("saving…")
    you.page.clock.run_for(13_000)
    wait(lambda: len(you.ledger.came) == 2)
    you.page.clock.run_for(1000)
    assert you.saved()["m2"]["box"][0] == 401 and len(you.ledger.events) == 1
    assert you.ledger.came[0]["key"] == you.ledger.came[1]["key"]


def test_what_could_not_be_saved_says_why_and_is_there_after_a_reload(hand):
    you = hand()
    you.ledger.refusing = "the disk is full; free some space"
    you.click(500, 300)
    you.press("ArrowRight")
    expect(you.page.locator(".editor-saved")).to_have_text("not saved: the disk is full; free some space")
    you.press(".")
    expect(you.page.locator(".editor-voice")).to_contain_text("Not saved: the disk is full")
    assert not you.ledger.gone
    you.ledger.refusing = ""
    you.page.reload()
    you.page.wait_for_selector(".editor .overlay-svg:not([hidden])")
    assert you.saved()["m2"]["box"][0] == 401
    you.page.reload()
    you.page.wait_for_selector(".editor .overlay-svg:not([hidden])")
    assert len(you.ledger.events) == 1


@pytest.mark.parametrize("choice", ["keep", "take"])
def test_the_second_of_two_people_sees_both_versions_and_chooses(hand, choice):
    first, second = hand(), hand(fresh=False)
    first.click(500, 300)
    first.press("ArrowRight")
    first.saved()
    second.click(500, 300)
    second.press("ArrowDown")
    expect(second.page.locator(".editor-clash")).to_contain_text("Ada saved this picture while you were at it")
    expect(second.page.locator(".editor-saved")).to_have_text("not saved: two versions")
    second.page.locator("[data-clash=theirs]").click()
    expect(second.page.locator(".editor .overlay-truth")).to_have_count(2)
    second.page.locator(f"[data-clash={choice}]").click()
    expect(second.page.locator(".editor-clash")).not_to_be_visible()
    saved = second.saved()
    assert len(second.ledger.events) == (2 if choice == "keep" else 1)
    near(saved["m2"]["box"], (400, 151, 640, 421) if choice == "keep" else (401, 150, 641, 420), 0)
    if choice == "take":  # mine is one step of undo away
        second.press("Control+z")
        wait(lambda: len(second.ledger.events) == 2)
        near(second.saved()["m2"]["box"], (400, 151, 640, 421), 0)


def test_the_history_brings_a_version_back_as_one_more_edit(hand):
    you = hand()
    you.click(500, 300)
    you.press("Delete")
    you.saved()
    you.press("ArrowRight", "n", "Delete")
    you.saved()
    you.page.locator(".editor-versions [data-version=event1]").click()
    wait(lambda: len(you.ledger.events) == 3)
    assert len(you.saved()) == 2 and you.ledger.events[-1]["restores"] == "event1"
    assert you.ledger.events[-1]["query"] == "old words"


def test_the_words_of_a_picture_are_saved_with_it(hand):
    you = hand("words")
    you.page.locator(".editor-answer").fill("a grey gradient")
    you.page.locator(".editor-noted").fill("<b>look</b>")
    you.page.locator(".editor-query").fill("what is this?")
    wait(lambda: you.ledger.events and you.ledger.events[-1]["query"] == "what is this?")
    last = you.ledger.events[-1]
    assert (last["answer"], last["note"], last["reviewed"]) == ("a grey gradient", "<b>look</b>", True)
    you.focus()
    you.press("f")
    wait(lambda: you.ledger.events[-1]["flagged"])


def test_objects_of_the_picture_before_are_copied_with_ids_of_their_own(hand):
    you = hand("copy")
    you.focus()
    you.press("c")
    copied = [each for id, each in you.saved().items() if id != "m1"]
    assert len(copied) == 1 and copied[0]["id"] != "m2" and copied[0]["box"] == list(DOG.box)
    you.press("h")
    expect(you.page.locator(".editor .overlay-shapes")).not_to_be_visible()
    you.press("h")
    expect(you.page.locator(".editor .overlay-shapes")).to_be_visible()


def test_zoom_by_wheel_and_keys_moves_nothing_that_is_saved(hand):
    you = hand()
    you.focus()
    you.page.mouse.move(*you.on_screen(400, 150))
    you.page.mouse.wheel(0, -600)
    expect(you.page.locator(".editor .overlay-svg.enlarged")).to_be_visible()
    you.click(500, 300)
    you.drag((400, 150), (405, 153))  # a corner, to the pixel, because it is large now
    near(you.saved()["m2"]["box"], (405, 153, 640, 420), 0.6)
    middle = you.on_screen(400, 300)
    you.page.keyboard.down("Space")
    you.drag((500, 300), (480, 290))
    you.page.keyboard.up("Space")
    wait(lambda: you.on_screen(400, 300) != middle)
    near(you.saved()["m2"]["box"], (405, 153, 640, 420), 0.6)
    you.press("0")
    expect(you.page.locator(".editor .overlay-svg.enlarged")).to_have_count(0)


def test_no_script_runs_from_labels_joints_names_of_templates_or_versions(hand):
    you = hand("hostile")
    dialogs = []
    you.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    assert you.shown() == len(CORPUS)
    you.focus()
    for _ in range(len(CORPUS)):
        you.press("n", "l", "Escape", "j")
    you.press("Shift+a")
    saved = you.saved()
    assert [each["label"] for each in saved.values()] == [text[:300] for text in CORPUS]
    expect(you.page.locator(".editor-objects [data-row]")).to_have_count(len(CORPUS))
    assert you.page.evaluate("window.hacked") is None and not dialogs


def test_a_screen_reader_lists_and_chooses_objects(hand):
    you = hand()
    rows = you.page.get_by_role("listbox", name="Objects").get_by_role("option")
    expect(rows).to_have_count(2)
    assert rows.first.get_attribute("aria-label") == "cat; box from 100, 100 to 300, 300; score 0.90; not accepted"
    rows.first.focus()
    you.press("ArrowDown")
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    expect(you.page.locator(".editor .overlay-object.chosen")).to_have_attribute("data-id", "m2")
    you.press("a")  # the keys of the editor work from the list, too
    expect(you.page.locator(".editor-voice")).to_have_text("1 accepted")
    assert json.loads(json.dumps(you.saved()["m2"]))["score_source"] == "person"
