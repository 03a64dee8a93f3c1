"""Downloads come whole or not at all: cut, slow, damaged, gated, cancelled, from a server that speaks the Hub's API."""
from __future__ import annotations

import shutil
import threading
import time

import pytest

from app.backends import ModelError, downloading, fetching
from app.backends.checkpoint import folder_of, revision_of
from app.backends.downloading import Downloads
from tests.hub_server import COMMIT, HubServer


@pytest.fixture(scope="module")
def running(checkpoint, tmp_path_factory):
    pickled = tmp_path_factory.mktemp("pickled")
    (pickled / "config.json").write_text('{"model_type": "paligemma"}')
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    server = HubServer()
    server.models |= {"someone/base": checkpoint("paligemma"), "someone/tuned": checkpoint("lora"),
                      "someone/pickled": pickled}
    yield server
    server.close()


@pytest.fixture
def hub(running, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(fetching, "PAUSES", (0.01,))
    running.reset()
    return running


@pytest.fixture
def downloads(hub, tmp_path):
    return Downloads(tmp_path / "cache", hub.url)


def ended(download):
    assert download.over.wait(30)
    return download


def test_a_listing_says_what_a_model_is_before_anything_large_comes(downloads, hub):
    listing = downloads.look("someone/base")
    weights = sum(file.stat().st_size for file in hub.models["someone/base"].glob("*.safetensors"))
    assert listing.commit == COMMIT and listing.licence == "apache-2.0" and listing.size > weights
    assert listing.settings["model_type"] == "paligemma" and not listing.is_adapter and not listing.gate
    assert not any(path.endswith(".safetensors") for path in hub.asked)
    assert downloads.look("someone/tuned").is_adapter


def test_what_came_is_where_every_other_program_looks_for_it(downloads, hub, tmp_path):
    folder = ended(downloads.start("someone/base")).folder
    assert folder == tmp_path / "cache/models--someone--base/snapshots" / COMMIT == downloads.here("someone/base")
    for file in folder.iterdir():
        assert file.read_bytes() == (hub.models["someone/base"] / file.name).read_bytes()
    from huggingface_hub import snapshot_download
    assert snapshot_download("someone/base", cache_dir=tmp_path / "cache", local_files_only=True) == str(folder)
    assert revision_of(folder) == COMMIT
    asked = len(hub.asked)
    assert folder_of("someone/base", None, downloads) == folder and len(hub.asked) == asked  # no network any more


def test_a_cut_connection_goes_on_where_it_ended(downloads, hub):
    hub.cut["model.safetensors"] = 3
    assert ended(downloads.start("someone/base")).state == "done"
    assert len([each for each in hub.ranges if each.startswith("model.safetensors")]) == 3


def test_a_busy_hub_is_asked_again(downloads, hub):
    hub.busy = 3
    assert ended(downloads.start("someone/base")).state == "done"


def test_a_cancelled_download_keeps_what_came_and_goes_on_from_there(downloads, hub):
    hub.pause, hub.block = 0.02, 1 << 12
    download = downloads.start("someone/base")
    deadline = time.monotonic() + 10
    small = sum(file.stat().st_size for file in hub.models["someone/base"].iterdir() if file.suffix != ".safetensors")
    while download.done < small + (1 << 12):
        assert time.monotonic() < deadline and not download.over.is_set()
        time.sleep(0.01)
    download.cancel()
    assert ended(download).state == "cancelled" and downloads.here("someone/base") is None
    kept = downloads.partly_here("someone/base")
    assert 0 < kept < download.total
    hub.pause = 0
    again = ended(downloads.start("someone/base"))
    assert again.state == "done" and hub.ranges == [f"model.safetensors bytes={kept}-"]


def test_progress_counts_bytes_and_names_speed(downloads, hub):
    hub.pause, hub.block = 0.05, 1 << 12
    download = downloads.start("someone/base")
    heard = set()
    deadline = time.monotonic() + 20
    while "/s" not in download.words and not download.over.is_set():
        assert time.monotonic() < deadline
        heard.add(download.done)
        time.sleep(0.02)
    assert len(heard) > 2 and " of " in download.words and "left" in download.words
    hub.pause = 0
    assert ended(download).done == download.total


def test_damaged_weights_are_thrown_away_and_said(downloads, hub):
    hub.damaged.add("model.safetensors")
    download = ended(downloads.start("someone/base"))
    assert download.state == "failed" and "model.safetensors of someone/base came damaged" in download.problem
    assert downloads.here("someone/base") is None and not downloads.partly_here("someone/base")
    hub.damaged.clear()
    assert ended(downloads.start("someone/base")).state == "done"


def test_a_gated_model_says_where_its_licence_is_accepted(downloads, hub, monkeypatch):
    hub.gated.add("someone/base")
    listing = downloads.look("someone/base")
    assert listing.gate == "https://huggingface.co/someone/base"
    assert "accept its licence at https://huggingface.co/someone/base, then set HF_TOKEN" in listing.refusal
    assert "accept its licence at" in ended(downloads.start("someone/base")).problem
    hub.tokens.add("hf_mine")
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert ended(downloads.start("someone/base")).state == "done"


@pytest.mark.parametrize(("name", "revision", "sentence"), [
    ("someone/gone", None, "the Hub has no model someone/gone, or it is private"),
    ("someone/base", "v9", "someone/base has no revision v9"),
    ("a/b/c", None, "neither a folder here nor a name on the Hub"),
    ("../../etc", None, "neither a folder here nor a name on the Hub"),
])
def test_what_the_hub_does_not_have_is_one_sentence(downloads, name, revision, sentence):
    with pytest.raises(ModelError, match=sentence):
        downloads.look(name, revision)


def test_pickled_weights_are_refused_before_they_come(downloads, hub):
    assert "keeps its weights as pickle" in ended(downloads.start("someone/pickled")).problem
    assert not any(path.endswith(".bin") for path in hub.asked)


def test_without_a_network_it_is_said_with_what_to_do(tmp_path, hub):
    nobody = Downloads(tmp_path, "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="the Hub cannot be reached; connect to the internet once"):
        nobody.look("someone/base")


def test_a_full_disk_is_said_before_the_download(downloads, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 10, 0))
    assert "more on the disk, and 0 B are free" in ended(downloads.start("someone/base")).problem


def test_who_stops_waiting_cancels_only_what_nobody_else_wants(downloads, hub):
    class Enough(Exception):
        pass

    def told(words):
        raise Enough

    hub.pause, hub.block = 0.05, 1 << 12
    with pytest.raises(Enough):
        downloads.wait("someone/base", None, told)
    assert ended(downloads.find("someone/base")).state == "cancelled"
    kept = downloads.start("someone/base")
    kept.kept = True
    with pytest.raises(Enough):
        downloads.wait("someone/base", None, told)
    hub.pause = 0
    assert ended(kept).state == "done"


def test_two_who_want_the_same_share_one_download(downloads, hub):
    found = []
    threads = [threading.Thread(target=lambda: found.append(downloads.wait("someone/base", None))) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    assert len(found) == 3 and len({*found}) == 1
    assert len([path for path in hub.asked if path.endswith("model.safetensors")]) == 1


def test_a_file_that_would_leave_its_folder_is_not_taken(downloads, hub, monkeypatch):
    from app.backends.hub import _is_needed
    assert _is_needed("model-00001-of-00002.safetensors") and _is_needed("chat_template.jinja")
    for name in ("../x.json", "a/b.json", "/etc/x.json", ".x.json", "x\\y.json", "modeling.py", "model.bin",
                 "consolidated.safetensors"):
        assert not _is_needed(name), name
    assert downloading.COMMIT.fullmatch(COMMIT)
