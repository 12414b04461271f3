# Two commands do everything on a fresh machine:
#   make demo   installs superres and upscales the pictures of examples/ into out/
#   make test   installs what a developer needs and runs every check
# And for a change that may cost time:
#   make bench-check   compares ratios of speed with the stored ones, in under three minutes
# All work in .venv, and a second run installs nothing again.

ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := .venv/Scripts
else
PYTHON ?= python3
BIN := .venv/bin
endif
PIP := $(BIN)/python -m pip install --disable-pip-version-check
SOURCES := pyproject.toml $(shell find src -type f -not -name '*.pyc')

USER_STAMP := .venv/installed
DEV_STAMP := .venv/installed-dev
# A developer's install is editable, so it is never stale, and the demo must not replace it.
DEMO_STAMP := $(if $(wildcard $(DEV_STAMP)),$(DEV_STAMP),$(USER_STAMP))

.PHONY: demo test bench-check test-tools clean

demo: $(DEMO_STAMP)
	$(BIN)/superres upscale examples -o out -s 4 --overwrite
	@echo
	@echo "Look at the pictures in out/ beside those in examples/."
	@echo "Now your own:  $(BIN)/superres upscale YOUR_PICTURE"

test: $(DEV_STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	$(BIN)/basedpyright -p tests/pyrightconfig.json
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

bench-check: $(DEV_STAMP)
	$(BIN)/python benchmarks/check.py

# Programs that some tests compare with; without them those are skipped.
test-tools:
	$(SUDO) apt-get install --yes ffmpeg libimage-exiftool-perl

clean:
	rm -rf .venv out

.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv

$(USER_STAMP): $(SOURCES) | .venv/pyvenv.cfg
	$(PIP) .
	@touch $@

$(DEV_STAMP): pyproject.toml constraints/cpu.txt | .venv/pyvenv.cfg
	$(PIP) -c constraints/cpu.txt -e '.[dev]'
	@touch $@
