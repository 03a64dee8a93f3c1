"""A picture that is held out anywhere is never trained on: not re-encoded, not resized, not from another dataset."""
from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as Pillow
from PIL import ImageEnhance

from app import pictures
from app.store import Store, fingerprint
from app.types import Sample
from tests.test_datasets import unlike
from tests.test_store import opened  # noqa: F401 a fixture


@pytest.fixture
def store(opened) -> Store:  # noqa: F811
    return opened()


def sample(path: Path, split: str | None = None) -> Sample:
    return Sample(path.stem, (replace(pictures.read(path), name=path.name, split=split),), "detect", "cat")


def copies(path: Path, folder: Path) -> dict[str, Path]:
    """What people do to a picture without making it another one."""
    folder.mkdir(exist_ok=True)
    picture = Pillow.open(path).convert("RGB")
    width, height = picture.size
    made = {
        "as it is": (picture, "png", {}),
        "as JPEG": (picture, "jpg", {"quality": 60}), "as WebP": (picture, "webp", {"quality": 50}),
        "smaller": (picture.resize((width // 2, height // 2)), "jpg", {"quality": 80}),
        "larger": (picture.resize((width * 3 // 2, height * 3 // 2)), "png", {}),
        "squeezed": (picture.resize((224, 224)), "jpg", {"quality": 85}),
        "grey": (picture.convert("L"), "jpg", {}),
        "a little brighter": (ImageEnhance.Brightness(picture).enhance(1.05), "jpg", {"quality": 90})}
    for name, (changed, ending, how) in made.items():
        changed.save(folder / f"{path.stem}-{name}.{ending}", **how)
    return {name: folder / f"{path.stem}-{name}.{ending}" for name, (_, ending, _) in made.items()}


def test_copies_of_a_held_out_picture_never_reach_training(store, tmp_path):
    never_trained_on(store, [unlike(tmp_path / f"{seed}.png", seed, (240, 180)) for seed in range(6)], tmp_path)


def test_copies_of_a_held_out_photo_never_reach_training(store, shared, tmp_path):
    photos = sorted((shared / "coco/yolo_val2017/images").glob("*.jpg"))[:4]
    never_trained_on(store, [*photos, shared / "datasets/bccd_blood_cells/images/BloodImage_00001.jpg"], tmp_path)


def never_trained_on(store: Store, paths: list[Path], tmp_path: Path) -> None:
    first, second = store.datasets.create("held out"), store.datasets.create("for training")
    store.datasets.add(first.id, [sample(path) for path in paths[::2]], split="val")
    others = [copy for path in paths for copy in copies(path, tmp_path / "copies").values()]
    added = store.datasets.add(second.id, [sample(path, "train") for path in others])
    held_out = {path.stem for path in paths[::2]}
    trained = {one.images[0].name for one in store.datasets.samples(second.id, split="train")}
    assert added.new == len(others) and not added.refused
    assert trained == {path.name for path in others if path.stem.rpartition("-")[0] not in held_out}
    assert trained, "the copies of the other pictures are there to train on"
    told = [conflict for conflict in added.split_conflicts if conflict.said == "train"]
    assert {one.name for one in told} == {path.name for path in others} - trained
    assert all(one.split == "val" and "held out in this workspace" in one.why for one in told)


def test_whoever_holds_a_picture_out_later_takes_it_and_its_copies_from_training(store, tmp_path):
    path = unlike(tmp_path / "a.png", 1, (240, 180))
    first, second = store.datasets.create("first"), store.datasets.create("second")
    store.datasets.add(first.id, [sample(path)], split="train")
    snapshot = store.datasets.snapshot(first.id)
    added = store.datasets.add(second.id, [sample(copies(path, tmp_path / "c")["as JPEG"])], split="val")
    conflict, = added.split_conflicts
    assert (conflict.said, conflict.split) == ("val", "val") and "a model may have been tuned on it" in conflict.why
    assert [one.images[0].split for one in store.datasets.samples(first.id)] == ["val"]
    assert not list(store.datasets.samples(first.id, split="train", snapshot=snapshot.id))
    assert [one.images[0].split for one in store.datasets.samples(first.id, snapshot=snapshot.id)] == ["train"]


def test_one_in_five_is_held_out_where_nobody_says_anything(store, tmp_path):
    dataset = store.datasets.create("unsaid")
    given = [sample(unlike(tmp_path / f"{seed}.png", seed)) for seed in range(25)]
    assert not store.datasets.add(dataset.id, given).split_conflicts
    splits = [one.images[0].split for one in store.datasets.samples(dataset.id)]
    assert [Counter(five)["val"] for five in (splits[start:start + 5] for start in range(0, 25, 5))] == [1] * 5
    assert len({tuple(splits[start:start + 5]) for start in range(0, 25, 5)}) > 1, "not always the same of five"
    again = store.datasets.create("again")
    store.datasets.add(again.id, given)
    assert [one.images[0].split for one in store.datasets.samples(again.id)] == splits


def test_a_picture_that_joins_two_groups_is_held_out_with_both_if_one_is(store, tmp_path, monkeypatch):
    """Near is not transitive: the one in the middle may look like two that do not look alike."""
    paths = [unlike(tmp_path / f"{seed}.png", seed) for seed in range(3)]
    dataset = store.datasets.create("chain")
    store.datasets.add(dataset.id, [sample(paths[0])], split="train")
    store.datasets.add(dataset.id, [sample(paths[1])], split="val")
    monkeypatch.setattr(fingerprint, "near", lambda one, other: True)
    monkeypatch.setattr(fingerprint, "probes", lambda looks: [
        band for path in paths for band in fingerprint.bands(fingerprint.of(pictures.pixels(pictures.read(path))))])
    added = store.datasets.add(dataset.id, [sample(paths[2])])
    assert [one.images[0].split for one in store.datasets.samples(dataset.id)] == ["val"] * 3
    assert "joins pictures that are held out" in added.split_conflicts[0].why


def test_a_sample_of_several_pictures_is_held_out_with_one_of_them(store, tmp_path):
    one, other = (sample(unlike(tmp_path / f"{seed}.png", seed)) for seed in range(2))
    dataset = store.datasets.create("pairs")
    store.datasets.add(dataset.id, [one], split="val")
    store.datasets.add(dataset.id, [other], split="train")
    both = replace(one, images=one.images + other.images, query="both")
    store.datasets.add(dataset.id, [both])
    assert [each.query for each in store.datasets.samples(dataset.id, split="train")] == ["cat"]
    assert [each.query for each in store.datasets.samples(dataset.id, split="val")] == ["cat", "both"]


def test_a_split_is_train_or_val(store, tmp_path):
    dataset = store.datasets.create("other")
    for call in (lambda: store.datasets.add(dataset.id, [], split="test"),
                 lambda: list(store.datasets.samples(dataset.id, split="test"))):
        with pytest.raises(ValueError, match="no split 'test'; use train, or val"):
            call()
    added = store.datasets.add(dataset.id, [sample(unlike(tmp_path / "a.png", 1), split="test")])
    assert added.new == 0 and "no split 'test'" in added.refused[0][1]


def test_different_pictures_do_not_look_alike_and_copies_do(tmp_path):
    alike([unlike(tmp_path / f"{seed}.png", seed, (240, 180)) for seed in range(40)], tmp_path)


def test_plain_pictures_are_told_apart_by_their_colour(tmp_path):
    prints = [fingerprint.of(Pillow.new("RGB", (64, 48), colour)) for colour in ("red", "blue", "white", "grey")]
    assert not any(fingerprint.near(one, other) for one, other in itertools.combinations(prints, 2))
    assert fingerprint.near(prints[0], fingerprint.of(Pillow.new("RGB", (30, 90), (253, 1, 1))))


def test_different_photos_do_not_look_alike_and_copies_do(shared, tmp_path):
    folders = ("coco/instances/images", "coco/keypoints/images", "coco/yolo_val2017/images",
               "datasets/bccd_blood_cells/images")
    paths = [path for folder in folders for path in sorted((shared / folder).glob("*.jpg"))]
    assert len(paths) > 200
    alike(paths, tmp_path, {frozenset(("BloodImage_00037.jpg", "BloodImage_00038.jpg"))})


def alike(paths: list[Path], tmp_path: Path, twice: set[frozenset] = frozenset()) -> None:
    """`twice`: pairs of one scene, taken a moment apart."""
    prints = {path.name: fingerprint.of(pictures.pixels(pictures.read(path))) for path in paths}
    near = {frozenset(pair) for pair in itertools.combinations(prints, 2)
            if fingerprint.near(*(prints[name] for name in pair))}
    assert near == twice
    for path in paths[::20]:
        for name, copy in copies(path, tmp_path / "copies").items():
            looks = fingerprint.of(pictures.pixels(pictures.read(copy)))
            assert fingerprint.near(prints[path.name], looks), (path.name, name)
            assert set(fingerprint.bands(prints[path.name])) & set(fingerprint.probes(looks)), (path.name, name)
