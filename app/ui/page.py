"""The page: its head, its tabs (one so far), and how it is served."""
from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr

from app import predict
from app.ui import compare as compare_tab
from app.ui.device import device
from app.ui.examples import Example, examples
from app.workspace import Workspace

HERE = Path(__file__).parent
BIGGEST_UPLOAD = "100mb"
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def build(workspace: Workspace, compare: Callable = predict.compare,
          shown: Sequence[Example] | None = None) -> gr.Blocks:
    """The page of a workspace. `compare` and the examples can be handed over, which is how tests are deterministic."""
    with gr.Blocks(title="Boxloop", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(header(), elem_classes="top", apply_default_css=False)
        compare_tab.tab(workspace, compare, examples() if shown is None else shown)
    return page


def launch(page: gr.Blocks, **options):
    """Serve a page. Address and port come from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, as Gradio documents."""
    return page.launch(theme=theme(), css_paths=[HERE / "style.css"], footer_links=[], run_history=False,
                       max_file_size=BIGGEST_UPLOAD, **options)


def header() -> str:
    return ('<div class="top-row"><h1>Boxloop</h1><p>Ask several models about one picture, side by side.</p>'
            f'<span class="chip" title="where models run">{html.escape(device())}</span></div>')


def theme() -> gr.themes.Base:
    """Quiet and flat: the picture is what has colour. Fonts of the system, so that nothing is fetched."""
    return gr.themes.Default(
        primary_hue=gr.themes.colors.blue, neutral_hue=gr.themes.colors.slate, radius_size=gr.themes.sizes.radius_md,
        font=FONT, font_mono=MONO)
