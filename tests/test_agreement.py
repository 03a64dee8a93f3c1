"""Where models agree: the line under a panel's head."""
from __future__ import annotations

from app.agreement import Agreement, agreement
from app.types import Annotation, Point

SIZE = (1000, 1000)
CAT = Annotation("cat", (100, 100, 300, 300))
DOG = Annotation("dog", (600, 600, 800, 800))


def moved(each, by):
    x1, y1, x2, y2 = each.box
    return Annotation(each.label, (x1 + by, y1, x2 + by, y2))


def test_the_same_objects_agree_whatever_their_order_and_letter_case():
    assert agreement([CAT, DOG], [[DOG, Annotation("Cat", CAT.box)]], SIZE) == Agreement(agree=2)


def test_each_way_of_differing_has_its_own_word():
    other = [moved(CAT, 120), Annotation("wolf", DOG.box), Annotation("bird", (0, 900, 50, 950))]
    mine = [CAT, DOG, Annotation("fish", (900, 0, 950, 50))]
    found = agreement(mine, [other], SIZE)
    assert found == Agreement(shifted=1, renamed=1, alone=1, missing=1)
    assert str(found) == "1 shifted · 1 named otherwise · 1 only here · 1 missing here"


def test_of_several_others_half_is_enough_to_agree_and_to_miss():
    assert agreement([CAT], [[CAT], []], SIZE).agree == 1
    assert agreement([CAT], [[CAT], [], []], SIZE) == Agreement(shifted=1)
    assert agreement([], [[CAT], [CAT], [DOG]], SIZE).missing == 1


def test_one_missing_thing_is_counted_once_however_many_others_have_it():
    assert agreement([], [[CAT], [moved(CAT, 5)], [moved(CAT, 9)]], SIZE) == Agreement(missing=1)


def test_points_agree_within_five_percent_of_the_diagonal():
    here, near, far = (Annotation("cup", points=(Point("cup", x, 500.0),)) for x in (500.0, 560.0, 700.0))
    assert agreement([here], [[near]], SIZE) == Agreement(agree=1)
    assert agreement([here], [[far]], SIZE) == Agreement(alone=1, missing=1)


def test_alone_on_the_page_there_is_nothing_to_agree_with():
    assert str(agreement([CAT], [], SIZE)) == ""
    assert agreement([Annotation("cat")], [[Annotation("cat")]], SIZE) == Agreement()
