"""A model's coordinates are tested once, after its first answer and in the background, and that is remembered."""
from __future__ import annotations

import json
import shutil
import threading
import time

import pytest

import app.selftest as selftests
from app import badges as page
from app import comparing, pictures, predict, tasks
from app.backends.loaded import LoadedModels
from app.badges import Badges
from app.selftest import SelfTest
from app.types import Generation, ModelSpec, Sample
from app.workspace import Workspace

RED = SelfTest(False, 12.0, 1.0, 19, ("read back: x and y are swapped",))
GREEN = SelfTest(True, 0.4, 1.0, 19)


@pytest.fixture
def tested(monkeypatch):
    """Which models the self-test was run on; `tested.result` is what it says."""
    class Tested(list):
        result = GREEN
        may_end = threading.Event()

    tested = Tested()
    tested.may_end.set()
    monkeypatch.setattr(selftests, "selftest", lambda model: (
        tested.may_end.wait(10), tested.append(model.spec.id), tested.result)[-1])
    return tested


@pytest.fixture
def spec(checkpoint):
    return ModelSpec("tiny", "paligemma", "local", str(checkpoint("paligemma")))


def settled(badges: Badges, spec: ModelSpec) -> None:
    deadline = time.monotonic() + 30
    while badges.testing(spec):
        badges.wait(0.05)
        assert time.monotonic() < deadline


def test_a_real_model_is_green_and_is_not_tested_twice(tmp_path, spec):
    models = LoadedModels()
    badges = Badges(tmp_path, models)
    assert badges.of(spec) is None
    models.load(spec)
    badges.after(spec)
    settled(badges, spec)
    badge = badges.of(spec)
    assert badge.ok and badge.text == "coordinates right" and "drawings" in badge.detail
    [file] = tmp_path.iterdir()
    written = file.stat().st_mtime_ns
    again = Badges(tmp_path, models)  # after a restart
    assert again.of(spec) == badge
    again.after(spec)
    settled(again, spec)
    assert file.stat().st_mtime_ns == written


def test_it_costs_nothing_the_second_time(tmp_path, spec, tested):
    models = LoadedModels()
    models.load(spec)
    for _ in range(3):
        badges = Badges(tmp_path, models)
        badges.after(spec)
        settled(badges, spec)
    assert tested == ["tiny"]


def test_asked_by_many_it_is_tested_once(tmp_path, spec, tested):
    models = LoadedModels()
    models.load(spec)
    badges = Badges(tmp_path, models)
    tested.may_end.clear()
    for _ in range(5):
        badges.after(spec)
    assert badges.testing(spec)
    tested.may_end.set()
    settled(badges, spec)
    assert tested == ["tiny"]


def test_a_model_that_is_not_in_memory_is_not_loaded_for_it(tmp_path, spec, tested):
    badges = Badges(tmp_path, LoadedModels())
    badges.after(spec)
    assert not badges.testing(spec) and badges.models.held(spec) is None and not tested


def test_other_weights_or_another_processor_under_the_same_name_are_tested_anew(tmp_path, checkpoint, tested):
    folder = shutil.copytree(checkpoint("paligemma"), tmp_path / "model")
    spec = ModelSpec("mine", "paligemma", "local", str(folder))

    def used() -> None:
        models = LoadedModels()
        models.load(spec)
        badges = Badges(tmp_path / "badges", models)
        badges.after(spec)
        settled(badges, spec)

    used()
    used()
    assert len(tested) == 1
    settings = folder / "processor_config.json"
    settings.write_text(settings.read_text("utf-8") + "\n", encoding="utf-8")
    used()
    assert len(tested) == 2
    with open(folder / "model.safetensors", "r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"\x01")
    used()
    assert len(tested) == 3


def test_other_code_makes_an_old_badge_worth_nothing(tmp_path, spec, tested, monkeypatch):
    models = LoadedModels()
    Badges(tmp_path, models).test(spec)
    monkeypatch.setattr(page, "_code", lambda: "of tomorrow")
    assert Badges(tmp_path, models).of(spec) is None


def test_a_red_badge_says_what_is_wrong_until_it_is_right(tmp_path, spec, tested):
    tested.result = RED
    badges = Badges(tmp_path, LoadedModels())
    badge = badges.test(spec)
    assert badge.ok is False and badge.text == "coordinates wrong" and "x and y" in "; ".join(badge.failures)
    tested.result = GREEN
    assert badges.test(spec).ok and badges.of(spec).failures == ()


def test_a_base_and_its_adapter_have_badges_of_their_own(tmp_path, spec, checkpoint, tested):
    tuned = ModelSpec("tuned", "paligemma", "local", spec.source, adapter=str(checkpoint("lora")))
    badges = Badges(tmp_path, LoadedModels())
    badges.test(spec)
    assert badges.of(tuned) is None
    badges.test(tuned)
    assert tested == ["tiny", "tuned"] and badges.of(tuned).ok


@pytest.mark.parametrize("content", ["", "{", "[]", "null", json.dumps({"code": "x"}), "\x00"])
def test_a_damaged_file_is_no_badge(tmp_path, spec, tested, content):
    badges = Badges(tmp_path, LoadedModels())
    badges.test(spec)
    next(tmp_path.iterdir()).write_text(content, encoding="utf-8")
    assert badges.of(spec) is None
    assert badges.test(spec, anew=False).ok


def test_a_detector_is_neither_green_nor_red(tmp_path, checkpoint):
    spec = ModelSpec("d", "owlv2", "detector", str(checkpoint("owlv2")))
    badge = Badges(tmp_path, LoadedModels()).test(spec)
    assert badge.ok is None and badge.text == "coordinates not tested" and "head" in badge.detail


def test_the_first_answer_is_kept_before_its_test_begins(tmp_path, photo, checkpoint, tested, spec):
    """And a second one begins none."""
    workspace = Workspace(tmp_path)
    sample = Sample("s", (pictures.read(photo),), "ground", "the red box")
    comparison = workspace.store.begin("me", [sample], [spec.id])
    ask = predict.Ask(spec, tasks.request(sample.images, sample.task, sample.query), Generation(max_tokens=4))
    kept_before = []

    def after(which: ModelSpec) -> None:
        kept_before.append(bool(workspace.store.comparison(comparison.id, "me").answers))
        workspace.badges.after(which)

    answering = comparing.Comparing(workspace.store, workspace.models, predict.compare, after)
    for _ in range(2):
        running = answering.ask(comparison, {(sample.id, spec.id): ask})
        while not running.over:
            running.wait(running.version, 0.2)
        settled(workspace.badges, spec)
    assert kept_before == [True, True] and tested == ["tiny"]
    workspace.store.close()
