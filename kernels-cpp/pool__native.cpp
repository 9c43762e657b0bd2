// The pool of native test builds: std::thread behind the interface of pool.h, joined at every call.
// Slow, but sanitizers and the tests see the same forks and the same ranges as in wasm.
#include <atomic>
#include <thread>
#include <vector>

#include "pool.h"
#include "ryz.h"

static int32_t n_threads = 1;

void pool_native_threads(int32_t threads) { n_threads = threads; }

int32_t pool_threads() { return n_threads; }

int32_t pool_run(PoolTask* task, const void* args, int32_t items, int32_t grain) {
  if (items <= 0) return RYZ_OK;
  std::atomic<int32_t> next{0};
  const auto share = [&](int32_t thread) {
    for (;;) {
      const int32_t begin = next.fetch_add(grain);
      if (begin >= items) return;
      task(args, begin, begin + grain < items ? begin + grain : items, thread);
    }
  };
  std::vector<std::thread> workers;
  for (int32_t i = 1; i < n_threads; i++) workers.emplace_back(share, i);
  share(0);
  for (auto& worker : workers) worker.join();
  return RYZ_OK;
}
