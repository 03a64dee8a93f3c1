"""A server of its own, to be killed: `python -m tests.browser.held HOME PORT MODELS [hold]`; its stage may hold."""
from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported

from app.store import Store
from app.types import Annotation, ModelSpec
from app.ui import page
from app.ui.examples import examples
from tests.browser.stage import HOLD, Beat, Part, Shelf, Stage

STAR = Annotation("star", (40.0, 60.0, 140.0, 160.0))


def main(home: Path, port: int, models: int, held: bool) -> None:
    """Model 0 answers at once; the last one waits for ever if `held`."""
    names = [f"model{n}" for n in range(models)]
    stage = Stage(Shelf(ModelSpec(name, "paligemma", "local", name, title=name) for name in names), Store(home), home)
    stage.parts = {name: Part((Beat("x", (STAR,)),)) for name in names}
    if held:
        stage.parts[names[-1]] = Part((Beat("half of it", (STAR,)), HOLD))
    shown = [replace(example, truth=None) for example in examples()]
    page.launch(page.build(stage, compare=stage.compare, shown=shown), prevent_thread_lock=True, server_port=port,
                quiet=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] == ["hold"])
