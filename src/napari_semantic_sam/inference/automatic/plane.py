"""From a plane of any size to label images of its levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_semantic_sam.inference.automatic.canvas import draw_levels
from napari_semantic_sam.inference.automatic.guided import Guide
from napari_semantic_sam.inference.automatic.mask_store import MaskStore
from napari_semantic_sam.inference.automatic.pipeline import Progress
from napari_semantic_sam.inference.automatic.settings import AutomaticSettings
from napari_semantic_sam.inference.automatic.stored import StoredLabels, store_levels
from napari_semantic_sam.inference.automatic.suited import main_level
from napari_semantic_sam.inference.automatic.tiled import Watch, find_masks
from napari_semantic_sam.inference.embedding import PictureEmbedding
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.predictor import Predictor, clear_about_memory
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.inference.tiles.plane_embedding import PlaneEmbedding

_EVERYTHING = Guide()


def segment_plane(
    predictor: Predictor,
    embedding: PictureEmbedding | PlaneEmbedding,
    settings: AutomaticSettings,
    *,
    guide: Guide = _EVERYTHING,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    draft: Callable[[Sequence[Candidate]], None] | None = None,
) -> LevelLabels:
    """Segment everything in a plane, one label image in memory for each level.

    Parameters
    ----------
    predictor : Predictor
    embedding : PictureEmbedding or PlaneEmbedding
        From its `embed` or `embed_plane`. A plane beyond the network's input is segmented
        tile by tile, see `find_masks`.
    settings : AutomaticSettings
    guide : Guide
        Sizes and the region that are wanted; everything when left out.
    progress, cancelled, draft : callable, optional
        See `Watch`.

    Returns
    -------
    LevelLabels
        With an image for every level of the settings; see `label_levels`.

    Raises
    ------
    UserError
        If the plane cannot be read or memory runs out.
    """
    shape, watch = embedding.shape, Watch(progress, cancelled, draft)
    with MaskStore() as store:
        found = find_masks(predictor, embedding, settings, store, guide, watch)
        with clear_about_memory():
            main = main_level(predictor)
            return draw_levels(found, settings.levels, shape, main=main)


def stream_plane(
    predictor: Predictor,
    embedding: PlaneEmbedding,
    settings: AutomaticSettings,
    folder: Path,
    *,
    guide: Guide = _EVERYTHING,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> StoredLabels:
    """Segment everything in a plane, one label image on disk for each level.

    For planes whose label images do not fit memory. What is kept in memory does not grow
    with the plane but with the number of objects, by about a kilobyte each; their
    pixels wait in a temporary file.

    Parameters
    ----------
    predictor, embedding, settings, guide, progress, cancelled
        See `segment_plane`.
    folder : Path
        Receives ``level<k>.zarr`` for each level k of the settings.

    Returns
    -------
    StoredLabels

    Raises
    ------
    UserError
        If the plane cannot be read, memory runs out or the folder cannot be written.
    """
    with MaskStore() as store:
        watch = Watch(progress, cancelled)
        found = find_masks(predictor, embedding, settings, store, guide, watch)
        main = main_level(predictor)
        return store_levels(found, settings.levels, embedding.shape, folder, main=main)
