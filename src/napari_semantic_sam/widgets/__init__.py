"""The napari panel: the only room that knows Qt and napari."""
