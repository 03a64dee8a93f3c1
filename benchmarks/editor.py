"""What a drag costs the browser's script, with 500 objects on 24 megapixels against 50, and that the picture travels
once.

In headless Chromium, on the real component: a box is dragged by its middle, by a corner, and a point of a figure is.
Each pointer event is timed from before the editor hears it until after, with the layout that it asks for, but without
the painting. Both pages are measured in turn in one run, because machines differ.
"""
from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported

SIZE = (6000, 4000)
OBJECTS = (50, 500)
ROUNDS = 3
STEPS = 40  # pointer events of one drag

TIMED = """() => {
  window.spent = [];
  const svg = document.querySelector('.editor .overlay-svg');
  let start = 0;
  window.addEventListener('pointermove', () => { start = performance.now(); }, true);
  window.addEventListener('pointermove', () => {
    svg.getBoundingClientRect();   // the layout
    window.spent.push(performance.now() - start);
  });
}"""


def run() -> dict:
    from playwright.sync_api import sync_playwright

    from app.ui import page as app_page
    from tests.browser.easel import easel

    with tempfile.TemporaryDirectory() as folder:
        blocks, _ = easel({str(number): _work(Path(folder), number) for number in OBJECTS})
        _, address, _ = app_page.launch(blocks, prevent_thread_lock=True, quiet=True)
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--headless"])
            pages = {number: _Page(browser, f"{address}?work={number}") for number in OBJECTS}
            for _ in range(ROUNDS):
                for page in pages.values():
                    page.drag()
            found = {str(number): page.told() for number, page in pages.items()}
            browser.close()
        blocks.close(verbose=False)
    few, many = (found[str(number)] for number in OBJECTS)
    return {"benchmark": "editor", "megapixels": SIZE[0] * SIZE[1] / 1e6, "objects": found,
            "p95_ratio_500_to_50": round(many["p95_ms"] / max(few["p95_ms"], 0.01), 2)}


def _work(folder: Path, number: int):
    from gradio import processing_utils, utils
    from PIL import Image

    from app.types import Annotation, Point
    from app.ui.editor import About, Work

    path = folder / "large.jpg"
    if not path.exists():
        Image.linear_gradient("L").resize(SIZE).convert("RGB").save(path, quality=80)
    shown = processing_utils.save_file_to_cache(path, cache_dir=utils.get_upload_folder())
    across = 25 if number > 100 else 10
    step_x, step_y = SIZE[0] / across, SIZE[1] / (number / across)
    objects = []
    for n in range(number):
        x, y = n % across * step_x, n // across * step_y
        points = tuple(Point(name, x + step_x * .5, y + step_y * part) for name, part in
                       (("head", .2), ("neck", .4), ("hip", .6))) if n % 5 == 0 else ()
        objects.append(Annotation(f"class {n % 30}", (x + 5, y + 5, x + step_x * .9, y + step_y * .9), points,
                                  0.5, f"n{n}"))
    return Work(str(number), shown, SIZE, About("detect", "class 1"), tuple(objects), tuple(objects), "a model")


class _Page:
    def __init__(self, browser, address: str):
        self.page = browser.new_page(viewport={"width": 1440, "height": 900})
        self.pictures: list[str] = []
        self.ends: list[float] = []
        self.page.on("request", lambda one: self.pictures.append(one.url) if "large.jpg" in one.url else None)
        self.page.goto(address)
        self.page.wait_for_selector(".editor .overlay-svg:not([hidden])")
        self.page.wait_for_timeout(1500)
        self.page.evaluate(TIMED)

    def drag(self) -> None:
        """The last object, by its middle and by a corner; then a joint of a figure."""
        rect = "[...document.querySelectorAll('.editor .overlay-shapes .overlay-box')].at(-1).getBoundingClientRect()"
        for place in ("[r.x + r.width * .3, r.y + r.height * .7]", "[r.right, r.bottom]"):
            self._one(self.page.evaluate(f"(() => {{ const r = {rect}; return {place}; }})()"))
        point = "document.querySelector('.editor .overlay-shapes .overlay-point').getBoundingClientRect()"
        self._one(self.page.evaluate(f"(() => {{ const r = {point}; return [r.x + r.width / 2, r.y + 4]; }})()"))

    def _one(self, start) -> None:
        mouse, (x, y) = self.page.mouse, start
        mouse.move(x, y)
        mouse.down()
        for n in range(STEPS):
            mouse.move(x - 10 - n % 7, y - 10 - n % 5)
        begun = time.perf_counter()
        mouse.up()
        self.ends.append((time.perf_counter() - begun) * 1000)
        self.page.wait_for_timeout(700)  # saved

    def told(self) -> dict:
        spent = sorted(self.page.evaluate("window.spent"))
        return {"drag_events": len(spent), "median_ms": round(statistics.median(spent), 2),
                "p95_ms": round(spent[int(.95 * (len(spent) - 1))], 2), "worst_ms": round(spent[-1], 2),
                "let_go_median_ms": round(statistics.median(self.ends), 1), "pictures_sent": len(self.pictures)}
