"""The state of an annotation: prompts, candidates and what is kept. Knows neither Qt nor napari."""
