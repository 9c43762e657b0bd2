# make demo   everything needed, then the demo on the embedded model
# make test   everything needed, then all tests
# The other targets are the steps of these two. On Debian as root the set-up installs what is missing;
# elsewhere it says in one sentence what to install.

.PHONY: demo test check kernels kernels-test build clean setup node-modules test-node test-busy test-browser test-e2e \
	faults bench bench-gpu bench-grammar bench-speculation bench-steps bench-experts bench-peers cachegrind soak losses \
	evals accuracy benchmarks api-docs release-check

PORT ?= 4173

demo: build
	npm run build:demo
	npx vite preview --config demo/vite.config.ts --port $(PORT) --strictPort

test: check kernels-test test-node test-busy test-browser test-e2e
	@echo "make test: all suites passed"

# Types, lint, and the package as npm would publish it, seen from outside.
check: build
	npx tsc --noEmit
	npx biome check .
	npx tsx scripts/package/check.ts
	$(MAKE) api-docs API_DOCS=--check

# The API reference, docs/api/, from the docstrings of the declarations; typedoc is installed apart.
api-docs: build
	npm ci --prefix scripts/api-docs --no-audit --no-fund --silent
	node scripts/api-docs/build.mjs $(API_DOCS)

# Whether this tree could be published as it is: docs/RELEASING.md.
release-check: check
	npx tsx scripts/package/release.ts

test-node: build
	npx vitest run --project node

# Bits, faults of the pool and their limits once more, beside a busy process: whatever several threads compute.
test-busy: build
	BESIDE=1 npx vitest run --project node test/parity/bit-equal.test.ts test/backend/conformance.test.ts \
	  test/backend/wasm-backend.test.ts -t '4 threads|pool'

test-browser: build
	npx vitest run --project browser

test-e2e: build
	npm run build:demo
	node e2e/bundlers/build.mjs
	npx playwright test

# Kills the browser at 20 random points of a download; SEED repeats a run.
faults: build
	npm run build:demo
	KILLS=20 npx playwright test e2e/faults

# The benchmarks in the browser and their report; QUICK=1 only proves that they work, ONLY=a,b measures
# some jobs again; BACKEND=webgpu (or wasm, reference) runs them there: a GPU's go to docs/bench/webgpu. ONLY=busy runs models beside busy processes: BASE=folder/dist lets another built version take
# part, PARTS=idle,busy,switching,native, PLACES=large-page,large-node,small-page,small-node and ROUNDS=4 choose how much. bench-peers runs wllama and node-llama-cpp (fetched into build/peers) beside ours;
# PEERS='--rounds 5 --shape bitnet-2b-4t' passes options on.
bench: build
	npm run build:demo
	npx tsx bench/run.ts $(if $(QUICK),--quick) $(if $(BACKEND),--backend $(BACKEND)) $(if $(ONLY),--only $(ONLY)) $(if $(BASE),--base $(BASE)) \
	  $(if $(PARTS),--parts $(PARTS)) $(if $(PLACES),--places $(PLACES)) $(if $(ROUNDS),--rounds $(ROUNDS))

# What structured output costs, in Node: compiling ten schemas, the masks of texts that meet them, the first masks of fresh
# processes, and a token with and without a format, in Chromium too. ARGS="--rounds 3 --only chat" for others of the last.
bench-grammar: build
	npx tsx bench/grammar/run.ts
	node --import tsx bench/grammar/fresh.ts
	node --no-liftoff --experimental-wasm-relaxed-simd --import tsx bench/grammar/tokens.ts $(ARGS)
	npx tsx bench/grammar/browser.ts $(ARGS)

# What guessing tokens gains, in Node: docs/bench/speculation.json. ARGS="--threads 1 --rounds 3" for others.
bench-speculation: setup
	node --no-liftoff --experimental-wasm-relaxed-simd --import tsx bench/speculation/run.ts $(ARGS)

# What a step of several rows costs beside one of one row, in Node. ARGS="--threads 1 --rows 1,2,4,8" for others.
bench-steps: setup
	node --no-liftoff --experimental-wasm-relaxed-simd --import tsx bench/speculation/steps.ts $(ARGS)

# A mixture of experts beside the dense model whose token reads as many weights: docs/bench/experts.json.
bench-experts: setup
	node --no-liftoff --import tsx bench/experts/run.ts $(ARGS)

bench-peers: build
	npm run build:demo
	npx tsx bench/peers/run.ts $(if $(QUICK),--quick) $(PEERS)

# The GPU in Node (npm webgpu): speeds and times of ops where there is one; else dispatches, bytes and a roofline, labelled
# as an estimate. Written to docs/bench/gpu-*.json and docs/PERFORMANCE.md; QUICK=1 proves that it works, on any adapter.
bench-gpu: setup
	npx tsx bench/gpu/run.ts $(if $(QUICK),--quick)

# Cache misses of the kernels with and without lookup tables, simulated: docs/bench/cachegrind.json. x86 only;
# needs valgrind and libsimde-dev.
cachegrind: setup
	npx tsx bench/native/cachegrind.ts

# Long use of one page: speed, memory, books and bits over time, in docs/bench/soak-*.json, their plots and
# docs/PERFORMANCE.md. All three runs, or one of them:
#   make soak SHAPE=embedded                  1,000,000 tokens (about 8 minutes on two cores)
#   make soak SHAPE=0.7b                      50,000 tokens (about 20 minutes)
#   make soak SHAPE=embedded BACKEND=webgpu   2,000 tokens (about half an hour on a GPU in software)
# TOKENS=n makes one shorter or longer, SEED=n repeats it, OUT=folder writes elsewhere. What was cut goes on
# when it is called again; FRESH=1 begins anew.
soak: build
	npx tsx e2e/soak/soak.ts $(if $(SHAPE),--shape $(SHAPE)) $(if $(BACKEND),--backend $(BACKEND)) \
	  $(if $(TOKENS),--tokens $(TOKENS)) $(if $(SEED),--seed $(SEED)) $(if $(OUT),--out $(OUT)) \
	  $(if $(FRESH),--fresh) $(SOAK)

# A GPU that is lost for every 200 of 2,000 tokens: by destroy() in Node, by crashes of the GPU process in Chromium.
# Counts what is lost or comes twice: docs/bench/losses-*.json and docs/PERFORMANCE.md. LOSSES=n for more or fewer.
losses: build
	npm run build:demo
	LOSSES=$(or $(LOSSES),10) LOSS_REPORT=$(or $(OUT),docs/bench) npx vitest run --project node \
	  test/parity/webgpu-loss.test.ts -t 'again and again'
	LOSSES=$(or $(LOSSES),10) LOSS_REPORT=$(or $(OUT),docs/bench) npx playwright test e2e/losses.spec.ts
	npx tsx bench/report/write.ts

# Evaluates a model on task files, in Node; goes on where it was cut:
#   make evals EVALS='--model FILE.gguf --task hellaswag --data hellaswag_val.jsonl'
#   make evals FILES=folder
# A folder of published files: every task in the page, in Chromium, killed and gone on with, on each backend.
evals: kernels
ifdef FILES
	npm run build
	npm run build:demo
	npx tsx e2e/published/published.ts --files $(FILES) $(EVALS)
else
	npx tsx evals/run.ts $(EVALS)
endif

# The benchmarks of the original report on a folder of published files, beside the same model unrounded (numpy), into
# docs/bench/quality.json and docs/PERFORMANCE.md; each part goes on where it was cut:
#   make benchmarks FILES=folder BENCHMARKS='--limit mmlu=10 --limit hellaswag=400'
BENCHMARK_MODEL = demo/public/models/ryz-chat-tq2_0-embq8_0.gguf
BENCHMARK_FILES = --files $(FILES) --model $(BENCHMARK_MODEL) $(BENCHMARKS)
benchmarks: kernels
	mkdir -p build/evals
	npx tsx evals/benchmarks.ts $(BENCHMARK_FILES) --requests build/evals/requests.jsonl
	python3 scripts/golden/evals-twin.py $(BENCHMARK_MODEL) build/evals/requests.jsonl build/evals/answers.jsonl
	npx tsx evals/benchmarks.ts $(BENCHMARK_FILES) --answers build/evals/answers.jsonl --write
	npx tsx bench/report/write.ts

# What every option that rounds costs, with paired intervals: docs/ACCURACY.md. Calls and JSON with and without the
# grammar; the original report's three tasks beside the same model unrounded. ACCURACY='--model FILE' adds a model.
accuracy: kernels
	npx tsx evals/accuracy.ts $(ACCURACY)
	npx tsx evals/abilities.ts
	npx tsx evals/suite.ts

build: kernels
	npm run build

kernels: setup
	$(MAKE) -C kernels-cpp kernels

kernels-test: setup
	$(MAKE) -C kernels-cpp test

setup: node-modules
	@sh scripts/setup.sh

node-modules: node_modules/.package-lock.json

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

clean:
	rm -rf build dist demo/dist test-results playwright-report
