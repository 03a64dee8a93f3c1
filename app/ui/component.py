"""What our own components share: their HTML, CSS and JavaScript lie in files beside their Python, as plain files.

A component is a `gr.HTML` whose template never changes; its JavaScript puts values in with textContent. So a model's
text can hold anything, `<script>`, `{{` or `${`, and stays text; and what the JavaScript drew survives an update,
because Gradio patches the page only where the template's result differs.
"""
from __future__ import annotations

from pathlib import Path


def parts(folder: Path, name: str) -> dict:
    """The keyword arguments of `gr.HTML` from name.html, name.css and name.js in a folder."""
    return {
        "html_template": (folder / f"{name}.html").read_text("utf-8"),
        "css_template": (folder / f"{name}.css").read_text("utf-8"),
        "js_on_load": (folder / f"{name}.js").read_text("utf-8"),
        "apply_default_css": False,
    }


def printable(text: str) -> str:
    """Text that can be sent to a browser: half a surrogate pair, which JSON can carry and UTF-8 cannot, becomes `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")
