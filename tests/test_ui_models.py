"""The Models tab without a browser: what its buttons do, what a visitor is told, and what the list of models hears."""
from __future__ import annotations

import shutil
import time

import pytest

from app import catalogue as shelf
from app.backends.downloading import Downloads
from app.types import ModelSpec
from app.ui.models.acting import Acting
from app.ui.picker import Offered, Picker, PickerData
from app.workspace import Workspace
from tests.hub_server import HubServer

SERVER = """[[model]]
id = "far"
server = "http://gpu-of-ours:8000/v1"
model = "x"
family = "qwen3-vl"

[[model]]
id = "lost"
adapter = "/nowhere/lora"
base = "paligemma"
"""


@pytest.fixture
def acting(checkpoint, tmp_path):
    shutil.copytree(checkpoint("paligemma"), tmp_path / "shipped" / "paligemma")
    workspace = Workspace(tmp_path / "home", shipped=tmp_path / "shipped")
    workspace.catalogue.downloads._cache = tmp_path / "cache"
    workspace.catalogue.downloads._endpoint = "http://127.0.0.1:9"  # nothing listens there
    workspace.catalogue.file.path.write_text(SERVER)
    return Acting(workspace)


def row(acting: Acting, model: str, may: bool = True):
    return next(row for row in acting.listed(may).rows if row.id == model)


def settled(acting: Acting, model: str) -> None:
    deadline = time.monotonic() + 60
    while model in acting.busy:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_visitor_is_told_no_address_no_problem_and_gets_no_button(acting):
    acting.notes["far"] = ("http://gpu-of-ours:8000 refused the key of VLLM_API_KEY", True)
    assert "on http://gpu-of-ours:8000/v1" in row(acting, "far").about and row(acting, "far").problem
    assert [each.act for each in row(acting, "far").actions] == ["load", "remove"]
    assert acting.listed(True).problems == ["models.toml, lost: there is no folder /nowhere/lora"]
    told = acting.listed(False)
    assert "gpu-of-ours" not in told.model_dump_json() and not told.problems
    assert not any(each.actions for each in told.rows)


def test_the_version_changes_with_what_is_shown_and_with_nothing_else(acting):
    before = acting.listed(True).version
    assert acting.listed(True).version == before
    acting.notes["far"] = ("a word", False)
    assert acting.listed(True).version != before


@pytest.mark.parametrize(("model", "act"), [("paligemma", "erase"), ("paligemma", "remove"), ("paligemma", "__init__"),
                                            ("nobody", "load"), ("far", "check"), ("", "")])
def test_only_a_button_that_is_there_can_be_pressed(acting, model, act):
    with pytest.raises(ValueError, match="this model changed meanwhile; look again"):
        acting.act(model, act)


def test_what_fails_behind_a_button_is_a_sentence_at_its_model(acting):
    acting.act("far", "load")
    settled(acting, "far")
    assert row(acting, "far").problem and "gpu-of-ours" in row(acting, "far").note


def test_a_model_of_the_hub_says_size_licence_and_commit_before_its_download(acting, checkpoint, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(shelf, "HUB", (ModelSpec("someone/base", "paligemma", "local", "someone/base", "main"),))
    hub = HubServer()
    hub.models["someone/base"] = checkpoint("paligemma")
    try:
        acting.act("someone/base", "ask")
        settled(acting, "someone/base")
        assert row(acting, "someone/base").problem and "the Hub cannot be reached" in row(acting, "someone/base").note
        acting.downloads._endpoint = hub.url
        acting.act("someone/base", "ask")
        settled(acting, "someone/base")
        assert "Download: 665 kB; Licence: apache-2.0; Revision: 0123456789ab" in row(acting, "someone/base").note
        assert [each.act for each in row(acting, "someone/base").actions] == ["ask", "download"]
    finally:
        hub.close()


def test_a_folder_that_is_gone_is_no_model_of_the_hub(tmp_path):
    downloads = Downloads(tmp_path)
    assert downloads.here("/nowhere/lora") is None and downloads.partly_here("../x") == 0


def test_the_list_of_models_keeps_the_order_and_takes_any_browser_at_its_word_only_for_ids():
    heard = Picker().preprocess(PickerData(offers=[{"id": "a", "words": "A", "here": True}], ticked=["b", "a", "b"]))
    assert heard.ticked == ("b", "a") and heard.offers == {("a", "A", True)}
    assert Picker().preprocess(None).ticked == ()
    assert Picker().postprocess(Offered(())).ticked is None  # the ticks stay as they are
