"""Real models behind the page: tiny random checkpoints on the road that the large ones take, and the shipped ones."""
from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import expect

from app.catalogue import SHIPPED
from app.ui import page as app_page
from app.workspace import Workspace

DONE = re.compile(r"· \d|cut off after")  # "3 boxes · 1.2 s", "nothing found · 0.8 s", "cut off after 64 tokens: …"


@pytest.fixture(scope="module")
def opened(chromium, tmp_path_factory):
    """opened(shipped folder) → a browser page on a workspace whose shipped models lie in that folder."""
    served = []

    def opened(shipped):
        workspace = Workspace(tmp_path_factory.mktemp("home"), shipped=shipped)
        blocks = app_page.build(workspace)
        _, address, _ = app_page.launch(blocks, prevent_thread_lock=True, quiet=True)
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        served.append((blocks, page))
        page.set_default_timeout(120_000)  # models load in this very process
        page.goto(address)
        page.wait_for_selector("#run:enabled")  # the page has arrived: what is ticked and opened now stays so
        return page, workspace

    yield opened
    for blocks, page in served:
        page.close()
        blocks.close(verbose=False)


@pytest.fixture
def alone(checkpoint, tmp_path):
    """alone(*kinds) → a folder with copies of these checkpoints. Where they are made lie those of other tests, too: a
    panel for each, and some end at their first word."""
    def alone(*kinds):
        for folder in map(checkpoint, kinds):
            shutil.copytree(folder, tmp_path / folder.name)
        return tmp_path
    return alone


def test_three_models_answer_side_by_side_from_click_to_raw_text(opened, alone):
    page, _ = opened(folder := alone("paligemma", "qwen3_vl", "lora"))
    page.locator(".strip-item").first.click()
    for each in folder.iterdir():
        panel = page.locator(f"#panel-{each.name}")
        status = panel.locator(".head-status")
        expect(status).to_have_text(re.compile(DONE.pattern + "|could not be read"), timeout=120_000)
        panel.locator(".answer-raw summary").click()
        expect(panel.locator(".answer-text")).to_be_visible()
        assert panel.locator(".answer-text").text_content()
        assert "person" in panel.locator(".answer-prompt").text_content()


def test_a_models_coordinates_are_checked_at_a_click(opened):
    page, _ = opened(SHIPPED)
    page.wait_for_selector("#panel-tiny-paligemma .overlay-svg:not([hidden])")
    page.locator("#panel-tiny-paligemma .panel-settings > summary").click()
    page.locator("#panel-tiny-paligemma .panel-check").click()
    badge = page.locator("#panel-tiny-paligemma .panel-checked")
    expect(badge).to_contain_text("oordinates right: ", timeout=120_000)


def test_stop_ends_a_real_model_between_two_tokens(opened, alone):
    page, _ = opened(alone("paligemma"))
    page.locator(".model:visible .panel-settings > summary").first.click()
    longest = page.locator(".model:visible .panel-tokens input[type=number]").first
    longest.fill("4096")
    longest.press("Tab")
    page.fill("#question textarea", "something that a random model never stops talking about")
    page.click("#run")
    status = page.locator(".model:visible .head-status").first
    expect(status).to_contain_text("answering…", timeout=120_000)
    page.click("#stop")
    expect(status).to_contain_text("stopped ·")


@pytest.mark.skipif(not any(SHIPPED.glob("*/config.json")), reason="assets/models ships no model yet")
def test_the_shipped_models_answer_the_first_example(opened):
    page, workspace = opened(SHIPPED)
    page.click("#run")
    for entry in workspace.catalogue.entries():
        if entry.state == "shipped":
            status = page.locator(f"#panel-{entry.spec.id} .head-status")
            expect(status).to_have_text(re.compile(r"\d box(es)? ·"), timeout=120_000)
