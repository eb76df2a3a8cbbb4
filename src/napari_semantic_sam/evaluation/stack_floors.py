"""What can be had for stacks without looking at the pictures: floors under every method."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Labels = npt.NDArray[np.integer[Any]]


def touching_slices(labels: Labels) -> npt.NDArray[np.int32]:
    """Join labels of successive slices that share a pixel: their connected components.

    Parameters
    ----------
    labels : (N, H, W) integer array
        Numbers mean nothing beyond their slice; 0 is background. Labels of one slice that
        touch stay apart, unless labels of other slices join them.

    Returns
    -------
    (N, H, W) int32 array
        The same masks, numbered by component.
    """
    nodes = np.zeros(labels.shape, dtype=np.int64)
    count = 0
    for plane, numbered in zip(labels, nodes, strict=True):
        values, place = np.unique(plane, return_inverse=True)
        numbers = np.cumsum(values > 0) + count
        numbered[...] = np.where(values > 0, numbers, 0)[place].reshape(plane.shape)
        count = max(count, int(numbers[-1]))
    both = (nodes[:-1] > 0) & (nodes[1:] > 0)
    ends = nodes[:-1][both], nodes[1:][both]
    graph = coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(count + 1, count + 1))
    _, component = connected_components(graph, directed=False)
    # Node 0 is the background, alone in its component, and first: its component is 0.
    return np.asarray(component, dtype=np.int32)[nodes]
