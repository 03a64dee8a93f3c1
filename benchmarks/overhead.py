"""What the page adds to `generate`: from a model's final answer to the panel's data in the client's hands.

A 12-megapixel picture that the page has already shown, 100 boxes. A model that answers at once stands in for
`generate`; the client speaks Gradio's HTTP on this machine
(gradio_client itself waits in steps of 50 ms). The floor is an event that does nothing, sent
through the same page and client in the same run, before and after each measured one (paired).
"""
from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import gradio as gr
import PIL.Image

from app import pictures
from app.comparing import answered
from app.predict import Ask, Update
from app.store import Store
from app.types import Annotation, Generation, ModelSpec, Prediction, Sample
from app.ui import panels as columns
from app.ui import words
from app.ui.overlay import Overlay, View
from app.ui.panel import Answer, Head
from app.ui.shown import displayable

TIMES = 200
SIZE = (4000, 3000)
BOXES = 100


def run() -> dict:
    """Milliseconds for one panel at the median and the 99th percentile, those of the empty event, and bytes."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "picture.jpg"
        PIL.Image.effect_noise(SIZE, 60).convert("RGB").save(path, quality=85)
        store = Store(Path(home) / "store")
        sample = Sample("s", (pictures.read(path),), "detect", "cat")
        comparison = store.begin("owner", [sample], ["model"])
        demo, sent = _page(store, comparison)
        try:
            panel, empty, size = _measure(demo, sent)
        finally:
            demo.close(verbose=False)
            store.close()
    added = [a - b for a, b in zip(panel, empty, strict=True)]
    return {"panel_ms_p50": _at(panel, 0.5), "panel_ms_p99": _at(panel, 0.99), "empty_event_ms_p50": _at(empty, 0.5),
            "empty_event_ms_p99": _at(empty, 0.99), "added_ms_p50": _at(added, 0.5), "bytes": size, "boxes": BOXES,
            "megapixels": SIZE[0] * SIZE[1] / 1e6, "times": TIMES}


def _page(store: Store, comparison) -> tuple[gr.Blocks, list[float]]:
    """One panel, and beside it an event that changes nothing. `sent` notes when the model's last word came."""
    [sample] = comparison.samples
    spec = ModelSpec("model", "paligemma", "local", "model")
    boxes = tuple(Annotation(f"class {n % 20}", (40.0 * n, 20.0 * n, 40.0 * n + 35, 20.0 * n + 900))
                  for n in range(BOXES))
    ask = Ask(spec, columns.asked_of(sample))
    sent: list[float] = []
    displayable(sample.images[0])  # the page has shown the picture before

    def answer():
        final = Prediction("model", None, ask.request, Generation(), "detect cat", "<loc0000>" * 500, None, boxes, "ok",
                           (), 500, 1.0, 0.1)
        sent.append(time.perf_counter())
        store.keep(comparison.id, sample.id, final)
        update = answered(comparison, None, sample.id).get("model") or Update("model", "done", prediction=final)
        head = {"title": "Model", "about": "", "kind": "done", "status": words.state(update)[1], "note": ""}
        return head, View(displayable(sample.images[0]), sample.images[0].size, boxes), words.answer(update)

    def nothing():
        sent.append(time.perf_counter())

    with gr.Blocks(analytics_enabled=False) as demo:
        head, overlay, told = Head(), Overlay(), Answer()
        button, empty = gr.Button(), gr.Button()
        button.click(answer, None, [head, overlay, told], api_name="panel", concurrency_limit=None)
        empty.click(nothing, None, None, api_name="nothing", concurrency_limit=None)
    demo.launch(prevent_thread_lock=True, quiet=True)
    return demo, sent


def _measure(demo: gr.Blocks, sent: list[float]) -> tuple[list[float], list[float], int]:
    import httpx
    panel, empty, size = [], [], 0
    with httpx.Client(base_url=demo.local_url) as client:
        for turn in range(TIMES + 10):
            for name, found in (("nothing", empty), ("panel", panel)):
                event = client.post(f"/gradio_api/call/{name}", json={"data": []}).json()["event_id"]
                told = client.get(f"/gradio_api/call/{name}/{event}").text  # ends with the event
                took = (time.perf_counter() - sent[-1]) * 1000
                if turn >= 10:  # the first ones warm everything up
                    found.append(took)
                if name == "panel":
                    size = len(told.encode())
    return panel, empty, size


def _at(values: list[float], share: float) -> float:
    return round(statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1], 1)
