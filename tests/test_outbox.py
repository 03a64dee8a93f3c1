"""The Hub: whatever happens on the way, what is there stays there, nothing is doubled, and it can be read again."""
from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from app import formats, outbox
from app.exporting import export
from app.formats import Options, Unreadable
from app.formats.judging import identity
from app.store import Store
from app.types import Annotation, Sample
from tests import drawn_samples as drawn
from tests.hub_datasets import HubDatasets

REPO = "ann/street"


@pytest.fixture
def hub(monkeypatch):
    server = HubDatasets()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # which the tests set for everything else
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
                        server.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(outbox, "ROWS", 4)
    yield server
    server.close()
    assert server.counts == sorted(server.counts), "rows were lost"


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> list[Sample]:
    folder, made = tmp_path_factory.mktemp("drawn"), []
    for number in range(12):
        image = drawn.picture(folder, f"p{number}.png", seed=number, split="val" if number % 5 == 4 else "train")
        made.append(drawn.sample(image, "detect", f"cat {number}", [Annotation(f"cat {number}", (1, 2, 30, 40))]))
    return made


def push(home: Path, hub: HubDatasets, samples) -> dict:
    return outbox.push(home, REPO, iter(samples), endpoint=hub.url)


def all_there_once(hub: HubDatasets, samples) -> None:
    assert Counter(row["query"] for row in hub.rows(REPO)) == Counter(sample.query for sample in samples)


def test_a_dataset_is_sent_in_parts_and_only_what_is_new_the_next_time(hub, samples, tmp_path):
    told = push(tmp_path, hub, samples[:7])
    assert (told["rows"], told["new"], len(told["parts"])) == (7, 7, 3) and REPO in hub.private
    parts = dict(hub.files[REPO])
    assert {row["split"] for row in hub.rows(REPO)} == {"train", "val"} and b"object-detection" in parts["README.md"]
    told = push(tmp_path, hub, samples)
    assert (told["rows"], told["new"]) == (12, 5)
    all_there_once(hub, samples)
    assert {name: hub.files[REPO][name] for name in parts} == parts  # a part never changes, nor does the card
    assert push(tmp_path, hub, samples)["new"] == 0
    assert not any((tmp_path / "outbox" / "ann--street" / "waiting").iterdir())


def test_a_hub_that_is_down_is_a_sentence_and_the_next_call_sends(hub, samples, tmp_path):
    with pytest.raises(Unreadable, match=r"the Hub cannot be reached for ann/street \(.*\); what is there already st"):
        outbox.push(tmp_path, REPO, iter(samples), endpoint="http://127.0.0.1:9")
    push(tmp_path, hub, samples[:4])
    hub.refuse = 1
    with pytest.raises(Unreadable, match="cannot be reached"):
        push(tmp_path, hub, samples)
    assert push(tmp_path, hub, samples)["rows"] == 12
    all_there_once(hub, samples)


def test_an_answer_that_was_lost_is_found_to_have_arrived(hub, samples, tmp_path):
    hub.swallow = 1
    with pytest.raises(Unreadable, match="cannot be reached"):
        push(tmp_path, hub, samples)
    assert len(hub.rows(REPO)) == 4  # it is there, and we were not told
    told = push(tmp_path, hub, samples)
    assert told["rows"] == 12
    all_there_once(hub, samples)


def test_a_slow_hub_gets_everything_once(hub, samples, tmp_path):
    hub.pause = 0.1
    assert push(tmp_path, hub, samples)["new"] == 12
    all_there_once(hub, samples)


def test_two_who_send_the_same_at_once_double_nothing(hub, samples, tmp_path):
    hub.pause = 0.02
    problems, told = [], []

    def sender(home: Path, own) -> None:
        try:
            told.append(push(home, hub, own))
        except ValueError as problem:
            problems.append(problem)

    senders = [threading.Thread(target=sender, args=(tmp_path / str(number), own)) for number, own in
               enumerate((samples, samples[::-1], samples[3:9]))]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    assert not problems
    all_there_once(hub, samples)
    assert sum(each["new"] for each in told) == 12


def test_an_empty_disk_takes_nothing_away(hub, samples, tmp_path):
    """The first machine's disk was lost with half of its samples; the second has other ones and the same numbers."""
    push(tmp_path / "first", hub, samples[:8])
    assert push(tmp_path / "second", hub, samples[:2])["rows"] == 8
    assert push(tmp_path / "second", hub, samples[8:])["rows"] == 12
    all_there_once(hub, samples)
    replicas = {name.split("-")[1] for name in hub.files[REPO] if name.endswith(".parquet")}
    assert len(replicas) == 2


def test_a_home_that_was_copied_writes_no_part_over_its_twins(hub, samples, tmp_path):
    """Both have the same replica and number: the hash keeps the names apart."""
    for name, own in (("a", samples[:4]), ("b", samples[4:8])):
        (tmp_path / name / "outbox").mkdir(parents=True)
        (tmp_path / name / "outbox" / "replica").write_text("0123456789abcdef")
        push(tmp_path / name, hub, own)
    all_there_once(hub, samples[:8])


def test_what_was_sent_can_be_imported_from_the_hub(hub, samples, tmp_path):
    push(tmp_path / "home", hub, samples)
    rows = list(formats.find("hub").read(REPO, Options(scratch=tmp_path / "scratch")))
    found = {row.id: row for row in rows if isinstance(row, Sample)}
    assert {identity(sample) for sample in samples} == set(found)
    assert Counter(row.images[0].split for row in found.values()) == {"train": 10, "val": 2}
    for name, why in (("ann/nothing", "the Hub has no dataset"), ("../etc", "no name of a dataset")):
        with pytest.raises(Unreadable, match=why):
            list(formats.find("hub").read(name, Options(scratch=tmp_path / "scratch")))


def test_the_command_sends_a_dataset_by_its_name(hub, samples, tmp_path):
    store = Store(tmp_path / "home")
    store.datasets.add(store.datasets.open("street").id, samples)
    told = export(store, "street", "hub", REPO)
    assert (told["samples"], told["new"], told["lost"]) == (12, 12, [])
    with pytest.raises(ValueError, match="is no name on the Hub"):
        export(store, "street", "hub", "/tmp/folder")
    store.close()
