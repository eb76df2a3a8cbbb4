"""Numbers per object, and how they are put together for an image, a folder or a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measurements:
    """What a protocol found out about N objects.

    Attributes
    ----------
    columns : dict of name to (N,) float array
        Numbers whose mean over the objects is reported.
    predicted_iou, iou : (N, K) float arrays
        What the network expected of each candidate, and what it was; K is 0 where a
        protocol does not look at calibration.
    """

    columns: dict[str, Floats]
    predicted_iou: Floats
    iou: Floats

    def __len__(self) -> int:
        return len(self.iou)

    def rows(self, chosen: npt.NDArray[np.intp]) -> Measurements:
        """Return the objects at these positions."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Measurements(columns, self.predicted_iou[chosen], self.iou[chosen])

    def summary(self) -> dict[str, float]:
        """Return flat numbers: the object count and, if there are any, means and calibration."""
        numbers: dict[str, float] = {"n_objects": len(self)}
        if len(self):
            numbers |= {name: float(values.mean()) for name, values in self.columns.items()}
            numbers |= self._calibration()
        return numbers

    def _calibration(self) -> dict[str, float]:
        from scipy.stats import spearmanr

        if not self.iou.size:
            return {}
        error = float(np.abs(self.predicted_iou - self.iou).mean())
        predicted, measured = self.predicted_iou.ravel(), self.iou.ravel()
        if np.ptp(predicted) == 0 or np.ptp(measured) == 0:  # a constant has no ranks
            return {"calibration_error": error}
        correlation = float(spearmanr(predicted, measured).statistic)
        return {"calibration_error": error, "calibration_correlation": correlation}


def concatenate(parts: Sequence[Measurements]) -> Measurements:
    """Put the objects of several images together; at least one part."""
    return Measurements(
        {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
        np.concatenate([part.predicted_iou for part in parts]),
        np.concatenate([part.iou for part in parts]),
    )


@dataclass(frozen=True)
class ImageResult:
    """What was measured on one image, or on several put together.

    Attributes
    ----------
    measured : dict of masks folder name to Measurements
        Only of folders with an object.
    embed_seconds, prompt_seconds : float
        In all.
    embeddings, prompts : int
        How many.
    """

    measured: dict[str, Measurements]
    embed_seconds: float = 0.0
    embeddings: int = 0
    prompt_seconds: float = 0.0
    prompts: int = 0

    def summary(self) -> dict[str, float]:
        """Return flat numbers: over all objects, for each named folder, and mean times if known."""
        if not self.measured:
            return {"n_objects": 0}
        numbers = concatenate(list(self.measured.values())).summary()
        for name, part in self.measured.items():
            if name:
                numbers |= {f"{name}/{key}": value for key, value in part.summary().items()}
        if self.embeddings:
            numbers["seconds_embed"] = self.embed_seconds / self.embeddings
        if self.prompts:
            numbers["seconds_click"] = self.prompt_seconds / self.prompts
        return numbers


def total(results: Sequence[ImageResult]) -> ImageResult:
    """Put the results of several images together."""
    names = dict.fromkeys(name for result in results for name in result.measured)
    measured = {
        name: concatenate([each.measured[name] for each in results if name in each.measured])
        for name in names
    }
    return ImageResult(
        measured,
        sum(each.embed_seconds for each in results),
        sum(each.embeddings for each in results),
        sum(each.prompt_seconds for each in results),
        sum(each.prompts for each in results),
    )
