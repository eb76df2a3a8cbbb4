"""What napari pays for this package at start-up: import time in fresh processes, median.

    python benchmarks/bench_import.py --output benchmarks/results/import.json

Ends with exit code 1 if the import of the package takes 0.2 s or more.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from _report import write_report

LIMIT = 0.2
"""Seconds that the import of the package may take."""

IMPORT = """
import time
start = time.perf_counter()
import napari_semantic_sam
from importlib import resources
(resources.files("napari_semantic_sam") / "napari.yaml").read_bytes()
print(time.perf_counter() - start)
"""
DOORS = """
import time
start = time.perf_counter()
from napari_semantic_sam import Predictor, load_model
print(time.perf_counter() - start)
"""


def seconds_inside(script: str) -> float:
    """Seconds that a script measures itself, in a fresh process."""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def seconds_of_help() -> float:
    """Seconds of the whole process of ``napari-semantic-sam --help``."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "napari_semantic_sam", "--help"]
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - start


MEASUREMENTS = {
    "import napari_semantic_sam, read its manifest": lambda: seconds_inside(IMPORT),
    "napari-semantic-sam --help, whole process": seconds_of_help,
    "from napari_semantic_sam import Predictor (with torch)": lambda: seconds_inside(DOORS),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/import.json"))
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    for measure in MEASUREMENTS.values():
        measure()  # fills the file cache
    times: dict[str, list[float]] = {name: [] for name in MEASUREMENTS}
    for _ in range(options.rounds):
        for name, measure in MEASUREMENTS.items():
            times[name].append(measure())
    rows = [
        {"what": name, "median s": statistics.median(found), "min s": min(found)}
        for name, found in times.items()
    ]
    write_report(options.output, "Import time", rows, {"rounds": options.rounds})
    return int(rows[0]["median s"] >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
