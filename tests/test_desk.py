"""What lies on a visitor's desk: ids in the browser, which may say anything; everything else from the store."""
from __future__ import annotations

from dataclasses import replace

import PIL.Image
import pytest

from app import pictures
from app.intake import Asked
from app.predict import Ask, failed
from app.store import Store
from app.types import Annotation, ModelSpec, Request, Sample
from app.ui import desk as desks
from app.ui.desk import Desk

TRUTH = (Annotation("cat", (1.0, 2.0, 3.0, 4.0)),)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def samples(tmp_path):
    made = []
    for n, query in enumerate(("cat", "cat", "dog")):
        PIL.Image.new("RGB", (40 + n, 30), (n * 80, 0, 0)).save(tmp_path / f"{n}.png")
        made.append(Sample(f"s{n}", (pictures.read(tmp_path / f"{n}.png"),), "detect", query, TRUTH))
    return made


@pytest.mark.parametrize("told", [None, 7, "x", [], {"captions": 3}, {"comparison": {"a": 1}, "question": 4},
                                  {"captions": {"a": None, 3: "x" * 9000}}, {"sample": "y" * 5000}])
def test_whatever_the_browser_remembers_is_read(told):
    desk = Desk.read(told)
    assert len(desk.sample) <= 200 and all(len(text) <= 2000 for text in desk.captions.values())
    assert Desk.read(desk.to_json()) == desk


def test_another_visitors_comparison_is_not_on_the_desk(store, samples):
    mine = store.begin("me", samples, ["m"])
    assert desks.opened(store, Desk(mine.id), "me").id == mine.id
    assert desks.opened(store, Desk(mine.id), "you") is None
    assert desks.opened(store, Desk(mine.id), "") is None
    token = store.share(mine.id, "me")
    assert desks.opened(store, Desk(token=token), "you").id == mine.id
    assert desks.opened(store, Desk(token=token + "x"), "you") is None


def test_a_draft_that_nothing_was_asked_of_is_thrown_away_and_a_comparison_is_not(store, samples):
    draft, desk = desks.laid(store, "me", Desk(), samples)
    _, after = desks.laid(store, "me", desk, samples[:1])
    assert draft.id not in {each.id for each in store.comparisons("me")}
    asked = store.begin("me", samples, ["m"])
    desks.laid(store, "me", Desk(asked.id), samples)
    assert asked.id in {each.id for each in store.comparisons("me")}
    assert after.comparison in {each.id for each in store.comparisons("me")}


def test_a_changed_question_makes_another_sample_whose_truth_nobody_knows(samples):
    same, other, own = desks.worded(samples, "detect", " cat ", {"s1": "fish", "s2": ""})
    assert same == samples[0]
    assert other.query == "fish" and other.truth is None and other.id != "s1"
    assert own.query == "cat" and own.truth is None


def test_a_pictures_own_question_stays_its_own_however_many_share_it(samples):
    assert desks.captions(samples, Desk(question="bird"), "bird") == {"s0": "cat", "s1": "cat", "s2": "dog"}
    assert desks.common(samples, Desk(question="bird")) == "bird"
    assert desks.common(samples, Desk()) == "cat"
    assert desks.common(samples[1:], Desk()) == ""


def test_what_is_typed_wins_over_what_was_asked(samples):
    assert desks.captions(samples, Desk(captions={"s0": "typed"}), "cat")["s0"] == "typed"


def test_a_list_that_comes_later_speaks_about_the_pictures_that_are_there(samples):
    named = [replace(each, images=(replace(each.images[0], name=f"{n}.png"),)) for n, each in enumerate(samples)]
    changed, *others = desks.told(named, {"0.png": Asked("a star", None, TRUTH, "list.csv")})
    assert (changed.query, changed.truth, changed.source) == ("a star", TRUTH, "list.csv") and changed.id != "s0"
    assert others == named[1:]


def test_an_undone_removal_brings_the_pictures_back(store, samples):
    whole = store.begin("me", samples, ())
    store.remove(whole.id, "me")
    assert desks.brought_back(store, Desk("x", before=whole.id), "me").comparison == whole.id
    untouched = Desk("x", before="nothing")
    assert desks.brought_back(store, untouched, "me") is untouched


def test_what_ended_while_it_was_looked_for_is_there_with_its_answers(store, samples):
    """A quick model: it still ran when the comparison was read, and was done and kept when it was looked for."""
    asked = store.begin("me", samples, ["m"])

    class Ended:
        def find(self, comparison):
            sample = asked.samples[0]
            ask = Ask(ModelSpec("m", "paligemma", "local", "m"), Request(sample.images, "detect", ("cat",)))
            store.keep(comparison, sample.id, failed(ask, "as an example"))

    comparison, running = desks.found(store, Ended(), Desk(asked.id), "me")
    assert running is None and set(comparison.answers) == {(asked.samples[0].id, "m")}
