// The pool of single-thread builds: the caller does everything.
#include "pool.h"
#include "ryz.h"

int32_t pool_threads() { return 1; }
bool pool_is_late() { return false; }

int32_t pool_run(PoolTask* task, const void* args, int32_t items, int32_t, int32_t, const OwnPlace*) {
  if (items > 0) task(args, 0, items, 0);
  return RYZ_OK;
}
