# `make help` lists the targets. Everything that a target needs, it brings up itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv:
	@tools/bootstrap

.PHONY: demo
demo: venv  ## one agent on this machine, no cluster, no key: it answers, and it refuses (KEEP=1: stays up)
	@KEEP=$(KEEP) $(PYTHON) tools/demo.py

.PHONY: cluster-demo
cluster-demo: cluster-needs  ## the same on a Kubernetes cluster, installed by the Helm chart
	@KEEP=$(KEEP) $(PYTHON) tools/cluster_demo.py

.PHONY: test
test: contract-needs cluster-needs  ## all that CI runs: what is pure while the cluster's programs are built, then three tiers at a time
	@$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory verify
	at_once="$(MAKE) --no-print-directory --output-sync=target $(addprefix --old-file=,venv $^)"
	$$at_once -j3 cluster-built unit fuzz INPUTS=30000
	$$at_once -j3 --old-file=cluster-built e2e api contract

.PHONY: lint
lint: venv  ## format, lint, types, import contracts
	@.venv/bin/ruff format --check --quiet .
	.venv/bin/ruff check --quiet .
	.venv/bin/mypy
	.venv/bin/mypy tools/*.py
	.venv/bin/lint-imports --no-cache | tail -n 4

.PHONY: unit
unit: venv  ## pure tests: no network, no clock; those of the chart run helm
	@$(PYTEST) -q tests/unit --timeout 120

.PHONY: contract-needs
contract-needs: venv
	@tests/cluster/apt.sh redis-server

.PHONY: contract
contract: contract-needs  ## wire formats, against the official SDKs, a real Redis and the real small model
	@$(PYTEST) -q tests/contract --timeout 600

.PHONY: cluster-needs
cluster-needs: venv
	@tests/cluster/apt.sh

.PHONY: cluster-built
cluster-built: cluster-needs
	@$(PYTHON) -m tests.cluster build >/dev/null
	$(PYTHON) -m tests.cluster images >/dev/null

.PHONY: api
api: cluster-needs  ## the contract and the operator on a real API server
	@$(PYTHON) -m tests.cluster build --tier control >/dev/null
	$(PYTEST) -q tests/api --timeout 900

.PHONY: e2e
e2e: cluster-built  ## the whole on a real node, with real pods and a real model
	@$(PYTEST) -q tests/e2e --timeout 1800

.PHONY: fuzz
INPUTS ?= 1000000
fuzz: venv  ## hostile inputs for every parser and guard (INPUTS=1000000); what fails is kept in build/fuzz
	@$(PYTHON) -m tests.fuzz --inputs $(INPUTS)

.PHONY: bench bench-route bench-runtime bench-state bench-audit bench-guards bench-policy bench-cache bench-operator bench-drain
bench: bench-runtime bench-state bench-audit bench-guards bench-policy bench-cache bench-operator bench-drain  ## all benchmarks but bench-route
bench-audit: venv  ## 200 kills, 10,000 mutated logs, and the audit log beside a bare fdatasync loop
	@$(PYTHON) -m tests.bench.audit
bench-cache: venv  ## a hit among a million answers, the index beside brute force, and the guards of the semantic cache
	@env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS=1 $(PYTHON) -m tests.bench.cache
bench-policy: cluster-needs  ## a policy edit, from kubectl to every pod of 20 agents, beside a bare client
	@$(PYTHON) -m tests.bench.policy
AGENTS ?= 100 1000
bench-operator: cluster-needs  ## what agents cost the operator, beside a bare client that makes the same writes (AGENTS="100 1000 5000")
	@failed=0
	$(PYTHON) -m tests.bench.operator --agents $(AGENTS) || failed=1
	$(PYTHON) -m tests.bench.agent_calls || failed=1
	$(PYTHON) -m tests.bench.takeover --agents 1000 || failed=1
	exit $$failed
bench-drain: cluster-needs  ## a minute of conversations while pods come, go, are replaced and evicted
	@$(PYTHON) -m tests.bench.drain
bench-state: contract-needs  ## what limits cost a turn, in the pod and in Redis, beside a bare PING
	@$(PYTHON) -m tests.bench.state
bench-guards: venv  ## what the guards find and cost; writes the figures into docs/reference/{,output-}guardrails.md
	@$(PYTHON) -m tests.bench.guards
	$(PYTHON) -m tests.bench.output_guards
bench-route: venv  ## a governed turn beside LiteLLM's proxy and Portkey's gateway (installs both; needs root)
	@$(PYTHON) -m tests.bench.baselines
	unshare --net sh -c 'ip link set lo up && exec $(PYTHON) -m tests.bench.route'
bench-runtime: venv  ## the runtime beside a bare proxy of the same libraries, and the calls in Python of a turn
	@$(PYTHON) -m tests.bench.runtime
	$(PYTHON) -m tests.bench.calls

.PHONY: enforcement
enforcement: venv  ## ignore each policy field once: do the tests that are marked with it notice? (FIELD=size.turnTimeout)
	@$(PYTHON) tools/ignored.py $(FIELD)

.PHONY: mutants
mutants: venv  ## break the policy engine one small way at a time: do the tests notice? (ROOM=policy|callers|access SAMPLE=150)
	@$(PYTHON) tools/mutants.py $(ROOM) $(if $(SAMPLE),--sample $(SAMPLE))

.PHONY: generate
generate: venv  ## write the CRDs and the reference from the models
	@$(PYTHON) tools/generate.py

.PHONY: verify
verify: venv  ## fail when a generated file is stale
	@$(PYTHON) tools/generate.py --check

.PHONY: lock
lock:  ## resolve the dependencies anew
	@tools/bootstrap lock

.PHONY: images
images: cluster-needs  ## build the operator, runtime and demo-model images (docker, else buildah)
	@$(PYTHON) images/build

.PHONY: cluster-up cluster-down
cluster-up: cluster-needs  ## a Kubernetes node for playing (KUBECONFIG is printed)
	@$(PYTHON) -m tests.cluster up --tier full
cluster-down: venv  ## take it down
	@$(PYTHON) -m tests.cluster down
