// Fork and join: one task over a range of items, shared out between the threads of the pool. The
// build picks pool__threads.cpp (wasm workers), pool__single.cpp or pool__native.cpp (tests).
#pragma once
#include <stdint.h>

// Does items begin..end-1; called several times, from several threads at once.
// thread: 0 (the caller of pool_run) to pool_threads() - 1, for scratch of its own.
using PoolTask = void(const void* args, int32_t begin, int32_t end, int32_t thread);

// Runs `task` over items 0..items-1 in pieces of `grain` and returns when all are done.
// `args` must stay valid until then. Returns a RyzStatus; anything but RYZ_OK is final: the pool must
// not be used again, as a worker may still be writing.
int32_t pool_run(PoolTask* task, const void* args, int32_t items, int32_t grain);

// Threads that pool_run uses, the caller included.
int32_t pool_threads();
