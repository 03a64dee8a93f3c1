"""The page: its head, its tabs in the order of the loop, and how it is served."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr

from app import predict
from app.ui import compare as compare_tab
from app.ui import component, words
from app.ui import data as data_tab
from app.ui import models as models_tab
from app.ui.correct import Correct
from app.ui.examples import Example, examples
from app.ui.jobs import drawer as jobs
from app.ui.measure import Measure
from app.ui.panel import Notice
from app.ui.train import Train
from app.workspace import Workspace

HERE = Path(__file__).parent
STYLES = [HERE / "style.css", HERE / "train" / "train.css", HERE / "measure" / "measure.css",
          HERE.parent / "report" / "report.css"]
HEAD = ('<div class="top-row"><h1>Boxloop</h1>'
        '<p>Ask several models about your pictures, correct them, see what got better.</p></div>')
BIGGEST_UPLOAD = "100mb"
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def build(workspace: Workspace, compare: Callable = predict.compare,
          shown: Sequence[Example] | None = None) -> gr.Blocks:
    """The page of a workspace. `compare` and the examples can be handed over, which is how tests are deterministic."""
    workspace.jobs.supervise()
    with gr.Blocks(title="Boxloop", analytics_enabled=False, fill_width=True) as page:
        with gr.Row(elem_classes="top"):
            gr.HTML(HEAD, elem_classes="top-name", apply_default_css=False)
            chip = jobs.drawer(workspace)
        if workspace.ephemeral:
            Notice(words.sentence(workspace.ephemeral, problem=True), elem_id="ephemeral")
        shown = examples() if shown is None else shown
        memory = gr.BrowserState({}, storage_key="boxloop", secret=workspace.secret)  # who a visitor is, and their desk
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Compare", id="compare", elem_id="compare") as comparing:
                takes, models = compare_tab.tab(page, workspace, compare, shown, memory)
            with gr.Tab("Correct", id="correct", elem_id="correct") as tab:
                correct = Correct(workspace, memory, tab)
            with gr.Tab("Fine-tune", id="train", elem_id="train") as tab:
                train = Train(workspace, tab, shown)
            with gr.Tab("Measure", id="measure", elem_id="measure") as tab:
                measure = Measure(workspace, tab)
            with gr.Tab("Data", id="data", elem_id="data") as data:
                data_tab.tab(data, workspace, shown)
            with gr.Tab("Models", id="models", elem_id="models-tab"):
                models_tab.tab(workspace, models)
        takes.lead_to(correct, tabs)
        measure.lead_to(correct, memory, tabs)
        train.lead_to(models, tabs)
        for event in (comparing.select, chip.end):  # a run that ended may have left a tuned model
            models.after(event)
    return page


def launch(page: gr.Blocks, **options):
    """Serve a page. Address and port come from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, as Gradio documents."""
    # `_frontend` is only whether Gradio looks at the page once: it gives up after 3 seconds, and a busy machine that
    # needs 4 for the first look would not serve at all ("When localhost is not accessible…").
    return page.launch(theme=theme(), css_paths=STYLES, head=component.head(), footer_links=[], run_history=False,
                       ssr_mode=False, max_file_size=BIGGEST_UPLOAD, _frontend=False, **options)


def theme() -> gr.themes.Base:
    """Quiet and flat: the picture is what has colour. Fonts of the system, so that nothing is fetched."""
    return gr.themes.Default(
        primary_hue=gr.themes.colors.blue, neutral_hue=gr.themes.colors.slate, radius_size=gr.themes.sizes.radius_md,
        font=FONT, font_mono=MONO)
