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

// What work takes one thread, in nanoseconds, roughly: from the relaxed build on the machines of docs/KERNEL-NOTES.md.
// Only how work is cut depends on it.
inline int32_t ns_of(int64_t units, int32_t units_a_ns) {
  const int64_t ns = units / units_a_ns;
  return ns < 1 ? 1 : ns > 1000000000 ? 1000000000 : static_cast<int32_t>(ns);
}
