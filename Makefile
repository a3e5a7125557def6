# make all    set up .venv and run the main job on the data that the repository carries
# make test   set up .venv and run the checks and the tests

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: all test clean

all: $(VENV)/.installed-package
	$(PYTHON) -m spacy project run all

test: $(VENV)/.installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PYTHON) -m pytest

$(VENV)/.installed-%: pyproject.toml constraints.txt
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(INSTALL) --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info training metrics packages study reports project.lock
	find corpus -mindepth 1 ! -name .gitkeep -delete
