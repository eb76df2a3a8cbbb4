from __future__ import annotations

import pytest

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.pairs import pair_files


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_stems_decide(tmp_path):
    images = touch(tmp_path / "images", "b.png", "a.ome.tif", "c.JPG", ".hidden.png", "notes.txt")
    cells = touch(tmp_path / "cells", "a.tif", "b.tif", "d.png", "b.json")
    nuclei = touch(tmp_path / "nuclei", "a.png")
    pairs = pair_files(images, {"cell": cells, "nucleus": nuclei})
    assert [(pair.stem, pair.image, pair.masks) for pair in pairs.files] == [
        ("a", images / "a.ome.tif", {"cell": cells / "a.tif", "nucleus": nuclei / "a.png"}),
        ("b", images / "b.png", {"cell": cells / "b.tif"}),
    ]
    assert pairs.unmatched == ["c", "d"]


def test_nothing_matches(tmp_path):
    images, masks = touch(tmp_path / "images", "a.png"), touch(tmp_path / "masks", "b.png")
    with pytest.raises(UserError, match=r"No picture in .*images .* in .*masks"):
        pair_files(images, {"cell": masks})


def test_a_missing_folder(tmp_path):
    with pytest.raises(UserError, match=r"nowhere is not a folder"):
        pair_files(tmp_path / "nowhere", {"cell": tmp_path})


def test_two_pictures_of_one_name(tmp_path):
    images = touch(tmp_path / "images", "a.png", "a.tif")
    with pytest.raises(UserError, match=r"a\.\w+ and .*a\.\w+ have the same name"):
        pair_files(images, {"cell": images})
