"""A picture's file is kept once, unaltered, completely or not at all, and found again by its content."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as Pillow

from app import pictures
from app.store import NotFound, Store
from app.store import pictures as files
from app.types import Sample


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "home")
    yield store
    store.close()


def test_a_picture_is_kept_once_and_unaltered_under_every_name(store, photo, tmp_path):
    (tmp_path / "evil.html").write_bytes(photo.read_bytes())
    first = store.keep_picture(replace(pictures.read(photo), name="a.png"))
    second = store.keep_picture(replace(pictures.read(tmp_path / "evil.html"), name="b.png"))
    assert second == replace(first, name="b.png") and store.picture(first.sha256) == replace(first, name="")
    assert Path(first.path).read_bytes() == photo.read_bytes()
    assert Path(first.path) == tmp_path / "home" / "images" / first.sha256[:2] / f"{first.sha256}.png"
    assert store.keep_picture(first) == first
    assert [path for path in (tmp_path / "home/images").rglob("*") if path.is_file()] == [Path(first.path)]
    with pytest.raises(NotFound, match="no picture"):
        store.picture("../../etc/passwd")


def test_one_picture_in_two_files_has_equal_pixels_also_when_a_camera_lay_on_its_side(store, tmp_path, photo):
    upright, exif = Pillow.open(photo), Pillow.Exif()
    exif[pictures.ORIENTATION] = 6  # to be turned right by a quarter
    upright.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    plain, turned = (store.keep_picture(pictures.read(path)) for path in (photo, tmp_path / "turned.png"))
    assert plain.size == turned.size == upright.size and plain.sha256 != turned.sha256
    assert plain.pixels_sha256 == turned.pixels_sha256
    assert Path(turned.path).read_bytes() == (tmp_path / "turned.png").read_bytes()


def test_a_damaged_picture_is_refused_under_its_name_and_nothing_is_begun(store, tmp_path, photo):
    Pillow.open(photo).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-200])
    bad = replace(pictures.read(tmp_path / "cut.jpg"), name="holiday.jpg")
    with pytest.raises(pictures.PictureError, match=r"holiday\.jpg is damaged"):
        store.begin("mine", [Sample("s1", (pictures.read(photo),), "detect", "cat"),
                             Sample("s2", (bad,), "detect", "cat")], ["m1"])
    assert store.comparisons("mine") == []
    assert not list((tmp_path / "home/images").glob("unfinished-*"))


def test_a_picture_whose_file_was_lost_is_kept_again(store, photo):
    image = store.keep_picture(pictures.read(photo))
    Path(image.path).unlink()
    with pytest.raises(NotFound, match="no picture"):
        store.picture(image.sha256)
    assert store.keep_picture(pictures.read(photo)) == image and store.picture(image.sha256) == image


def test_what_a_killed_process_left_unfinished_is_swept_away_a_day_later(tmp_path, monkeypatch):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "unfinished-1").write_bytes(b"half")
    Store(tmp_path).close()
    assert (folder / "unfinished-1").exists()
    monkeypatch.setattr(files, "STALE", -1)
    Store(tmp_path).close()
    assert not (folder / "unfinished-1").exists()
