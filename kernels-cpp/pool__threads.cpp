// The pool of threaded wasm builds. src/backend/wasm/pool-worker.ts enters ryz_thread_main once per
// worker; thread 0 (the engine's own worker) forks and joins in pool_run. Between jobs a worker spins
// for a bounded time, then sleeps on `epoch`. Never called on a browser's main thread: it may not wait.
#include "pool.h"
#include "ryz.h"

namespace {

// One cache line a word: workers spin on `epoch` and count down `pending` while others claim items.
struct alignas(64) Word {
  uint32_t value;
};

Word epoch;     // a new value starts a job
Word sleepers;  // workers that wait, or are about to, on `epoch`
Word pending;   // workers that have not finished the job
Word joining;   // 1 while thread 0 sleeps on `pending`
Word next_item; // first item nobody has claimed
Word failed;    // set by pool-worker.ts when a worker trapped
Word entered;   // workers that have entered ryz_thread_main

struct Job {
  PoolTask* task;
  const void* args;
  int32_t items;
  int32_t grain;
} job;

int32_t n_threads = 1;
int32_t spin_limit = 0;
int32_t join_limit_ms = 0;

uint32_t load(const Word& w) { return __atomic_load_n(&w.value, __ATOMIC_SEQ_CST); }
void store(Word& w, uint32_t v) { __atomic_store_n(&w.value, v, __ATOMIC_SEQ_CST); }
uint32_t add(Word& w, uint32_t v) { return __atomic_fetch_add(&w.value, v, __ATOMIC_SEQ_CST); }

constexpr int32_t WAIT_TIMED_OUT = 2;

int32_t wait(Word& w, uint32_t while_equal, int64_t timeout_ns) {
  return __builtin_wasm_memory_atomic_wait32(reinterpret_cast<int32_t*>(&w.value),
                                             static_cast<int32_t>(while_equal), timeout_ns);
}

void notify(Word& w, uint32_t count) {
  __builtin_wasm_memory_atomic_notify(reinterpret_cast<int32_t*>(&w.value), count);
}

// Items are claimed, not dealt out: a core that is slow or taken by others does less, and who computes
// what does not change a bit. noinline, or the worker's endless loop stays in baseline code.
__attribute__((noinline)) void do_share(int32_t thread) {
  const Job j = job;
  for (;;) {
    const auto begin = static_cast<int32_t>(add(next_item, static_cast<uint32_t>(j.grain)));
    if (begin >= j.items) return;
    const int32_t end = begin + j.grain < j.items ? begin + j.grain : j.items;
    j.task(j.args, begin, end, thread);
  }
}

uint32_t await_epoch(uint32_t seen) {
  for (int32_t i = 0; i < spin_limit; i++) {
    const uint32_t now = load(epoch);
    if (now != seen) return now;
  }
  add(sleepers, 1);
  uint32_t now;
  while ((now = load(epoch)) == seen) wait(epoch, seen, -1);
  add(sleepers, static_cast<uint32_t>(-1));
  return now;
}

int32_t join() {
  for (int32_t i = 0; i < spin_limit; i++) {
    if (load(pending) == 0) return RYZ_OK;
  }
  constexpr int32_t SLICE_MS = 50;  // how exact the time limit is; a finished job wakes us at once
  int32_t waited_ms = 0;
  store(joining, 1);
  int32_t status = RYZ_OK;
  for (uint32_t left; (left = load(pending)) != 0;) {
    if (load(failed)) {
      status = RYZ_WORKER_TRAPPED;
      break;
    }
    if (waited_ms >= join_limit_ms) {
      status = RYZ_WORKER_SILENT;
      break;
    }
    if (wait(pending, left, SLICE_MS * 1000000LL) == WAIT_TIMED_OUT) waited_ms += SLICE_MS;
  }
  store(joining, 0);
  return status;
}

}  // namespace

int32_t pool_threads() { return n_threads; }

static void fork(PoolTask* task, const void* args, int32_t items, int32_t grain) {
  job = {task, args, items, grain};
  store(next_item, 0);
  store(pending, static_cast<uint32_t>(n_threads - 1));

  add(epoch, 1);
  if (load(sleepers)) notify(epoch, static_cast<uint32_t>(n_threads));
}

int32_t pool_run(PoolTask* task, const void* args, int32_t items, int32_t grain) {
  if (items <= 0) return RYZ_OK;
  if (n_threads == 1 || items <= grain) {
    task(args, 0, items, 0);
    return RYZ_OK;
  }
  fork(task, args, items, grain);
  do_share(0);
  return join();
}

// Thread 0, before any worker starts. spin: loads of a shared word before a thread sleeps.
RYZ_EXPORT(ryz_pool_setup)
void ryz_pool_setup(int32_t threads, int32_t spin, int32_t limit_ms) {
  n_threads = threads;
  spin_limit = spin;
  join_limit_ms = limit_ms;
}

// Addresses for pool-worker.ts: after a trap it stores 1 in `failed` and wakes `pending`.
RYZ_EXPORT(ryz_pool_failed)
uint32_t* ryz_pool_failed() { return &failed.value; }
RYZ_EXPORT(ryz_pool_pending)
uint32_t* ryz_pool_pending() { return &pending.value; }

// The life of a pool worker: it ends when its JavaScript worker is terminated. Letting it return first was
// tried: Chromium then often never ended the worker (test/browser/soak.test.ts waited for ever).
RYZ_EXPORT(ryz_thread_main)
void ryz_thread_main() {
  const int32_t thread = static_cast<int32_t>(add(entered, 1)) + 1;
  for (uint32_t seen = 0;;) {
    seen = await_epoch(seen);
    do_share(thread);
    if (add(pending, static_cast<uint32_t>(-1)) == 1 && load(joining)) notify(pending, 1);
  }
}

// For tests of the failure path: one pool worker traps (kind 0) or never ends (kind 1).
static void fault_task(const void* args, int32_t, int32_t, int32_t) {
  if (*static_cast<const int32_t*>(args) == 0) __builtin_trap();
  while (load(pending)) {
  }
}

RYZ_EXPORT(ryz_pool_fault)
int32_t ryz_pool_fault(int32_t kind) {
  fork(fault_task, &kind, 1, 1);
  return join();
}
