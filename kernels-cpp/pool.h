// Shares one task over a range of items between the threads of the pool. The build picks
// pool__threads.cpp (wasm workers, and the native tests) or pool__single.cpp.
#pragma once
#include <stdint.h>

// Does items begin..end-1; called several times, from several threads at once.
// thread: 0 (the caller of pool_run) to pool_threads() - 1, for scratch of its own.
using PoolTask = void(const void* args, int32_t begin, int32_t end, int32_t thread);

// Runs `task` over items 0..items-1 and returns when all are done. `args` must stay valid until then.
//   at_least  items of a piece of work at least
//   item_ns   what an item takes one thread, roughly: short tasks stay with the caller, long ones are cut finer
// Returns a RyzStatus; anything but RYZ_OK is final: the pool must not be used again, as a worker may still be
// writing.
int32_t pool_run(PoolTask* task, const void* args, int32_t items, int32_t at_least, int32_t item_ns);

// Threads that share tasks now, the caller included.
int32_t pool_threads();
