"""What a classical method reaches: the floor under every learned one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage


def otsu_watershed(
    image: npt.NDArray[Any], *, smoothing: float = 1.0, spacing: int = 5, smallest: int = 20
) -> npt.NDArray[np.int32]:
    """Segment blobs by Otsu's threshold and a watershed of the distance transform.

    Foreground is the side of the threshold that is rarer along the border of the picture,
    so that bright objects on dark and dark objects on bright both work.

    Parameters
    ----------
    image : (H, W) or (H, W, 3 or 4) array
        Grey or colours; transparency is ignored, and what is not finite is as dark as the
        darkest pixel that is.
    smoothing : float
        Sigma of the Gaussian before the threshold, in pixels.
    spacing : int
        Least distance between the centres of two objects, in pixels.
    smallest : int
        Objects with fewer pixels are dropped.

    Returns
    -------
    (H, W) int32 array
        0 is background.
    """
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    foreground = _foreground(image, smoothing)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(foreground), smoothing)
    regions, _ = ndimage.label(foreground)
    peaks = peak_local_max(distance, min_distance=spacing, labels=regions, exclude_border=False)
    markers = np.zeros(foreground.shape, dtype=np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-distance, markers, mask=foreground)
    areas = np.bincount(labels.ravel())
    labels[areas[labels] < smallest] = 0
    return np.asarray(labels, dtype=np.int32)


def _foreground(image: npt.NDArray[Any], smoothing: float) -> npt.NDArray[np.bool_]:
    from skimage.filters import threshold_otsu

    grey = image[..., :3].mean(axis=-1) if image.ndim == 3 else image.astype(float)
    is_known = np.isfinite(grey)
    grey = np.where(is_known, grey, grey.min(where=is_known, initial=np.inf))
    smooth = ndimage.gaussian_filter(grey, smoothing)
    if smooth.min() == smooth.max():
        return np.zeros(smooth.shape, dtype=bool)
    bright = np.asarray(smooth > threshold_otsu(smooth))
    border = np.concatenate([bright[0], bright[-1], bright[1:-1, 0], bright[1:-1, -1]])
    return ~bright if border.mean() > 0.5 else bright
