"""What our own components share: their HTML, CSS and JavaScript lie in files beside their Python, as plain files.

A component is a `gr.HTML` whose template never changes; its JavaScript puts values in with textContent. So a model's
text can hold anything, `<script>`, `{{` or `${`, and stays text; and what the JavaScript drew survives an update,
because Gradio patches the page only where the template's result differs.

CSS and JavaScript travel once, in the page's head, however many panels there are: Gradio (6.31) would send them with
each component, and at each update of one compile its CSS anew and make the browser restyle the whole page.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

# And not False, which takes a component out of the page: it comes back without its own properties (Gradio 6.31).
HIDDEN = "hidden"
NEWS = Path(__file__).parent / "news.js"  # for `scripts`: askWhileSeen(seconds, ask)
GIVEN = "element, trigger, props, server, upload, watch"  # what Gradio hands to a component's JavaScript

_travels: dict[str, tuple[str, str]] = {}  # class of a component → its CSS and JavaScript, as the head brings them


def parts(folder: Path, name: str, scripts: Sequence[Path] = (), styles: Sequence[Path] = (), *,
          elem_classes: Sequence[str] | str = (), **rest) -> dict:
    """The keyword arguments of `gr.HTML` from name.html, name.css and name.js in a folder, and the rest as it is.

    `scripts` are joined in front of name.js and share its scope: they define, name.js starts. `styles` are for those
    with more than name.css. Both hold for this component alone, and the page has them from `head()`.
    """
    own = f"own-{folder.name}-{name}"
    css, script = _joined(styles or [folder / f"{name}.css"]), _joined([*scripts, folder / f"{name}.js"])
    # An id that no element has: these rules are as strong as those that Gradio makes of a css_template.
    _travels[own] = (f".{own}:not(#_) {{\n{css}\n}}", f"boxloop[{own!r}] = function ({GIVEN}) {{\n{script}\n}};")
    events = " ".join(repr(event) for event in sorted(set(re.findall(r"\b(?:trigger|tell)\('([a-z]+)'", script))))
    return rest | {
        "html_template": (folder / f"{name}.html").read_text("utf-8"),
        "js_on_load": f"boxloop[{own!r}]({GIVEN});  // {events}",  # Gradio looks for the names of events in here
        "elem_classes": [own, *([elem_classes] if isinstance(elem_classes, str) else elem_classes)],
        "apply_default_css": False,
    }


def head() -> str:
    """What the page's head brings, of all components that were made so far."""
    styles, scripts = ("\n".join(each) for each in zip(*_travels.values(), strict=True))
    return f"<style>\n{styles}\n</style>\n<script>\nconst boxloop = {{}};\n{scripts}\n</script>"


def _joined(paths: Sequence[Path]) -> str:
    return "\n".join(path.read_text("utf-8") for path in paths)


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
