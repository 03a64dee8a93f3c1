"""What every test may ask for: drawn photos, tiny checkpoints, shared material if it is there; no Hub, one thread."""
from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

# Read when torch and the Hub are imported, which is later than this.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["BOXLOOP_HOME"] = tempfile.mkdtemp(prefix="boxloop-test-")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT / "../shared/data"
BROWSER = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real pictures and recorded answers; each test that wants them has a sister on drawn data."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data is not here")
    return SHARED.resolve()


@pytest.fixture(scope="session")
def chromium():
    """One real browser for all tests: Playwright allows one at a time in a thread."""
    path = installed_browser()
    from playwright.sync_api import expect, sync_playwright
    expect.set_options(timeout=30_000)  # a machine that does other things besides is slow, and not wrong
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER)
        yield browser
        browser.close()


def installed_browser() -> str:
    """The shell first: it is Chromium without its windows, with the same pages a quarter sooner."""
    known = map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))
    path = os.environ.get("CHROMIUM") or next(filter(None, known), None)
    if not path:
        pytest.skip("no Chromium on this machine; install it, or name one in CHROMIUM")
    return path


@pytest.fixture
def photo(tmp_path) -> Path:
    """A drawn picture of 64×48 with a red box on it."""
    return draw(tmp_path / "photo.png", (64, 48))


@pytest.fixture
def photos(tmp_path):
    """photos(size) → the path of a drawn picture of that (width, height)."""
    return lambda size: draw(tmp_path / f"{size[0]}x{size[1]}.png", size)


def draw(path: Path, size: tuple[int, int]) -> Path:
    width, height = size
    picture = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(picture).rectangle((width // 4, height // 4, width // 2, height // 2), fill="red")
    picture.save(path)
    return path


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """checkpoint("paligemma") → the folder of a tiny checkpoint of that kind, built once; "lora" is on paligemma."""
    folder = tmp_path_factory.mktemp("models")

    def build(kind: str) -> Path:
        from tests import tiny
        if not (folder / kind).exists():
            if kind == "lora":
                tiny.save_adapter(build("paligemma"), folder / kind, "paligemma")
            else:
                tiny.save(kind, folder / kind)
        return folder / kind

    return build


def pytest_terminal_summary(terminalreporter) -> None:
    """The closing line counts what was not tested, and why."""
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple)
                      else str(report.longrepr) for report in terminalreporter.stats.get("skipped", []))
    said = "; ".join(f"{count} because {reason}" for reason, count in reasons.most_common()) or "none"
    terminalreporter.write_line(f"skipped: {said}")
    again = sorted({report.nodeid for report in terminalreporter.stats.get("rerun", [])})
    terminalreporter.write_line(f"passed or failed at the second try: {', '.join(again) or 'none'}")
