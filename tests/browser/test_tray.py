"""The tray as a person uses it: files, folders, paste, camera, keyboard and a phone; and names that are attacks."""
from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import gradio as gr
import PIL.Image
import pytest
from playwright.sync_api import expect

from app import intake
from app.ui.page import launch
from app.ui.shown import thumbnail
from app.ui.tray import Tray, TrayHeard, TrayItem, TrayView, touched
from tests.conftest import BROWSER, installed_browser

ATTACK = '<img src=x onerror="window.hacked=1">${window.hacked=1}{{x}}'
SMALL = 40_000  # bytes: the limit of this page, so that a file over it is quickly made
COLOURS = ("red", "green", "blue", "orange", "purple", "teal", "pink")


@dataclass
class Desk:
    """What the server of this page holds and has heard."""
    items: list[TrayItem] = field(default_factory=list)
    before: list[TrayItem] = field(default_factory=list)
    heard: list = field(default_factory=list)
    question: str = "red star"

    def view(self, **words) -> TrayView:
        return TrayView(tuple(self.items), question=self.question, **words)


@pytest.fixture(scope="module")
def desk():
    return Desk()


@pytest.fixture(scope="module")
def address(desk):
    scratch = Path(tempfile.mkdtemp(prefix="tray-test-"))

    def add(heard: TrayHeard):
        desk.heard.append(heard)
        names = [item.name for item in desk.items]
        taken = intake.take(heard.sent, scratch, names, look=thumbnail)
        fresh = [TrayItem(os.urandom(4).hex(), each.image.name, thumbnail(each.image),
                          "{} × {}".format(*each.image.size), each.query, "waiting") for each in taken.taken]
        desk.items = fresh if heard.replace else [
            replace(item, caption=taken.known[item.name].query) if item.name in taken.known else item
            for item in desk.items] + fresh
        return desk.view(problems=taken.problems)

    def select(event: gr.EventData):
        desk.heard.append(touched(event))

    def type(heard: TrayHeard):
        desk.items = [replace(item, caption=heard.captions.get(item.key, item.caption)) for item in desk.items]

    def delete(heard: TrayHeard, event: gr.EventData):
        desk.before, gone = desk.items, touched(event).key
        desk.items = [item for item in desk.items if item.key != gone]
        return desk.view(removed="a picture was removed", selected=heard.selected)

    def clear():
        desk.before, desk.items = desk.items, []
        return desk.view(removed="all were removed")

    def undo():
        desk.items = desk.before
        return desk.view()

    now = {"queue": False, "show_progress": "hidden", "trigger_mode": "multiple"}
    with gr.Blocks(title="Tray", analytics_enabled=False, fill_width=True) as page:
        tray = Tray(TrayView(question=desk.question), biggest_file=SMALL, elem_id="tray")
        ask = gr.Button("Ask", elem_id="ask")
        tray.upload(add, tray, tray, **now)
        tray.select(select, None, None, **now)
        tray.input(type, tray, None, **now)
        tray.delete(delete, tray, tray, **now)
        tray.clear(clear, None, tray, **now)
        tray.undo(undo, None, tray, **now)
        ask.click(lambda heard: desk.heard.append(heard), tray, None, **now)
        page.load(desk.view, None, tray, **now)
    _, url, _ = launch(page, prevent_thread_lock=True, quiet=True)
    yield url
    page.close(verbose=False)
    shutil.rmtree(scratch)


@pytest.fixture(scope="module")
def camera(chromium):
    """The same browser with a camera that is always allowed and shows a turning pattern."""
    fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    browser = chromium.browser_type.launch(executable_path=installed_browser(), args=[*BROWSER, *fake])
    yield browser
    browser.close()


@pytest.fixture
def visit(chromium, address, desk):
    opened = []
    desk.items, desk.before, desk.heard = [], [], []

    def visit(browser=chromium, width=1200, height=600, **options):
        page = browser.new_page(viewport={"width": width, "height": height}, **options)
        opened.append(page)
        page.set_default_timeout(10_000)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(address)
        page.wait_for_selector(".tray-choose")
        return page

    yield visit
    for page in opened:
        faults = page.faults
        page.close()
        assert not faults, f"the page's own scripts failed: {faults}"


@pytest.fixture
def pictures(tmp_path) -> list[Path]:
    for number, colour in enumerate(COLOURS):
        PIL.Image.new("RGB", (64, 48 + number), colour).save(tmp_path / f"{colour}.png")
    return [tmp_path / f"{colour}.png" for colour in COLOURS]


def add(page, *paths):
    page.set_input_files("#tray input[type=file] >> nth=0", [str(path) for path in paths])


def cards(page):
    return page.locator(".tray-card")


def names(page):
    return page.locator(".tray-name").all_text_contents()


def selected(page) -> str:
    return page.locator(".tray-card[aria-selected=true] .tray-name").text_content()


def asked(page, desk) -> TrayHeard:
    """What Python would be asked with now."""
    count = len(desk.heard)
    page.click("#ask")
    for _ in range(100):
        if len(desk.heard) > count and isinstance(desk.heard[-1], TrayHeard):
            return desk.heard[-1]
        page.wait_for_timeout(30)
    raise AssertionError("nothing was heard")


def dropped(page, files: dict[str, bytes], event="drop", into=".tray"):
    told = {name: base64.b64encode(content).decode() for name, content in files.items()}
    page.evaluate("""([files, event, into]) => {
      const transfer = new DataTransfer();
      for (const [name, data] of Object.entries(files)) {
        transfer.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name, {type: 'image/png'}));
      }
      const options = {bubbles: true, cancelable: true};
      document.querySelector(into).dispatchEvent(event === 'paste'
        ? new ClipboardEvent('paste', {...options, clipboardData: transfer})
        : new DragEvent(event, {...options, dataTransfer: transfer}));
    }""", [told, event, into])


def test_one_picture_is_as_small_as_a_picker_and_several_are_a_row(visit, pictures):
    page = visit()
    expect(page.locator(".tray-choose")).to_be_visible()
    add(page, pictures[0])
    expect(page.locator(".tray-one .tray-note")).to_have_text("64 × 48")
    expect(page.locator(".tray-caption")).to_be_hidden()
    assert page.locator(".tray-row").bounding_box()["height"] < 96
    add(page, *pictures[1:3])
    expect(cards(page)).to_have_count(3)
    expect(page.locator(".tray-status").first).to_have_text("waiting")
    assert names(page) == ["red.png", "green.png", "blue.png"]
    expect(page.locator(".tray-count")).to_have_text("3 pictures")
    tops = {card.bounding_box()["y"] for card in cards(page).all()}
    assert len(tops) == 1


def test_only_thumbnails_reach_the_browser(visit, tmp_path):
    PIL.Image.linear_gradient("L").resize((900, 600)).save(tmp_path / "large.jpg")
    assert (tmp_path / "large.jpg").stat().st_size < SMALL
    page = visit()
    add(page, tmp_path / "large.jpg")
    page.wait_for_function("document.querySelector('.tray-thumb')?.naturalWidth === 160")


def test_change_replaces_the_picture_and_add_does_not(visit, pictures):
    page = visit()
    add(page, pictures[0])
    with page.expect_file_chooser() as chooser:
        page.click(".tray-change")
    chooser.value.set_files(str(pictures[1]))
    expect(page.locator(".tray-name")).to_have_text("green.png")
    with page.expect_file_chooser() as chooser:
        page.click(".tray-add")
    chooser.value.set_files(str(pictures[2]))
    expect(cards(page)).to_have_count(2)


def test_files_can_be_dropped_and_pasted(visit, pictures):
    page = visit()
    dropped(page, {path.name: path.read_bytes() for path in pictures[:2]})
    expect(cards(page)).to_have_count(2)
    dropped(page, {"image.png": pictures[2].read_bytes()}, "paste", ".tray-pick")
    expect(cards(page)).to_have_count(3)
    dropped(page, {"image.png": pictures[3].read_bytes()}, "paste", ".tray-caption")
    expect(cards(page)).to_have_count(4)
    assert names(page)[2:] == ["image.png", "image (2).png"]


def test_a_folder_comes_with_its_names_and_without_what_is_no_picture(visit, pictures, tmp_path, desk):
    folder = tmp_path / "holiday"
    (folder / "beach").mkdir(parents=True)
    shutil.copy(pictures[0], folder / "beach" / "a.png")
    shutil.copy(pictures[1], folder / "b.png")
    for junk in ("notes.txt", ".hidden.png", "film.mp4"):
        (folder / junk).write_text("x")
    page = visit()
    page.set_input_files(".tray-folder", str(folder))
    expect(cards(page)).to_have_count(2)
    assert sorted(name for _, name in desk.heard[0].sent) == ["holiday/b.png", "holiday/beach/a.png"]
    assert sorted(names(page)) == ["a.png", "b.png"]
    assert "holiday/beach" in " ".join(page.locator(".tray-note").all_text_contents())
    expect(page.locator(".tray-problems")).to_have_text(
        "2 files of the folder are neither pictures nor lists and were left out")


def test_a_dropped_folder_is_read_to_the_bottom(visit, pictures, tmp_path):
    folder = tmp_path / "deep"
    (folder / "one" / "two").mkdir(parents=True)
    shutil.copy(pictures[0], folder / "one" / "two" / "a.png")
    for number in range(150):  # the browser hands a folder's entries over by the hundred
        (folder / f"{number}.txt").write_text("x")
    shutil.copy(pictures[1], folder / "z.png")
    page = visit()
    middle = page.locator(".tray-row").bounding_box()
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {
            "type": kind, "x": middle["x"] + 50, "y": middle["y"] + 20,
            "data": {"items": [], "files": [str(folder), str(pictures[2])], "dragOperationsMask": 1}})
    expect(cards(page)).to_have_count(3)
    assert sorted(names(page)) == ["a.png", "blue.png", "z.png"]
    expect(page.locator(".tray-problems")).to_contain_text("150 files of the folder are neither pictures nor lists")


def test_a_list_dropped_alone_gives_pictures_that_are_there_their_questions(visit, pictures, tmp_path):
    page = visit()
    add(page, *pictures[:2])
    expect(cards(page)).to_have_count(2)
    (tmp_path / "list.csv").write_text("file,caption\nGREEN.png,the green one\ngone.png,x\n")
    add(page, tmp_path / "list.csv")
    expect(page.locator(".tray-caption").nth(1)).to_have_value("the green one")
    expect(page.locator(".tray-count")).to_have_text("2 pictures, 1 with their own question")
    expect(page.locator(".tray-problems li")).to_have_text(
        "list.csv: 1 row names a picture that is not there: gone.png")


def test_bad_and_too_large_files_are_said_and_the_others_stay(visit, pictures, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"hello")
    (tmp_path / "large.jpg").write_bytes(bytes(SMALL + 1))
    page = visit()
    sent = []
    page.on("request", lambda request: sent.append(request) if "/upload" in request.url else None)
    add(page, tmp_path / "large.jpg", pictures[0], tmp_path / "broken.jpg")
    expect(page.locator(".tray-name")).to_have_text("red.png")
    problems = page.locator(".tray-problems li")
    expect(problems).to_have_count(2)
    expect(problems.nth(0)).to_contain_text("large.jpg has 1 MB; the limit is")
    expect(problems.nth(1)).to_contain_text("broken.jpg is not a picture")
    assert len(sent) == 2


def test_sending_shows_how_far_it_is(visit, pictures):
    page = visit()
    page.evaluate("""() => {
      window.said = [];
      const place = document.querySelector('.tray-progress');
      new MutationObserver(() => said.push(place.textContent)).observe(place, {childList: true, characterData: true});
    }""")
    add(page, *pictures)
    expect(cards(page)).to_have_count(7)
    said = page.evaluate("said")
    assert "sending 1 of 7…" in said and "sending 7 of 7…" in said and "looking at 7 files…" in said
    expect(page.locator(".tray-progress")).to_be_empty()


def test_a_caption_is_the_pictures_own_and_the_common_question_shows_where_there_is_none(visit, pictures, desk):
    page = visit()
    add(page, *pictures[:3])
    expect(cards(page)).to_have_count(3)
    fields = page.locator(".tray-caption")
    expect(fields.first).to_have_attribute("placeholder", "red star")
    fields.first.fill("the red one")
    fields.first.press("Enter")
    expect(fields.nth(1)).to_be_focused()
    assert selected(page) == "green.png"
    page.keyboard.type("the green one")
    heard = asked(page, desk)  # at once: nothing that is typed gets lost on the way to Run
    assert [heard.captions[item.key] for item in desk.items] == ["the red one", "the green one", ""]


def test_what_is_being_typed_outlives_a_view_that_does_not_know_it(visit, pictures, desk):
    page = visit()
    add(page, *pictures[:2])
    expect(cards(page)).to_have_count(2)
    field = page.locator(".tray-caption").first
    field.click()
    with page.expect_request(lambda request: "/upload" in request.url):
        add(page, pictures[2])
    page.keyboard.type("half a sent", delay=40)
    expect(cards(page)).to_have_count(3)
    page.keyboard.type("ence")
    expect(field).to_have_value("half a sentence")
    expect(field).to_be_focused()
    assert asked(page, desk).captions[desk.items[0].key] == "half a sentence"


def test_the_keyboard_selects_removes_and_brings_back(visit, pictures, desk):
    page = visit()
    add(page, *pictures[:4])
    expect(cards(page)).to_have_count(4)
    page.locator(".tray-pick").first.focus()
    for key, name in (("ArrowRight", "green.png"), ("End", "orange.png"), ("ArrowRight", "orange.png"),
                      ("ArrowLeft", "blue.png"), ("Home", "red.png"), ("ArrowDown", "green.png")):
        page.keyboard.press(key)
        assert selected(page) == name
    assert page.evaluate("document.activeElement.closest('.tray-card').querySelector('b').textContent") == "green.png"
    page.keyboard.press("Delete")
    expect(cards(page)).to_have_count(3)
    assert selected(page) == "blue.png"
    expect(page.locator(".tray-removed")).to_contain_text("a picture was removed")
    page.keyboard.press("Control+z")
    expect(cards(page)).to_have_count(4)
    expect(page.locator(".tray-removed")).to_be_hidden()
    page.click(".tray-clear")
    expect(page.locator(".tray-choose")).to_be_visible()
    page.click(".tray-undo")
    expect(cards(page)).to_have_count(4)
    page.wait_for_timeout(300)  # arrows are told once they rest
    told = [each for each in desk.heard if not isinstance(each, TrayHeard)]
    assert len(told) < 6 and all(each.key for each in told)


def test_a_click_selects_and_says_which(visit, pictures, desk):
    page = visit()
    add(page, *pictures[:3])
    expect(cards(page)).to_have_count(3)
    page.locator(".tray-pick").nth(2).click()
    page.wait_for_timeout(300)
    assert (desk.heard[-1].index, desk.heard[-1].key) == (2, desk.items[2].key)
    assert selected(page) == "blue.png"


def test_names_captions_and_problems_stay_text(visit, pictures, desk, tmp_path):
    desk.question = ATTACK
    page = visit()
    dropped(page, {f"{ATTACK}.png": pictures[0].read_bytes(), f"b{ATTACK}.png": pictures[1].read_bytes(),
                   f"{ATTACK}.jpg": b"no picture"})
    expect(cards(page)).to_have_count(2)
    page.locator(".tray-caption").first.fill(ATTACK)
    (tmp_path / "l.jsonl").write_text(json.dumps({"file": f"b{ATTACK}.png", "caption": ATTACK}))
    add(page, tmp_path / "l.jsonl")
    expect(page.locator(".tray-caption").nth(1)).to_have_value(ATTACK)
    page.locator(".tray-remove").first.click()
    expect(cards(page)).to_have_count(1)
    desk.question = "red star"
    assert page.evaluate("window.hacked") is None
    assert names(page) == [f"b{ATTACK}.png"]
    assert page.locator("#tray img").count() == 1


def test_the_camera_gives_one_frame_and_is_let_go(visit, camera, desk):
    page = visit(camera)
    page.click(".tray-camera-button")
    expect(page.locator(".tray-shoot")).to_be_enabled()
    page.evaluate("window.track = document.querySelector('.tray-video').srcObject.getTracks()[0]")
    page.click(".tray-shoot")
    expect(page.locator(".tray-name")).to_have_text("camera-1.jpg")
    assert page.evaluate("track.readyState") == "ended"
    expect(page.locator(".tray-camera")).to_be_hidden()
    page.click(".tray-camera-button")
    expect(page.locator(".tray-shoot")).to_be_enabled()
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelector('.tray-video').srcObject === null")


def test_without_a_camera_a_sentence_says_so(visit):
    page = visit()
    page.click(".tray-camera-button")
    expect(page.locator(".tray-camera-problem")).to_contain_text("hoose a file instead")
    expect(page.locator(".tray-shoot")).to_be_disabled()
    page.click(".tray-camera-close")
    expect(page.locator(".tray-camera")).to_be_hidden()


def test_on_a_phone_the_row_scrolls_and_the_page_does_not(visit, pictures):
    page = visit(width=390, height=780)
    add(page, *pictures)
    expect(cards(page)).to_have_count(7)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    row = page.locator(".tray-cards")
    assert row.evaluate("row => row.scrollWidth > row.clientWidth")
    page.locator(".tray-pick").first.focus()
    page.keyboard.press("End")
    box = cards(page).last.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_a_file_that_was_not_uploaded_here_is_not_believed(visit, pictures, desk):
    page = visit()
    add(page, pictures[0])
    expect(cards(page)).to_have_count(1)
    uploaded = str(desk.heard[0].sent[0][0])
    assert post(page, uploaded)[0] == 200 and len(desk.heard) == 2
    status, answer = post(page, "/etc/passwd")
    assert status >= 400 and "root:" not in answer
    assert len(desk.heard) == 2


def post(page, path: str) -> list:
    """The upload event as anybody may send it: (status, text)."""
    return page.evaluate("""async path => {
      const upload = window.gradio_config.dependencies.find(each => each.targets.some(([, name]) => name === 'upload'));
      const file = {path, orig_name: 'a.png', meta: {_type: 'gradio.FileData'}};
      const data = [{items: [], selected: 0, problems: [], sent: [file], replace: false}];
      const answer = await fetch('/gradio_api/run/predict', {method: 'POST',
        headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({data, fn_index: upload.id, session_hash: 'x'})});
      return [answer.status, await answer.text()];
    }""", path)
