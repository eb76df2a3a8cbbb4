# make demo   the plugin at work: napari with a display, pictures and tables in demo/ without
# make test   everything that is checked before a change is accepted
#
# Each makes .venv on its first call, see scripts/bootstrap.py.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lint format screenshot

help:
	@echo "make demo        see the plugin at work"
	@echo "make test        lint, types and all tests"
	@echo "make lint        style and types only"
	@echo "make format      rewrite the code in the project's style"
	@echo "make screenshot  docs/images/panel.png, on a virtual display"

demo:
	@$(PYTHON) scripts/bootstrap.py demo
	@$(BIN)/python scripts/demo.py

test: lint
	@settings=$$(mktemp -d) && trap 'rm -rf "$$settings"' EXIT && \
	NAPARI_CONFIG="$$settings/napari.yaml" QT_QPA_PLATFORM=offscreen \
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-2} $(BIN)/python -m pytest

lint:
	@$(PYTHON) scripts/bootstrap.py dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format:
	@$(PYTHON) scripts/bootstrap.py dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshot:
	@$(PYTHON) scripts/bootstrap.py screenshot
	xvfb-run -a -s "-screen 0 1600x1000x24" $(BIN)/python scripts/screenshot_panel.py
