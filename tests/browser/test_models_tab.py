"""The Models tab as an operator uses it: from the Hub, from a server, adapters on a base; then asked under Compare."""
from __future__ import annotations

import json
import re
import shutil

import pytest
from playwright.sync_api import expect

from app.catalogue import SHIPPED
from app.ui import page as app_page
from app.ui import settings
from app.workspace import Workspace
from tests.browser.conftest import arrived
from tests.hub_server import HubServer
from tests.openai_server import OpenAIServer

SLOW = 60_000  # milliseconds for what loads a model
FAR = "tiny-qwen3-vl-served (server)"
ANSWERED = re.compile(r"· \d|cut off after|could not be read|nothing found")


@pytest.fixture
def hub(checkpoint, tmp_path, monkeypatch):
    """The Hub's API on this machine, with a base and two adapters of it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server = HubServer()
    server.models["someone/base"] = checkpoint("paligemma")
    for name in ("first", "second"):
        folder = shutil.copytree(checkpoint("lora"), tmp_path / name)
        settings = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": "someone/base"}))
        server.models[f"someone/{name}"] = folder
    yield server
    server.close()


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setattr("app.catalogue.HUB", ())  # nothing of them is needed here, and each would have a panel
    shutil.copytree(SHIPPED / "tiny-qwen3-vl", tmp_path / "shipped" / "tiny-qwen3-vl")
    workspace = Workspace(tmp_path / "home", shipped=tmp_path / "shipped")
    workspace.catalogue.downloads._cache = tmp_path / "cache"
    workspace.catalogue.downloads._endpoint = "http://127.0.0.1:9"  # nothing listens there
    return workspace


@pytest.fixture
def served(workspace, tmp_path):
    (tmp_path / "sent").mkdir()
    with workspace.models.using(workspace.catalogue.find("tiny-qwen3-vl")) as model:
        server = OpenAIServer(model, tmp_path / "sent", "tiny-qwen3-vl-served")
        yield server
        server.close()


@pytest.fixture
def page(chromium, workspace, monkeypatch):
    # Random models never stop by themselves, and six of them write here.
    monkeypatch.setitem(settings.UNTOUCHED, "tokens", 32)
    blocks = app_page.build(workspace)
    with arrived(chromium, blocks, SLOW) as page:
        yield page


def tab(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def row(page, model: str):
    return page.locator(f'.model-row[data-id="{model}"]')


def press(page, model: str, label: str) -> None:
    row(page, model).get_by_role("button", name=f"{label}: ").click()


def tick(page, title: str):
    """The box of a model under Compare; what it needs may stand behind its name."""
    return page.locator("#models label").filter(has_text=re.compile(rf"^{re.escape(title)}")).locator("input")


def look(page, typed: str) -> None:
    page.fill("#model-typed textarea, #model-typed input", typed)
    page.click("#model-look")


def add(page, typed: str) -> None:
    look(page, typed)
    expect(page.locator("#model-add")).to_be_enabled(timeout=30_000)
    page.click("#model-add")
    expect(page.locator("#models-said .notice")).to_contain_text("Added", timeout=30_000)


def test_models_come_from_the_hub_a_server_and_adapters_and_are_compared_at_once(page, hub, served, workspace):
    tab(page, "Models")
    expect(row(page, "tiny-qwen3-vl")).to_contain_text("loaded")
    expect(page.locator("#model-typed")).to_be_visible()
    expect(page.locator("#model-served")).to_be_hidden()

    look(page, "someone/base")  # no network
    expect(page.locator("#model-facts")).to_contain_text("the Hub cannot be reached; connect to the internet once",
                                                         timeout=30_000)
    expect(page.locator("#model-add")).to_be_hidden()

    workspace.catalogue.downloads._endpoint = hub.url
    look(page, "someone/base")
    expect(page.locator("#model-facts")).to_contain_text("apache-2.0", timeout=30_000)
    expect(page.locator("#model-facts")).to_contain_text("PaliGemma")
    expect(page.locator("#model-facts")).to_contain_text(re.compile(r"Download[\d.]+ kB"))
    add(page, "someone/base")
    expect(row(page, "someone/base")).to_contain_text("not downloaded")

    hub.pause, hub.block = 0.2, 1 << 11
    press(page, "someone/base", "Download")
    expect(row(page, "someone/base").locator(".model-state")).to_have_text(re.compile(r"downloading .* of .*left"),
                                                                           timeout=30_000)
    expect(row(page, "someone/base").locator("progress")).to_be_visible()
    press(page, "someone/base", "Cancel")
    expect(row(page, "someone/base")).to_contain_text("came before the download ended", timeout=30_000)
    hub.pause = 0
    press(page, "someone/base", "Resume")
    expect(row(page, "someone/base").locator(".model-state")).to_have_text("on disk", timeout=30_000)
    assert any(each.startswith("model.safetensors bytes=") for each in hub.ranges)

    for name in ("someone/first", "someone/second"):
        add(page, name)
        expect(row(page, name)).to_contain_text("on base")
        press(page, name, "Download")
        expect(row(page, name).locator(".model-state")).to_have_text("on disk", timeout=30_000)

    look(page, served.url)
    expect(page.locator("#model-served")).to_be_visible(timeout=30_000)
    add(page, served.url)
    far = next(entry.spec.id for entry in workspace.catalogue.entries() if entry.spec.server)
    expect(row(page, far)).to_contain_text("on a server")
    press(page, far, "Load")
    expect(row(page, far).locator(".model-state")).to_have_text("ready", timeout=30_000)

    # A run of this workspace has published an adapter meanwhile.
    tuned = shutil.copytree(hub.models["someone/first"], workspace.home / "runs" / "a-run" / "adapter")
    (tuned / "README.md").write_text("# Tuned here\n")
    tab(page, "Compare")
    for title in ("base", "first", "second", FAR, "Tuned here"):
        tick(page, title).check()
    page.click("#run")
    shown = page.locator(".model:visible")
    expect(shown).to_have_count(6, timeout=30_000)
    for number in range(6):
        expect(shown.nth(number).locator(".head-status")).to_have_text(ANSWERED, timeout=SLOW)
    titles = shown.locator(".head-title").all_text_contents()
    assert {"base", "first", "second", FAR, "Tuned here"} < set(titles)
    assert served.questions and served.questions[0]["model"] == "tiny-qwen3-vl-served"

    tab(page, "Models")
    for name in ("someone/base", "someone/first", "someone/second"):
        expect(row(page, name).locator(".model-state")).to_contain_text("loaded", timeout=30_000)
    assert len([each for each in workspace.models.room.residents if each.device == "cpu"]) == 2  # the weights once
    press(page, "someone/base", "Unload")
    expect(row(page, "someone/base").locator(".model-state")).to_have_text("on disk", timeout=30_000)
    press(page, "someone/base", "Check coordinates")
    expect(row(page, "someone/base")).to_contain_text("oordinates", timeout=SLOW)
    expect(row(page, "someone/base").locator(".model-badge")).to_contain_text("coordinates", timeout=SLOW)
    press(page, far, "Remove")
    press(page, far, "Take it off the list?")
    expect(row(page, far)).to_have_count(0)
    assert "server" not in workspace.catalogue.file.path.read_text().split("\n", 2)[2]
    tab(page, "Compare")
    expect(tick(page, FAR)).to_have_count(0)

    page.reload()
    expect(page.locator("#run")).to_be_enabled(timeout=30_000)
    expect(tick(page, "first")).to_be_visible()


def test_a_visitor_sees_the_models_and_changes_none(chromium, workspace, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "owner/name")  # so that being at this machine does not count
    blocks = app_page.build(workspace)
    _, address, _ = app_page.launch(blocks, prevent_thread_lock=True, quiet=True)
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    try:
        page.goto(address)
        tab(page, "Models")
        expect(row(page, "tiny-qwen3-vl")).to_be_visible(timeout=30_000)
        expect(page.locator("#models-visitors .notice")).to_have_text("The operator of this page chooses its models.")
        expect(page.locator(".model-act")).to_have_count(0)
        expect(page.locator("#models-add")).to_be_hidden()
        [acts] = [number for number, each in blocks.fns.items()
                  if each.name == "act" and each.fn.__module__ == "app.ui.models"]
        refused = page.request.post(f"{address}gradio_api/run/predict", data={
            "fn_index": acts, "data": [], "session_hash": "a-visitor",
            "event_data": {"id": "tiny-qwen3-vl", "act": "load"}})
        assert "Only the operator of this page may load models." in refused.text()
        assert not workspace.models.room.residents
        page.goto(f"{address}?operator={workspace.operator_key}")
        tab(page, "Models")
        expect(page.locator(".model-act").first).to_be_visible(timeout=30_000)
        page.set_viewport_size({"width": 390, "height": 844})  # no tab hides behind a menu
        expect(page.get_by_role("tab")).to_have_text(["Compare", "Correct", "Fine-tune", "Measure", "Data", "Models"])
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        expect(page.locator("#model-look")).to_be_visible()
    finally:
        page.close()
        blocks.close(verbose=False)
