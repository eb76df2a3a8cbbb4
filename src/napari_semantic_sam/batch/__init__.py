"""Files in, files out: knows inference, nothing of Qt or napari."""
