"""The operator's link works in a real browser: Gradio's client sends the page's query with every event."""
from __future__ import annotations

import gradio as gr
import pytest
from playwright.sync_api import expect

from app.ui import access
from app.workspace import Workspace


@pytest.mark.parametrize("queued", [True, False])
def test_every_event_of_a_page_opened_with_the_link_is_the_operators(chromium, tmp_path, monkeypatch, queued):
    monkeypatch.setenv("SPACE_ID", "owner/name")  # so that being at this machine does not count
    workspace = Workspace(tmp_path)

    def act(visitor: gr.Request):
        return "done" if access.is_operator(workspace, visitor) else "refused"

    with gr.Blocks(analytics_enabled=False) as blocks:
        said = gr.Textbox(elem_id="said")
        gr.Button("Act", elem_id="act").click(act, None, said, queue=queued)
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    try:
        for query, expected in (("", "refused"), ("?operator=x", "refused"),
                                (f"?operator={workspace.operator_key}", "done")):
            page.goto(address + query)
            page.click("#act")
            expect(page.locator("#said textarea, #said input")).to_have_value(expected, timeout=30_000)
            page.goto("about:blank")
    finally:
        page.close()
        blocks.close(verbose=False)
