"""From `python app.py` to a usable page, in a real browser: the server's start, then the page's.

The floor is `import gradio` (2.3–2.6 s on two idle cores), which nothing of ours can undercut.
"""
from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TIMES = 5
ARGUMENTS = ("--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--disable-sync",
             "--disable-component-update", "--no-first-run", "--disable-quic")


def run() -> dict:
    """Medians of TIMES starts, in seconds. The first one is not counted: it fills the disk's cache."""
    from playwright.sync_api import sync_playwright
    floor = [_import_gradio() for _ in range(TIMES)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        measured = [_start(browser) for _ in range(TIMES + 1)][1:]
        browser.close()
    served, usable = zip(*measured)
    return {"served_s": round(statistics.median(served), 2), "usable_s": round(statistics.median(usable), 2),
            "slowest_usable_s": round(max(usable), 2), "import_gradio_s": round(statistics.median(floor), 2),
            "starts": TIMES}


def _start(browser) -> tuple[float, float]:
    """(the server answers, a person can press Run), both from the start of the command."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        began = time.monotonic()
        server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, stdout=subprocess.DEVNULL,
                                  env=os.environ | {"GRADIO_SERVER_PORT": str(port), "BOXLOOP_HOME": home})
        try:
            _wait_for(f"http://127.0.0.1:{port}/")
            served = time.monotonic() - began
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}/")
            page.wait_for_selector(".overlay-svg:not([hidden])", timeout=60_000)
            page.wait_for_selector("#run:not([disabled])", timeout=60_000)
            usable = time.monotonic() - began
            page.close()
        finally:
            server.terminate()
            server.wait(20)
    return served, usable


def _wait_for(address: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(address, timeout=5).read()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    raise RuntimeError(f"{address} did not open within a minute")


def _import_gradio() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True,
                   env=os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"})
    return time.monotonic() - began
