# Every target installs what it needs. Requirements: Python 3.11 or 3.12, git, make and a C compiler.
PYTHON ?= python3
BIN := .venv/bin
# Workers use one thread each, and so do the tests: two processes then never compete for the same cores.
export OMP_NUM_THREADS ?= 1
# Modules are divided among processes; many tests start workers of their own, so more than two gain little.
TEST_PROCESSES ?= 2

.PHONY: install compare test test-slow smoke check bench clean

# Bytecode is compiled during installation: with PYTHONDONTWRITEBYTECODE set, every process would compile it again.
install: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 12) else \
	  "ttsbench needs Python 3.11 or 3.12 and this is %d.%d; give another, as in: make install PYTHON=python3.11" % v)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/python -m uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

compare: install
	$(BIN)/ttsbench compare experiments/objectives.yaml

smoke: install
	$(BIN)/ttsbench compare experiments/smoke.yaml

test: install
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadscope

test-slow: install
	$(BIN)/python -m pytest -m slow

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/typos

bench: install
	$(BIN)/python benchmarks/training_throughput.py
	$(BIN)/python -W ignore benchmarks/objective_costs.py
	$(BIN)/python -W ignore benchmarks/sled_decoding.py
	$(BIN)/python -W ignore benchmarks/sled_latency.py
	$(BIN)/python -W ignore benchmarks/scheduling.py
	$(BIN)/python -W ignore benchmarks/scoring_scale.py
	$(BIN)/python -W ignore benchmarks/intervals.py
	test -z "$(TTSBENCH_DATA)" || $(BIN)/python -W ignore benchmarks/scoring.py "$(TTSBENCH_DATA)/ljspeech-mini"

clean:
	rm -rf .venv runs build *.egg-info
