// The pool's workers as native threads, for the tests: started once, parked where a test wants fewer.
#include "pool_native.h"

#include <thread>

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
