"""A tuned model goes to the Hub with its card, and what goes wrong there is a sentence."""
from __future__ import annotations

import pytest

from tests.hub_datasets import HubDatasets
from trainer.push import push


@pytest.fixture
def hub(monkeypatch):
    server = HubDatasets()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # which the tests set for everything else
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    yield server
    server.close()


@pytest.fixture
def tuned(tmp_path):
    for name in ("README.md", "adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).write_text(f"the {name}")
    return tmp_path


def test_the_model_and_its_card_arrive_in_a_private_repository(hub, tuned):
    assert push(tuned, "ann/cells").endswith(hub.head("ann/cells"))
    assert hub.files["ann/cells"] == {file.name: file.read_bytes() for file in tuned.iterdir()}
    assert "ann/cells" in hub.private
    push(tuned, "ann/cells")


def test_a_hub_that_refuses_or_is_away_is_a_sentence(hub, tuned, monkeypatch):
    hub.refuse, hub.refusal = 1, 403
    with pytest.raises(ValueError, match=r"the Hub refused ann/cells \(.*\); set HF_TOKEN to a token that may write"):
        push(tuned, "ann/cells")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"the Hub cannot be reached for ann/cells \(.*\); try again later"):
        push(tuned, "ann/cells")


def test_what_cannot_be_sent_is_said_before_anything_is_asked(tmp_path):
    with pytest.raises(ValueError, match="'cells' is no name on the Hub; it is like you/cells"):
        push(tmp_path, "cells")
    with pytest.raises(ValueError, match=r"there is no tuned model in .*: its run may have been deleted"):
        push(tmp_path, "ann/cells")
