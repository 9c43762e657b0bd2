// Shares one task over a range of items between the threads of the pool. The build picks
// pool__threads.cpp (wasm workers, and the native tests) or pool__single.cpp.
#pragma once
#include <stdint.h>

// Does items begin..end-1; called several times, from several threads at once.
// thread: 0 (the caller of pool_run) to pool_threads() - 1, for scratch of its own.
using PoolTask = void(const void* args, int32_t begin, int32_t end, int32_t thread);

// How other threads do a piece in a place of their own, so that thread 0 can do it again when the one that has it is
// not running: its results are brought over only while the piece is still its own. Afterwards it may go on reading
// what the copy points to, which must stay readable for ever, whatever then stands there.
struct OwnPlace {
  // Makes a copy of the arguments, of at most OWN_ARGS bytes, whose results of items begin..end-1 go there.
  void (*copy)(void* to, const void* args, int32_t begin, int32_t end, int32_t thread);
  PoolTask* task;  // with the copy, in the place of pool_run's
  void (*bring)(const void* args, int32_t begin, int32_t end, int32_t thread);
  int32_t at_most;  // items that have room
  int32_t kind;     // of kernel, below OWN_KINDS: what its pieces take is measured
};
constexpr int32_t OWN_KINDS = 2;
constexpr int32_t OWN_ARGS = 256;

// Runs `task` over items 0..items-1 and returns when all are done. `args` must stay valid until then.
//   at_least  items of a piece of work at least
//   item_ns   what an item takes one thread, roughly: short tasks stay with the caller, long ones are cut finer
//   own       where pieces can be done twice; null where they cannot
// Returns a RyzStatus; anything but RYZ_OK is final: the pool must not be used again, as a worker may still be
// writing.
int32_t pool_run(PoolTask* task, const void* args, int32_t items, int32_t at_least, int32_t item_ns,
                 const OwnPlace* own = nullptr);

// Whether a thread was late with a piece in the last tenth of a second: what is waited for, or done again, should be short.
bool pool_is_late();

// Threads that share tasks now, the caller included.
int32_t pool_threads();
