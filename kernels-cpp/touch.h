// Loads ahead of a kernel that walks weights once: wasm has no prefetch instruction. A load whose value
// nobody needs still brings its cache line, and eight of them side by side wait for memory together,
// where a kernel's own loads come one at a time: a core reaches only a few of them ahead. Matters where
// memory answers late (a virtual machine with 4 KiB pages): 8 -> 35 Gw/s for one token, and 33 -> 46 with
// the weights in the third-level cache (Chromium 156, Xeon, Nov 2026).
#pragma once
#include <cstddef>
#include <cstdint>

constexpr int32_t LINE_BYTES = 64;
// What is touched at once: 8 lines. 4 gain a third less, 16 a fifth.
constexpr int32_t TOUCH_LINES = 8;
constexpr int32_t TOUCH_BYTES = TOUCH_LINES * LINE_BYTES;
// Pages whose beginnings are touched at once, and lines of each.
constexpr int32_t PAGES = 4;
constexpr int32_t PAGE_TOUCH_LINES = 4;
// Of the machine, not of wasm.
constexpr int32_t PAGE_BYTES = 4096;

// A byte of each line.
template <int LINES>
inline void touch_lines(const uint8_t* at) {
#pragma unroll
  for (int i = 0; i < LINES; i++) {
    const uint8_t byte = at[i * LINE_BYTES];
    asm volatile("" ::"r"(byte));
  }
}

// Any number of bytes.
inline void touch_range(const uint8_t* at, int32_t bytes) {
  int32_t i = 0;
  for (; i + TOUCH_BYTES <= bytes; i += TOUCH_BYTES) touch_lines<TOUCH_LINES>(at + i);
  for (; i < bytes; i += LINE_BYTES) touch_lines<1>(at + i);
}

// What a kernel touches while it walks weights in pieces of TOUCH_BYTES: the piece `distance` further on, or
// its share of the lines of each where it passes over the same weights several times (whole pieces in turn made two
// tokens a third slower, four a sixth).
struct Ahead {
  size_t left;         // bytes from the beginning of the walk to the last weight that may be touched
  int32_t distance;
  int32_t passes;
  int32_t pass;        // 0..passes-1

  // Before the piece at `offset` of the walk from `at`.
  void touch(const uint8_t* at, size_t offset) const {
    const size_t from = offset + distance;
    if (from + TOUCH_BYTES > left) return;
    // A new page costs a walk through the page tables and the whole latency of memory, as prefetchers end at pages
    // and a load that waits holds up what follows: so the first lines of several pages are touched together, by
    // the piece that begins the first of as many (one page at a time: +35 % for one token, +15 % for four; four
    // pages: 8 % and 5 % more; eight put sixteen lines into one set of the first-level cache: 3 % less).
    const size_t in_page = reinterpret_cast<size_t>(at + from) % (PAGES * PAGE_BYTES);
    const size_t next_page = from + PAGE_BYTES - in_page;
    if (pass == 0 && in_page < TOUCH_BYTES && next_page + (PAGES - 1) * PAGE_BYTES + TOUCH_BYTES <= left) {
#pragma unroll
      for (int32_t i = 0; i < PAGES; i++) touch_lines<PAGE_TOUCH_LINES>(at + next_page + i * PAGE_BYTES);
    }
    if (passes == 1) {
      touch_lines<TOUCH_LINES>(at + from);
    } else {
      const int32_t end = TOUCH_LINES * (pass + 1) / passes;
      for (int32_t i = TOUCH_LINES * pass / passes; i < end; i++) touch_lines<1>(at + from + i * LINE_BYTES);
    }
  }
};

// For `passes` over walks of `bytes` that follow each other: a single one touches its own way, several the
// next walk.
inline Ahead ahead_of(size_t left, int32_t bytes, int32_t passes) {
  return {left, passes == 1 ? TOUCH_BYTES : bytes, passes, 0};
}

constexpr Ahead NOTHING_AHEAD{0, 0, 1, 0};

// The i-th of n items that stand one after another, taken from both halves in turn: a prefetcher that follows two
// streams keeps more on its way than one that follows one (+12 % for one token; four tokens lose by it).
inline int32_t in_two_streams(int32_t i, int32_t n) {
  const int32_t half = n / 2;
  return i < 2 * half ? i % 2 * half + i / 2 : i;
}
