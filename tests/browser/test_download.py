"""One click makes a file and the browser saves it; what fails is said beside the button, which can be clicked again."""
from __future__ import annotations

import os
import threading

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported

import gradio as gr
import pytest
from playwright.sync_api import expect

from app.pictures import PictureError
from app.ui.download import Copied, Download, Failure, answered, fresh
from app.ui.page import launch

ODD = "кошка #1 100% + a&b=c;ü 猫.txt"
COMMAND = "python -m app compare 'a b.png' --query \"<b>${1}</b>\"\n# two lines"


class Office:
    """A page of buttons. `go` lets the slow one end; `made` records for whom files were made."""

    def __init__(self):
        self.go, self.made = threading.Event(), []
        with gr.Blocks() as self.blocks:
            for name in ("one", "two", "odd"):
                self.button(name, ODD if name == "odd" else f"{name}.txt")
            self.slow, self.bad, self.buggy = (Download(name, elem_id=name) for name in ("slow", "bad", "buggy"))
            Download("outside", elem_id="outside").prepares(lambda: "/etc/hostname")
            self.slow.prepares(self.waits)
            self.bad.prepares(self.fails)
            self.buggy.prepares(self.crashes)
            closed = Download("closed", value=False, elem_id="closed")
            opener = gr.Button("open", elem_id="open")
            opener.click(lambda: True, None, [closed])
            closed.prepares(self.opens)
            Copied("Copy command", COMMAND, elem_id="copy")
            Copied("Copy nothing", elem_id="nothing")

    def button(self, label: str, name: str) -> None:
        typed = gr.Textbox(f"typed for {label}", elem_id=f"{label}-text")

        def prepare(text: str, visitor: gr.Request):
            self.made.append((label, visitor.session_hash))
            return written(name, text)

        Download(label, elem_id=label).prepares(prepare, [typed])

    def waits(self):
        self.go.wait(20)
        return written("slow.txt", "at last")

    def opens(self):
        self.made.append(("closed", None))
        return written("closed.txt", "open now")

    def fails(self):
        self.made.append(("bad", None))
        if len(self.made) > 1:
            return written("bad.txt", "second try")
        raise PictureError("<b>photo.jpg</b> is no longer here; ask again without it")

    def crashes(self):
        raise KeyError("ours")


def written(name: str, text: str):
    path = fresh(name)
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(scope="module")
def served():
    office = Office()
    _, address, _ = launch(office.blocks, prevent_thread_lock=True, quiet=True)
    yield office, address
    office.go.set()
    office.blocks.close(verbose=False)


@pytest.fixture
def office(served):
    served[0].go.clear()
    served[0].made.clear()
    return served[0]


@pytest.fixture
def page(chromium, served, office):
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(served[1])
    page.wait_for_selector("#nothing .copied-button")
    yield page
    office.go.set()
    context.close()
    assert not page.faults


def saved(page, label: str) -> tuple[str, str]:
    """(name, text) of the file that one click gives."""
    with page.expect_download() as waiting:
        page.click(f"#{label} .download-button")
    return waiting.value.suggested_filename, waiting.value.path().read_text("utf-8")


def test_one_click_makes_a_file_and_saves_it_for_each_button_its_own(page, office):
    assert saved(page, "one") == ("one.txt", "typed for one")
    assert saved(page, "two") == ("two.txt", "typed for two")
    page.fill("#one-text textarea, #one-text input", "<changed>")
    assert saved(page, "one") == ("one.txt", "<changed>")
    assert [label for label, _ in office.made] == ["one", "two", "one"] and all(visitor for _, visitor in office.made)


def test_a_file_keeps_a_name_of_any_letters(page):
    assert saved(page, "odd") == (ODD, "typed for odd")


def test_while_it_prepares_the_button_says_so_and_a_second_click_does_nothing(page, office):
    button = page.locator("#slow .download-button")
    downloads = []
    page.on("download", lambda each: downloads.append(each))
    button.click()
    expect(button).to_have_text("Preparing…")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)
    assert saved(page, "one")[0] == "one.txt"  # other buttons go on
    office.go.set()
    expect(button).to_have_text("slow")
    expect(button).to_have_attribute("aria-disabled", "false")
    page.wait_for_timeout(300)
    assert [each.suggested_filename for each in downloads] == ["one.txt", "slow.txt"]


def test_a_failure_is_said_as_text_and_the_next_click_can_succeed(page):
    note = page.locator("#bad .download-note")
    page.click("#bad .download-button")
    expect(note).to_have_text("<b>photo.jpg</b> is no longer here; ask again without it")
    assert saved(page, "bad") == ("bad.txt", "second try")
    expect(note).to_have_text("")
    expect(page.locator("#bad .download-button")).to_have_text("bad")


def test_a_fault_of_ours_is_said_too(page):
    page.click("#buggy .download-button")
    expect(page.locator("#buggy .download-note")).to_have_text("A fault in Boxloop: KeyError; the log has the details.")


def test_a_file_that_gradio_may_not_hand_over_ends_the_waiting(page):
    page.click("#outside .download-button")
    expect(page.locator("#outside .download-note")).to_have_text("The file cannot be handed over.")
    expect(page.locator("#outside .download-button")).to_have_text("outside")


def test_a_lost_connection_ends_the_waiting(page):
    """Gradio looks for its server every second or so, and starts the page anew when it is back."""
    page.route("**/queue/join**", lambda route: route.abort())
    page.click("#one .download-button")
    expect(page.locator("#one .download-button")).to_have_text("Preparing…")
    expect(page.locator("#one .download-button")).to_have_text("one")
    page.unroute("**/queue/join**")
    assert saved(page, "one")[0] == "one.txt"


def test_a_closed_button_does_nothing_until_it_is_opened(page, office):
    button = page.locator("#closed .download-button")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)
    page.click("#open")
    expect(button).to_have_attribute("aria-disabled", "false")
    assert office.made == []
    assert saved(page, "closed") == ("closed.txt", "open now")


def test_a_text_is_on_the_clipboard_and_the_button_says_copied(page):
    page.click("#copy .copied-button")
    expect(page.locator("#copy .copied-note")).to_have_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == COMMAND
    expect(page.locator("#nothing .copied-button")).to_have_attribute("aria-disabled", "true")


def test_where_there_is_no_clipboard_the_text_is_copied_the_older_way_or_shown(page):
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.click("#copy .copied-button")
    expect(page.locator("#copy .copied-note")).to_have_text("copied")
    page.evaluate("document.execCommand = () => false")
    page.click("#copy .copied-button")
    expect(page.locator("#copy .copied-note")).to_have_text("press Ctrl+C")
    expect(page.locator("#copy .copied-text")).to_have_value(COMMAND)


def test_a_failure_is_a_sentence_and_a_bug_is_in_the_log(caplog):
    def refuses():
        raise ValueError("there is nothing to take yet")

    def breaks():
        raise ZeroDivisionError

    assert answered(refuses)() == Failure("there is nothing to take yet") and not caplog.records
    assert "ZeroDivisionError" in answered(breaks)().problem and "ZeroDivisionError" in caplog.text


def test_a_place_for_a_file_is_its_own_and_has_a_safe_name():
    places = [fresh("../a/b?.zip") for _ in range(2)]
    assert places[0] != places[1] and {place.name for place in places} == {"_a_b_.zip"}
