// The pool's workers as native threads, for the tests: started once, parked where a test wants fewer.
#include "pool_native.h"

#include <atomic>
#include <thread>

#include "pool.h"

extern "C" {
void ryz_pool_setup(int32_t, int32_t, int32_t, int32_t);
void ryz_pool_use(int32_t);
void ryz_thread_main();
}

void pool_native_start(int32_t threads, int32_t spin) {
  // Nothing is too short to be shared: the tests' tasks are small.
  ryz_pool_setup(threads, spin, 10000, 0);
  // They never return, and end with the process.
  for (int32_t i = 1; i < threads; i++) std::thread(ryz_thread_main).detach();
}

void pool_native_threads(int32_t threads) { ryz_pool_use(threads); }

void pool_native_settle() {
  const int32_t threads = pool_threads();
  if (threads == 1) return;
  // A piece for each, in which it stays until all have one: nobody is anywhere else.
  std::atomic<int32_t> missing{threads};
  const auto meet = [](const void* args, int32_t begin, int32_t end, int32_t) {
    auto& others = **static_cast<std::atomic<int32_t>* const*>(args);
    others -= end - begin;
    while (others > 0) std::this_thread::yield();
  };
  std::atomic<int32_t>* const shared = &missing;
  // Long enough to be shared, whatever else the machine does.
  constexpr int32_t LONG_NS = 10000000;
  pool_run(meet, &shared, threads, 1, LONG_NS);
}
