// What the files of ops share: the scratch of the engine and how work is cut.
#pragma once
#include "lookup_t2_i8.h"
#include "pool.h"
#include "ryz.h"
#include "t2_code.h"

extern RyzScratch scratch;

// Bytes that only this thread uses during an op.
inline uint8_t* scratch_of(int32_t thread) {
  return scratch.lookup + static_cast<size_t>(thread) * LOOKUP_BYTES;
}

// Pieces a thread takes at a time: about 4 claims a thread, so that a slow core does not hold up the rest.
inline int32_t grain_of(int32_t items, int32_t at_least) {
  const int32_t even = div_up(items, 4 * pool_threads());
  return even > at_least ? even : at_least;
}
