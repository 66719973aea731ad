# make run    both course examples, from a fresh machine
# make test   lint, types and all tests
# make check  lint, format and types only
# make bench  speed and accuracy beside the classic recipe
# make peers  environments of the libraries that the benchmarks stand beside, and of sktime for its checks

PYTHON ?= python3
PIP = .venv/bin/pip install --quiet --disable-pip-version-check
RUN = .venv/bin/python

PEERING = install --quiet --disable-pip-version-check --constraint .peers/torch.txt torch

.PHONY: setup run check test test-long bench peers figures clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	touch $@

run: setup
	$(RUN) src/run_lstm.py sine
	$(RUN) src/run_lstm.py sp500

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

test: check
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist loadfile -m 'not slow'

test-long: check
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist loadfile

bench: setup
	$(RUN) benchmarks/course.py

peers: setup
	mkdir -p .peers
	grep '^torch==' constraints.txt > .peers/torch.txt
	for name in darts neuralforecast sktime; do \
		test -x .peers/$$name/bin/python || $(PYTHON) -m venv .peers/$$name || exit 1; \
	done
	.peers/darts/bin/pip $(PEERING) darts pytorch-lightning
	.peers/neuralforecast/bin/pip $(PEERING) neuralforecast
	.peers/sktime/bin/pip install --quiet --disable-pip-version-check --editable '.[sktime]' pytest

figures: setup
	$(RUN) docs/course/figures.py

clean:
	rm -rf .venv build dist runs .pytest_cache .mypy_cache .ruff_cache
