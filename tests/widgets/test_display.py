"""The whole of it on a virtual display, where napari really draws."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "screenshot_panel.py"


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs xvfb-run for a display")
def test_the_window_with_the_panel_is_drawn(own_checkpoint, tmp_path):
    picture = tmp_path / "panel.png"
    display = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
    command = [sys.executable, str(SCRIPT), "--model", "mine", "--output", str(picture)]
    settings = {"QT_QPA_PLATFORM": "xcb", "NAPARI_CONFIG": str(tmp_path / "napari.yaml")}
    subprocess.run([*display, *command], env=os.environ | settings, check=True, timeout=300)

    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert pixels.shape == (720, 1280, 3)
    canvas = pixels[100:600, 400:900]
    assert canvas.std() > 20
