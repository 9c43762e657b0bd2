// Who does which piece of a region: each thread has a range of pieces and takes them from its front, so that it
// walks memory upwards; when it is out of work it takes from the back of the others' ranges. A range is one word,
// so taking a piece is one compare-and-swap. Used by pool__threads.cpp; every order of these steps is tried by
// test/kernels/pool-model.test.ts, and test/pool_stress.cpp runs them under ThreadSanitizer.
//
// A thread that comes late, or wakes in a later region, can do no harm: whatever it read before, the swap succeeds
// only on pieces that the present region still has to give, what they mean is read after it, and the region
// cannot end before the piece is done. So a word needs no number of its region.
//
// A piece that is done in a place of the thread's own can be taken back from it: who has it says so in its word of
// `holders`, and a swap of that word decides between bringing the results over and thread 0 doing the piece again.
#pragma once
#include <stdint.h>

// A line of its own: one thread writes it while others wait on another.
struct alignas(64) Word {
  uint32_t value;
};

inline uint32_t load(const Word& w) { return __atomic_load_n(&w.value, __ATOMIC_SEQ_CST); }
inline void store(Word& w, uint32_t v) { __atomic_store_n(&w.value, v, __ATOMIC_SEQ_CST); }
inline uint32_t add(Word& w, uint32_t v) { return __atomic_fetch_add(&w.value, v, __ATOMIC_SEQ_CST); }
inline uint32_t subtract(Word& w, uint32_t v) { return __atomic_fetch_sub(&w.value, v, __ATOMIC_SEQ_CST); }

constexpr int32_t MAX_THREADS = 64;
constexpr int32_t MAX_PIECES = 0xffff;
constexpr int32_t NO_PIECE = -1;

inline bool swap(Word& w, uint32_t from, uint32_t to) {
  return __atomic_compare_exchange_n(&w.value, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

// Pieces first..end-1.
inline uint32_t range_of(int32_t first, int32_t end) {
  return static_cast<uint32_t>(first) | static_cast<uint32_t>(end) << 16;
}

// Takes a piece, or NO_PIECE where none is left.
inline int32_t take(Word& range, bool from_front) {
  uint32_t seen = load(range);
  for (;;) {
    const uint32_t first = seen & 0xffff;
    const uint32_t end = seen >> 16;
    if (first >= end) return NO_PIECE;
    const uint32_t rest = from_front ? seen + 1 : seen - 0x10000;
    if (__atomic_compare_exchange_n(&range.value, &seen, rest, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
      return static_cast<int32_t>(from_front ? first : end - 1);
    }
  }
}

// How long to spin next time: twice as long after it was worth it, half after the thread slept all the same, so that
// threads on cores that are not theirs soon sleep at once. From a sixteenth of `most`.
inline int32_t next_spin(int32_t limit, int32_t most, bool found) {
  const int32_t least = most / 16;
  const int32_t next = found ? 2 * limit : limit / 2;
  return next < least ? least : next > most ? most : next;
}

struct Claims {
  Word ranges[MAX_THREADS];

  // Gives `pieces` to threads 0..threads-1, as evenly as it goes. Only when nothing is left of the region before.
  void deal(int32_t pieces, int32_t threads) {
    int32_t first = 0;
    for (int32_t t = 0; t < threads; t++) {
      const int32_t end = static_cast<int32_t>(static_cast<int64_t>(pieces) * (t + 1) / threads);
      store(ranges[t], range_of(first, end));
      first = end;
    }
  }

  // The next piece for `thread`; of its own range first, then of those of 0..threads-1.
  int32_t next(int32_t thread, int32_t threads) {
    const int32_t own = take(ranges[thread], true);
    if (own != NO_PIECE) return own;
    for (int32_t t = thread + 1; t < threads; t++) {
      const int32_t piece = take(ranges[t], false);
      if (piece != NO_PIECE) return piece;
    }
    const int32_t below = thread < threads ? thread : threads;
    for (int32_t t = 0; t < below; t++) {
      const int32_t piece = take(ranges[t], false);
      if (piece != NO_PIECE) return piece;
    }
    return NO_PIECE;
  }
};

constexpr uint32_t HOLDS_NONE = 0;
// The piece was still its own: thread 0 waits while the results are brought over, which takes next to nothing.
constexpr uint32_t BRINGS = 0xffffffff;

struct Holders {
  Word held[MAX_THREADS];

  void hold(int32_t thread, int32_t piece) { store(held[thread], static_cast<uint32_t>(piece) + 1); }
  // Whether the piece is still the thread's own; then it brings the results and lets go.
  bool keep(int32_t thread, int32_t piece) { return swap(held[thread], static_cast<uint32_t>(piece) + 1, BRINGS); }
  void let_go(int32_t thread) { store(held[thread], HOLDS_NONE); }

  // The piece that `thread` had, now the caller's; or NO_PIECE.
  int32_t take_back(int32_t thread) {
    const uint32_t seen = load(held[thread]);
    if (seen == HOLDS_NONE || seen == BRINGS || !swap(held[thread], seen, HOLDS_NONE)) return NO_PIECE;
    return static_cast<int32_t>(seen - 1);
  }
};
