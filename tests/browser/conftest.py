"""A page in a real Chromium, with models on a stage; skipped, with the reason, where there is no Chromium."""
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported

from app.store import Store
from app.types import ModelSpec
from app.ui import page as app_page
from app.ui.examples import examples
from tests.browser.stage import Shelf, Stage


def pytest_collection_modifyitems(items) -> None:
    """A whole browser on a busy machine may miss a limit of time: its tests have two more tries, and the last line
    names those that needed one. One that needs it in two runs has a fault."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def theatre(tmp_path_factory):
    """The stage and the address of the page on which its models answer; one server for all tests."""
    home = tmp_path_factory.mktemp("home")
    stage = Stage(Shelf([
        ModelSpec("first", "paligemma", "local", "assets/models/first", title="First"),
        ModelSpec("second", "qwen3-vl", "local", "assets/models/second", title="Second"),
        ModelSpec("remote", "qwen3-vl", "local", "owner/remote", title="Remote",
                  needs={"download_gb": 6.1, "gpu_gb": 8}),
    ]), Store(home), home)
    shown = [replace(example, truth=None) for example in examples()]  # what is drawn is what a test's models say
    blocks = app_page.build(stage, compare=stage.compare, shown=shown)
    _, address, _ = app_page.launch(blocks, prevent_thread_lock=True, quiet=True)
    yield stage, address
    blocks.close(verbose=False)
    stage.jobs.close()
    stage.store.close()


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
        page.set_default_timeout(30_000)
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


@contextmanager
def arrived(chromium, blocks, slow: int = 30_000) -> Iterator:
    """A page of these blocks in the browser once it has arrived; its own scripts must not have failed at the end."""
    _, address, _ = app_page.launch(blocks, prevent_thread_lock=True, quiet=True)
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(30_000)
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(address)
    expect(page.locator("#run")).to_be_enabled(timeout=slow)
    yield page
    page.close()
    blocks.close(verbose=False)
    assert not faults
