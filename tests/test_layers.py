"""Imports point left, heavy packages stay where they belong, and the page needs no torch to open."""
from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Each layer may import itself and what stands before it.
LAYERS = (
    ("types", "colours", "skeletons", "rows"),
    ("geometry", "pictures"),
    ("metrics",),
    ("tasks", "phrases", "agreement", "annotations"),
    ("families", "confidence", "formats", "augment", "spec", "intake", "drawing"),
    ("backends", "selftest", "evaluate", "receipt"),
    ("store", "jobs"),
    ("catalogue", "predict", "badges", "downloads", "report", "importing", "exporting", "outbox"),
    ("workspace",),
    ("comparing", "evaluating", "training"),
    ("ui", "cli", "__main__"),
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
TRAINER_MAY = {name for layer in LAYERS[:6] for name in layer}
TRAINER_MAY_TOO = "app.jobs.run"  # the worker's side of a run folder, which knows neither store nor page
TORCH = {"torch", "transformers", "peft", "trl", "accelerate"}
MAY_IMPORT_TORCH = {f"app/backends/{name}.py" for name in (
    "local", "running", "batch", "vision", "structure", "detectors", "omdet", "pose", "processors", "memory")}


def imports(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it, as dotted names; `from app import x` counts as `app.x`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the layer"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def sources(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"no sources in {folder}"
    return found


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT / "app").with_suffix("").parts[0]


def known_layers(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("app.")} & set(RANK)


def test_every_page_of_app_has_a_layer():
    unknown = {layer_of(path) for path in sources("app")} - set(RANK) - {"__init__"}
    assert not unknown, f"say in LAYERS where {sorted(unknown)} stand"


def test_imports_point_left():
    wrong = [f"{path.relative_to(ROOT)} imports {other}"
             for path in sources("app") if layer_of(path) in RANK
             for other in known_layers(imports(path)) if RANK[other] > RANK[layer_of(path)]]
    assert not wrong, wrong


def test_only_the_page_imports_gradio():
    wrong = [str(path.relative_to(ROOT)) for path in [*sources("app"), *sources("trainer")]
             if any(name.split(".")[0] == "gradio" for name in imports(path)) and layer_of_or_none(path) != "ui"]
    assert not wrong, wrong


def test_only_the_backends_that_need_it_import_torch():
    wrong = [str(path.relative_to(ROOT)) for path in sources("app")
             if TORCH & {name.split(".")[0] for name in imports(path)}
             and path.relative_to(ROOT).as_posix() not in MAY_IMPORT_TORCH]
    assert not wrong, wrong


def test_the_trainer_knows_neither_store_nor_page():
    wrong = [f"{path.relative_to(ROOT)} imports {other}" for path in sources("trainer")
             for other in known_layers({name for name in imports(path) if not name.startswith(TRAINER_MAY_TOO)})
             - TRAINER_MAY]
    assert not wrong, wrong


def test_the_app_never_imports_the_trainer():
    wrong = [str(path.relative_to(ROOT)) for path in sources("app")
             if any(name.split(".")[0] == "trainer" for name in imports(path))]
    assert not wrong, wrong


def test_predicting_is_imported_without_torch():
    """What a file imports inside a function is fine; what importing it brings along is not."""
    program = ("import sys, app.predict, app.workspace, app.families; app.families.every(); "
               "heavy = {'torch', 'transformers', 'gradio', 'peft'} & set(sys.modules); assert not heavy, heavy")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def layer_of_or_none(path: Path) -> str | None:
    return layer_of(path) if path.is_relative_to(ROOT / "app") else None
