// What the pool asks of where it runs: to sleep on a word, to wake who sleeps there, and what time it is.
#pragma once
#include "claims.h"

enum WaitResult : int32_t { WAIT_OK = 0, WAIT_NOT_EQUAL = 1, WAIT_TIMED_OUT = 2 };

#if defined(__wasm__)

inline int32_t wait(Word& w, uint32_t while_equal, int64_t timeout_ns) {
  return __builtin_wasm_memory_atomic_wait32(reinterpret_cast<int32_t*>(&w.value),
                                             static_cast<int32_t>(while_equal), timeout_ns);
}

inline void notify(Word& w, uint32_t count) {
  __builtin_wasm_memory_atomic_notify(reinterpret_cast<int32_t*>(&w.value), count);
}

// performance.now(); a call costs about as much as taking three pieces.
__attribute__((import_module("env"), import_name("now"))) extern "C" double host_now_ms();

#else

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

inline int32_t wait(Word& w, uint32_t while_equal, int64_t timeout_ns) {
  const timespec limit{static_cast<time_t>(timeout_ns / 1000000000), static_cast<long>(timeout_ns % 1000000000)};
  const long failed = syscall(SYS_futex, &w.value, FUTEX_WAIT_PRIVATE, while_equal, timeout_ns < 0 ? nullptr : &limit);
  if (failed && errno == ETIMEDOUT) return WAIT_TIMED_OUT;
  return failed ? WAIT_NOT_EQUAL : WAIT_OK;
}

inline void notify(Word& w, uint32_t count) {
  syscall(SYS_futex, &w.value, FUTEX_WAKE_PRIVATE, count < 0x7fffffff ? count : 0x7fffffff);
}

inline double host_now_ms() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

#endif
