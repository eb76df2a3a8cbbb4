"""What is too small to belong to a mask, or to be missing from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_semantic_sam.model.specks import without_specks


def map_of(*rows, side=3.0):
    """Logits of a drawing: ``#`` inside; each character stands for 4 × 4 logits."""
    drawing = np.array([[each == "#" for each in row] for row in rows])
    inside = np.kron(drawing, np.ones((4, 4), dtype=bool))
    return torch.from_numpy(np.where(inside, side, -side).astype(np.float32))


LARGE = ["..........", ".####.....", ".####.....", ".####...#.", "..........", ".........."]


def test_a_small_island_becomes_outside_as_surely_as_it_was_inside():
    given = map_of(*LARGE)
    expected = given.clone()
    expected[12:16, 32:36] = -3.0
    assert torch.equal(without_specks(given), expected)


@pytest.mark.parametrize(
    "rows",
    [
        [".####.....", ".####.##..", ".####.....", ".........."],  # a sixth
        [".####.....", ".####.....", ".####.....", ".....#...."],  # touches at a corner
        [".####.....", ".####.....", ".####.....", ".........."],
        ["..........", ".........."],
    ],
)
def test_large_islands_and_what_touches_stay(rows):
    given = map_of(*rows)
    assert without_specks(given) is given


def test_a_small_hole_becomes_inside_and_a_large_one_stays():
    small = [".......", ".#####.", ".#.###.", ".#####.", "......."]
    filled = without_specks(map_of(*small))
    assert torch.equal(filled, map_of(*(row.replace("#.#", "###") for row in small)))
    ring = map_of(".####.", ".#..#.", ".####.")
    assert without_specks(ring) is ring


def test_what_is_open_to_the_border_is_no_hole():
    given = map_of("#####", "#####", "#####", "####.")
    assert without_specks(given) is given


def test_an_island_in_a_hole_is_part_of_what_fills_the_hole():
    full = ["#" * 11] * 10
    rows = [*full[:3], "###...#####", "###.#.#####", "###...#####", *full[:4]]
    assert torch.equal(without_specks(map_of(*rows)), map_of(*full))
