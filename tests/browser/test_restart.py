"""A server that is killed in the middle of an answer, and ten models at once."""
from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]


@pytest.fixture
def serve(tmp_path):
    """`serve(models, "hold")` starts a server on one home and one port, and returns its address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, running = f"http://127.0.0.1:{port}", []

    def serve(models, *held):
        server = subprocess.Popen([sys.executable, "-m", "tests.browser.held", str(tmp_path), str(port), str(models),
                                   *held], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
        running.append(server)
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(address, timeout=5).read()
                return address, server
            except OSError:
                time.sleep(0.2)
        raise AssertionError(f"no server on {address} after two minutes")

    yield serve
    for server in running:
        server.kill()
        server.wait(10)


def test_a_server_killed_in_the_middle_of_an_answer_loses_that_answer_and_nothing_else(chromium, serve):
    address, server = serve(2, "hold")
    page = chromium.new_page()
    page.goto(address)
    page.click("#run:enabled")
    expect(page.locator("#panel-model0 .head-status")).to_contain_text("1 box ·")
    expect(page.locator("#panel-model1 .head-status")).to_have_text("answering… 1 box so far")
    os.kill(server.pid, signal.SIGKILL)
    server.wait(10)
    serve(2)
    page.goto(address)
    expect(page.locator("#panel-model0 .head-status")).to_contain_text("1 box ·", timeout=20_000)
    expect(page.locator("#panel-model1 .head-status")).to_have_text("press Run")
    expect(page.locator("#stop")).to_be_disabled()
    page.click("#run")
    expect(page.locator("#panel-model1 .head-status")).to_contain_text("1 box ·")
    page.close()


def test_ten_models_stand_side_by_side(chromium, serve):
    address, _ = serve(10)
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    page.wait_for_selector("#panel-model9 .overlay-svg:not([hidden])")
    page.click("#run")
    for n in range(10):
        expect(page.locator(f"#panel-model{n} .head-status")).to_contain_text("1 box ·", timeout=20_000)
    expect(page.locator("#panel-model9 .head-note")).to_have_text("1 agree")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    page.close()
