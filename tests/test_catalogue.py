"""The catalogue finds shipped folders, adapters beside their bases, Hub models and any folder, without torch."""
from __future__ import annotations

import json
import shutil

import pytest

from app.catalogue import HUB, SHIPPED, Catalogue
from app.workspace import Workspace
from tests.hub_server import COMMIT


@pytest.fixture
def shipped(checkpoint, tmp_path):
    """A folder of shipped models: a base with a card, and an adapter that names it."""
    folder = tmp_path / "models"
    shutil.copytree(checkpoint("paligemma"), folder / "tiny-paligemma")
    shutil.copytree(checkpoint("lora"), folder / "tiny-paligemma-sketch")
    settings = folder / "tiny-paligemma-sketch" / "adapter_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"base_model_name_or_path": "tiny-paligemma"}))
    (folder / "tiny-paligemma" / "README.md").write_text("---\nlicense: x\n---\n\n# A tiny PaliGemma\n\ntext")
    (folder / "tiny-paligemma-sketch" / "README.md").write_text('---\ntitle: "Sketches"\n---\n# Other\n')
    return folder


def test_shipped_models_come_first_with_their_cards_titles(shipped):
    base, tuned, *hub = Catalogue(shipped).entries()
    assert (base.spec.id, base.spec.title, base.state) == ("tiny-paligemma", "A tiny PaliGemma", "shipped")
    assert (tuned.spec.id, tuned.spec.title, tuned.state) == ("tiny-paligemma-sketch", "Sketches", "shipped")
    assert [entry.spec for entry in hub] == list(HUB)


def test_an_adapter_stands_on_its_shipped_base(shipped):
    base, tuned = (Catalogue(shipped).find(name) for name in ("tiny-paligemma", "tiny-paligemma-sketch"))
    assert tuned.source == base.source and base.adapter is None
    assert tuned.revision != base.revision  # each that of its own weights
    assert tuned.adapter == str(shipped / "tiny-paligemma-sketch") and tuned.family == "paligemma"


def test_a_revision_changes_with_the_weights_and_with_nothing_else(shipped):
    catalogue = Catalogue(shipped)
    before = catalogue.find("tiny-paligemma").revision
    (shipped / "tiny-paligemma" / "README.md").write_text("# Another card")
    assert catalogue.find("tiny-paligemma").revision == before and len(before) == 12
    with (shipped / "tiny-paligemma" / "model.safetensors").open("ab") as weights:
        weights.write(b"x")
    assert catalogue.find("tiny-paligemma").revision != before


def test_a_broken_folder_is_left_out_and_the_others_still_show(shipped, caplog):
    (shipped / "broken").mkdir()
    (shipped / "broken" / "config.json").write_text("{")
    (shipped / "lonely").mkdir()
    (shipped / "lonely" / "adapter_config.json").write_text('{"base_model_name_or_path": "gone"}')
    ids = [entry.spec.id for entry in Catalogue(shipped).entries() if entry.state == "shipped"]
    assert ids == ["tiny-paligemma", "tiny-paligemma-sketch"]
    assert "is an adapter for gone, which is not here" in caplog.text


def test_any_folder_is_a_model(checkpoint, tmp_path):
    spec = Catalogue(tmp_path).find(str(checkpoint("qwen3_vl")))
    assert (spec.family, spec.backend, spec.source) == ("qwen3-vl", "local", str(checkpoint("qwen3_vl")))
    assert Catalogue(tmp_path).find(str(checkpoint("owlv2"))).backend == "detector"
    assert Catalogue(tmp_path).find(str(checkpoint("lora"))).source == str(checkpoint("paligemma"))


def test_what_is_no_model_is_said_with_what_there_is(tmp_path):
    with pytest.raises(ValueError, match=r"there is no model 'gpt'; there are: .*google/paligemma2-3b-mix-448"):
        Catalogue(tmp_path).find("gpt")
    with pytest.raises(ValueError, match=r"holds neither config\.json nor adapter_config.json"):
        Catalogue(tmp_path).find(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="no family reads checkpoints of type 'bert'"):
        Catalogue(tmp_path).find(str(tmp_path))


def test_a_hub_model_is_on_disk_once_its_weights_are_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    def state():
        return {entry.spec.id: entry.state for entry in Catalogue(tmp_path).entries()}["Qwen/Qwen2.5-VL-3B-Instruct"]

    cached = tmp_path / "models--Qwen--Qwen2.5-VL-3B-Instruct"
    snapshot = cached / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(COMMIT)
    (snapshot / "config.json").write_text("{}")
    assert state() == "to download"
    (snapshot / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}')
    (snapshot / "1.safetensors").write_bytes(b"x")
    assert state() == "to download"  # cut off between two files
    (snapshot / "2.safetensors").write_bytes(b"x")
    assert state() == "on disk"


def test_hub_models_say_what_they_need_before_a_download():
    for spec in HUB:
        assert spec.needs["download_gb"] > 0 and spec.needs["gpu_gb"] > spec.needs["download_gb"]
        assert spec.revision == "main" and ("token" in spec.needs) == ("paligemma" in spec.id)


def test_every_shipped_folder_is_in_the_catalogue():
    ids = {entry.spec.id for entry in Catalogue().entries() if entry.state == "shipped"}
    assert ids == {folder.name for folder in SHIPPED.glob("*/") if any(folder.glob("*config.json"))}


def test_a_workspace_lives_where_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("BOXLOOP_HOME", str(tmp_path / "environment"))
    assert Workspace(tmp_path / "given").home == tmp_path / "given"
    assert Workspace().home == tmp_path / "environment"
    monkeypatch.delenv("BOXLOOP_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert Workspace().home == tmp_path / ".local/share/boxloop" and Workspace().ephemeral is None


def test_a_space_keeps_its_workspace_in_data_or_says_that_it_is_lost(tmp_path, monkeypatch):
    monkeypatch.delenv("BOXLOOP_HOME")
    monkeypatch.setenv("SPACE_ID", "someone/boxloop")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("app.workspace.SPACE_STORAGE", tmp_path / "data")
    assert "lost when it restarts" in Workspace().ephemeral
    (tmp_path / "data").mkdir()
    assert Workspace().home == tmp_path / "data" / "boxloop" and Workspace().ephemeral is None


def test_a_home_that_cannot_be_made_says_how_to_name_another(photo):
    with pytest.raises(ValueError, match=r"cannot be created .*--home or BOXLOOP_HOME"):
        Workspace(photo / "inside-a-file")
