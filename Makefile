# make all    set up .venv and run the main job on the data that the repository carries
# make test   set up .venv and run the checks and the tests; with NIGHTLY=1 on more invented inputs, and on a cluster
# make docs   set up .venv and build the documentation site into site/

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: all test docs clean

all: $(VENV)/.installed-package
	$(PYTHON) -m spacy project run all

test: $(VENV)/.installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PYTHON) -m pytest --numprocesses 2 --dist worksteal

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

$(VENV)/.installed-%: pyproject.toml constraints.txt
	test -x $(PYTHON) || python3 -m venv $(VENV)
	rm -rf *.egg-info  # an old one would hide new entry points
	$(INSTALL) --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info training metrics packages study reports site project.lock
	find corpus -mindepth 1 ! -name .gitkeep -delete
