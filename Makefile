# `make` = `make check`. Everything is made in ./.venv and ./var; see README.md.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
LATEST := .venv-latest
KUBERNETES := /tmp/codeio-kubernetes/venv
MOTO := .venv-moto
RAY := /tmp/codeio-ray/venv
BIN := $(VENV)/bin
TORCH ?= torch==2.13.0
# A background shell has SIGINT ignored, which dagster needs to stop what it started; this takes it back.
INTERRUPTIBLE := $(BIN)/python -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])'
# Twice as many as there are cores, up to 4: the tests of servers mostly wait.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) < 2 ? 2 : 4 )))
# A file's tests run in one process, since they share what is expensive; files are handed out in the order of conftest.py.
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
export CODEIO_BASE_URL := $(or $(BASE_URL),$(CODEIO_BASE_URL))
export CODEIO_MODEL := $(or $(MODEL),$(CODEIO_MODEL))

.PHONY: unmoved bench-leakage test-scorers default check setup constraints isolation demo test test-latest lint fmt types defs snapshot docs docs-site dev browse record trial bench-execution bench-execution-scale bench-assembly bench-checks bench-scale bench-tokenise gpu-trial bench-reward bench-training trial-training effect soak sampling-report bench-llm bench-llm-memory bench-llm-vllm test-vllm test-llama test-verifiers test-kubernetes test-ray test-kill test-moto test-faults test-browse gc clean

default: check

check: lint types defs test ## lint, types, definitions, tests

setup: unmoved $(VENV)/.ready isolation ## the virtual environment and what it needs

unmoved:
	@test ! -e $(BIN)/codeio || head -2 $(BIN)/codeio | grep -qF "$(realpath $(VENV))/bin/python" || { \
	  echo "This folder was moved or copied, and $(VENV) names the place where it was: rm -rf $(VENV), then make setup."; exit 2; }

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %s" % sys.version) if sys.version_info < (3, 11) else 0'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (some minutes the first time)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt "$(TORCH)" -e ".[train,dev]"
	@touch $@

constraints: ## refresh constraints.txt after a change of pyproject.toml; UPGRADE=1 takes the newest of everything
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import packaging' 2>/dev/null || $(BIN)/python -m pip install -q --disable-pip-version-check packaging
	@$(BIN)/python tools/constraints.py "$(TORCH)" $(if $(UPGRADE),--upgrade)

test-latest: isolation ## all tests with the newest of every package, in an environment of its own
	@rm -rf $(LATEST) && $(PYTHON) -m venv $(LATEST)
	@$(LATEST)/bin/python -m pip install -q --disable-pip-version-check "$(if $(filter file,$(origin TORCH)),torch,$(TORCH))" -e ".[train,dev]"
	@$(LATEST)/bin/python tools/constraints.py --compare
	@$(LATEST)/bin/python -m pytest $(PARALLEL) $(ARGS)

isolation: ## bubblewrap, which isolates untrusted code
	@command -v bwrap >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing the package bubblewrap"; apt-get update -qq && apt-get install -y -qq bubblewrap >/dev/null; \
	  else echo "The sandbox needs bubblewrap. Install the package 'bubblewrap' (apt, dnf, pacman) and run again."; exit 1; fi; }

demo: setup ## the whole graph on the bundled sample; BASE_URL=... MODEL=... asks a live server
	@$(BIN)/codeio demo

test: setup ## all tests, on all cores; ARGS=... goes to pytest, WORKERS=0 runs them one after the other
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

lint: setup ## ruff, whether constraints.txt fits pyproject.toml, and whether what is made from the code in README and docs is fresh
	@$(BIN)/python tools/constraints.py --check && $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/python tools/readme_tables.py --check && $(BIN)/python tools/recipe_table.py --check && $(BIN)/python tools/reference.py --check

fmt: setup
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

types: setup
	@$(BIN)/pyright

defs: setup
	@$(BIN)/dg check defs && $(BIN)/dagster definitions validate -w workspace.yaml

snapshot: setup ## accept a changed graph
	@$(BIN)/python -m pytest codeio_assets_tests/defs --snapshot-update

docs: setup ## regenerate the tables of the README and of docs/recipes.md, and docs/reference.md
	@$(BIN)/python tools/readme_tables.py && $(BIN)/python tools/recipe_table.py && $(BIN)/python tools/reference.py

docs-site: ## docs/ as a searchable site in var/site, in an environment of its own; links that lead nowhere fail
	@test -x $(VENV)-docs/bin/mkdocs || { $(PYTHON) -m venv $(VENV)-docs && \
	  $(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' | \
	  $(VENV)-docs/bin/python -m pip install -q --disable-pip-version-check -r /dev/stdin; }
	@NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build && echo "var/site/index.html"

dev: setup ## the Dagster UI on http://127.0.0.1:3000 (PORT=... for another), the browser one port above
	@$(INTERRUPTIBLE) $(BIN)/codeio dev --port $${PORT:-3000}

browse: setup ## the browser alone on http://127.0.0.1:3001
	@$(INTERRUPTIBLE) $(BIN)/codeio browse

record: setup ## record a teacher: make record BASE_URL=http://127.0.0.1:8000/v1 MODEL=...
	@test -n "$(BASE_URL)" && test -n "$(MODEL)" || { echo "usage: make record BASE_URL=... MODEL=..."; exit 2; }
	@$(BIN)/codeio demo && $(BIN)/codeio export-journal samples/recorded/responses.jsonl

trial: setup ## real input from ../shared/data: transform responses to tasks, raw files to eligible
	@$(BIN)/python tools/trial.py

bench-execution: setup ## execution, sampling and extraction against the usual ways; ARGS=--json
	@$(BIN)/python tools/bench_execution.py $(ARGS)

bench-execution-scale: setup ## what 1,000, 10,000 and 100,000 programs cost
	@$(BIN)/python tools/bench_execution.py --scale $(ARGS)

bench-assembly: setup ## a training set and every report query at 35K, 350K and 3.5M samples; ARGS="--samples 35000" for less
	@$(BIN)/python tools/bench_assembly.py $(ARGS)

test-scorers: setup ## every scorer against all published responses with verdicts, which lie in ../shared/data
	@CODEIO_ALL_SCORED=1 $(BIN)/python -m pytest codeio_assets_tests/benchmarks codeio_assets_tests/batch/test_scoring.py $(ARGS)

bench-leakage: setup ## speed, memory and recall of the leakage report on 1 GB; ARGS="--megabytes 10000" for more
	@$(BIN)/python tools/bench_leakage.py $(ARGS)

bench-scale: setup ## what a run, the sensor, status and reports cost at 10 to 5,000 shards; ARGS="10 100" for others
	@$(BIN)/python tools/bench_scale.py $(ARGS)

bench-checks: setup ## the schema checks on 1M rows of the largest tables; ARGS=50000 for less
	@$(BIN)/python tools/bench_checks.py $(ARGS)

bench-reward: setup ## rewards: latency of four completions, completions/s for 1 to 64 callers; ARGS=--json
	@$(BIN)/python tools/bench_reward.py $(ARGS)

bench-training: setup ## tokens/s and useful tokens, packed and not, beside plain TRL; ARGS="--steps 8"
	@$(BIN)/python tools/bench_training.py $(ARGS)

bench-tokenise: setup ## rendering and tokenising off the GPU, against datasets.map; ARGS="--rows 350000"
	@$(BIN)/python tools/bench_tokenise.py $(ARGS)

gpu-trial: setup ## speed, memory and correctness of the trainer's settings on this GPU; ARGS="--device cpu" without one
	@$(BIN)/python tools/gpu_trial.py $(ARGS)

trial-training: setup ## SmolLM2-135M, 100 steps per stage, on the demo data and ../shared/data/instruct; hours
	@$(BIN)/python tools/trial_training.py $(ARGS)

effect: setup ## a small model before and after training on traces, on functions held out; DEVICE=gpu, ARGS="--steps 80"
	@$(BIN)/python tools/effect.py --device $(or $(DEVICE),cpu) $(ARGS)

soak: setup ## 10,000 programs, 5% of them hostile, through codeio run
	@$(BIN)/python -m codeio_assets_tests.batch.soak $(ARGS)

sampling-report: setup ## what becomes of real transform responses, next to a naive sampler
	@$(BIN)/python tools/sampling_report.py $(ARGS)

bench-llm: setup ## the engine for model calls: requests/s on one core against an instant stand-in, journal on
	@$(BIN)/python tools/bench_llm.py instant $(ARGS)

bench-llm-memory: setup ## the same with 200,000 requests, and what memory does meanwhile
	@$(BIN)/python tools/bench_llm.py memory $(ARGS)

bench-llm-vllm: setup ## against vLLM's own client: URL=... MODEL=... CODEIO_VLLM_PYTHON=... CODEIO_VLLM_MODEL=...
	@test -n "$(URL)" && test -n "$(MODEL)" || { echo "usage: make bench-llm-vllm URL=... MODEL=... (and CODEIO_VLLM_PYTHON, CODEIO_VLLM_MODEL)"; exit 2; }
	@$(BIN)/python tools/bench_llm.py vllm $(URL) $(MODEL) $(ARGS)

test-vllm: setup ## vLLM for real; CODEIO_VLLM_PYTHON and CODEIO_VLLM_MODEL name its interpreter and a model folder
	@test -n "$$CODEIO_VLLM_PYTHON" && test -n "$$CODEIO_VLLM_MODEL" || { echo "set CODEIO_VLLM_PYTHON and CODEIO_VLLM_MODEL"; exit 2; }
	@$(BIN)/python -m pytest codeio_assets_tests/llm/vllm/test_server.py $(ARGS)

test-llama: setup ## any running OpenAI-compatible server, such as llama.cpp's, at CODEIO_LLAMA_URL
	@test -n "$$CODEIO_LLAMA_URL" || { echo "set CODEIO_LLAMA_URL, e.g. http://127.0.0.1:8080/v1"; exit 2; }
	@$(BIN)/python -m pytest codeio_assets_tests/llm/test_real_server.py $(ARGS)

test-verifiers: setup ## the exported package in an environment of its own, with Prime Intellect's verifiers
	@test -x $(VENV)-verifiers/bin/vf-eval || { $(PYTHON) -m venv $(VENV)-verifiers && \
	  $(VENV)-verifiers/bin/python -m pip install -q --disable-pip-version-check "verifiers>=0.4,<0.5" uv hatchling .; }
	@CODEIO_VERIFIERS_PYTHON=$(abspath $(VENV)-verifiers)/bin/python $(BIN)/python -m pytest codeio_assets_tests/products/test_export_verifiers.py $(ARGS)

test-kubernetes: isolation ## runs through the real Kubernetes launcher against a stand-in API that is strict, and the files of deploy/
	@test -x $(KUBERNETES)/bin/kubernetes-validate || { $(PYTHON) -m venv $(KUBERNETES) && $(KUBERNETES)/bin/python -m pip \
	  install -q --disable-pip-version-check -c constraints.txt "kubernetes-validate>=1.34" pytest pytest-timeout ".[scale]"; }
	@PYTHONPATH=$(CURDIR) $(KUBERNETES)/bin/python -m pytest codeio_assets_tests/deploy $(ARGS)

test-ray: isolation ## a backfill through the Ray launcher on a cluster of local nodes of which two are lost, with a Postgres
	@test -x $(RAY)/bin/ray || { $(PYTHON) -m venv $(RAY) && $(RAY)/bin/python -m pip \
	  install -q --disable-pip-version-check -c constraints.txt pytest pytest-timeout ".[scale,ray]"; }
	@PYTHONPATH=$(CURDIR) $(RAY)/bin/python -m pytest codeio_assets_tests/deploy/test_ray.py $(ARGS)

test-kill: setup $(MOTO)/bin/moto_server ## kill -9: at 50 random moments during 2,000 requests, and 100 times of a writer on each place
	@CODEIO_KILLS=50 $(BIN)/python -m pytest codeio_assets_tests/llm/live/test_kill.py -k random_moments -s $(ARGS)
	@CODEIO_KILLS=100 CODEIO_MOTO_PYTHON=$(MOTO)/bin/python $(BIN)/python -m pytest codeio_assets_tests/store/test_places.py -k killed -s $(ARGS)

test-moto: setup $(MOTO)/bin/moto_server ## the store's tests against moto as well
	@CODEIO_MOTO_PYTHON=$(MOTO)/bin/python $(BIN)/python -m pytest codeio_assets_tests/store/test_places.py -k moto $(ARGS)

$(MOTO)/bin/moto_server:
	@$(PYTHON) -m venv $(MOTO) && $(MOTO)/bin/python -m pip install -q --disable-pip-version-check "moto[server]"

test-faults: setup ## 20,000 requests to a server that misbehaves in every way
	@CODEIO_FAULTS=20000 $(BIN)/python -m pytest codeio_assets_tests/llm/live/test_faults.py -s $(ARGS)

test-browse: setup ## the browser on 1,000,000 synthetic samples; minutes to make them
	@CODEIO_BROWSE_TASKS=1000000 $(BIN)/python -m pytest codeio_assets_tests/browser/test_browse_pages.py -k many_samples $(ARGS)

gc: setup
	@$(BIN)/codeio gc

clean: ## remove everything that was made, except the environment
	rm -rf var
