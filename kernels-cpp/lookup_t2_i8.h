// Sizes of the lookup-table product that its kernel, its scratch (ops.cpp) and arena.ts agree on.
#pragma once
#include "ryz.h"

// Tokens side by side in one table entry; a kernel call takes at most this many.
constexpr int32_t LOOKUP_TOKENS = 32;
// Units of a call at most: 1024 have 260 kB of sums, which a second-level cache of 512 kB still holds beside the
// tables. Half as many would build all tables twice for qkv, gate and up of the 0.7B shape.
constexpr int32_t LOOKUP_UNITS = 1024;
// Where threads are late a call should take no longer than this, as it may be done again: a quarter of a time slice. But tables
// cost as much as 65 units, so it has so many at least.
constexpr int32_t FINER_NS = 750000;
constexpr int32_t FINER_UNITS = 192;
// Parts of a stack at most.
constexpr int32_t LOOKUP_PARTS = 3;
// A byte of a t2 tile row holds 4 codes of 0..2, so it is at most 0xaa: 171 entries, 81 of them used.
// 173, as an odd number of cache lines spreads the tables over the sets of the cache.
constexpr int32_t LOOKUP_ENTRIES = 173;

// Scratch of one thread, in bytes: 16 tables, int16 sums and 32-bit totals of every row.
constexpr int32_t LOOKUP_TABLE_BYTES = 16 * LOOKUP_ENTRIES * LOOKUP_TOKENS * 2;
constexpr int32_t LOOKUP_SUMS_BYTES = LOOKUP_UNITS * TILE_ROWS * LOOKUP_TOKENS * 2;
constexpr int32_t LOOKUP_BYTES = LOOKUP_TABLE_BYTES + 3 * LOOKUP_SUMS_BYTES;
// attend borrows it.
static_assert(LOOKUP_BYTES >= attend_scratch(1024), "heads are at most 1024 wide");
static_assert(LOOKUP_BYTES == 963584, "src/backend/wasm/exports.ts repeats it");
