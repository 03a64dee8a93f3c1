"""A page in a real Chromium, with models on a stage; skipped, with the reason, where there is no Chromium."""
from __future__ import annotations

import os
import shutil

import pytest

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported

from app.types import ModelSpec
from app.ui import page as app_page
from tests.browser.stage import Shelf, Stage

ARGUMENTS = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def chromium():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.skip("no Chromium on this machine; install it, or name one in CHROMIUM")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def theatre():
    """The stage and the address of the page on which its models answer; one server for all tests."""
    stage = Stage(Shelf([
        ModelSpec("first", "paligemma", "local", "assets/models/first", title="First"),
        ModelSpec("second", "qwen3-vl", "local", "assets/models/second", title="Second"),
        ModelSpec("remote", "qwen3-vl", "local", "owner/remote", title="Remote",
                  needs={"download_gb": 6.1, "gpu_gb": 8}),
    ]))
    blocks = app_page.build(stage, compare=stage.compare)
    _, address, _ = app_page.launch(blocks, prevent_thread_lock=True, quiet=True)
    yield stage, address
    blocks.close(verbose=False)


@pytest.fixture
def stage(theatre):
    theatre[0].reset()
    yield theatre[0]
    theatre[0].go.set()  # a test that failed while holding must not hold the next


@pytest.fixture
def visit(chromium, theatre, stage):
    """`visit()` opens the page; its `requests` and `faults` record what it fetched and what went wrong in it."""
    opened = []

    def visit(width=1440, height=900, **options):
        page = chromium.new_page(viewport={"width": width, "height": height}, **options)
        opened.append(page)
        page.set_default_timeout(15_000)
        page.requests, page.faults = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(theatre[1])
        page.wait_for_selector("#panel-first .overlay-svg:not([hidden])")
        return page

    yield visit
    for page in opened:
        faults = page.faults
        page.close()
        assert not faults, f"the page's own scripts failed: {faults}"
