"""What our own components share: their HTML, CSS and JavaScript lie in files beside their Python, as plain files.

A component is a `gr.HTML` whose template never changes; its JavaScript puts values in with textContent. So a model's
text can hold anything, `<script>`, `{{` or `${`, and stays text; and what the JavaScript drew survives an update,
because Gradio patches the page only where the template's result differs.
"""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gradio as gr

# And not False, which takes a component out of the page: it comes back without its own properties (Gradio 6.31).
HIDDEN = "hidden"
NEWS = Path(__file__).parent / "news.js"  # for `before`: askWhileSeen(seconds, ask)


def parts(folder: Path, name: str, before: Sequence[Path] = ()) -> dict:
    """The keyword arguments of `gr.HTML` from name.html, name.css and name.js in a folder.

    The scripts `before` are joined in front of name.js and share its scope: they define, name.js starts.
    """
    return {
        "html_template": (folder / f"{name}.html").read_text("utf-8"),
        "css_template": (folder / f"{name}.css").read_text("utf-8"),
        "js_on_load": "\n".join(path.read_text("utf-8") for path in (*before, folder / f"{name}.js")),
        "apply_default_css": False,
    }


def printable(text: str) -> str:
    """Text that can be sent to a browser: half a surrogate pair, which JSON can carry and UTF-8 cannot, becomes `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def classes(shown: bool, name: str) -> list[str]:
    """Those of a row or column that is on the page or away. It stays mounted; rows and columns take HIDDEN for True."""
    return [name] if shown else [name, "away"]


def present(shown: bool, name: str) -> dict:
    """The update that brings a row or column onto the page, or takes it away."""
    return gr.update(elem_classes=classes(shown, name))


def seen(now: bool) -> dict:
    return gr.update(visible=True if now else HIDDEN)
