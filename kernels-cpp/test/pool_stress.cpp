// The pool under stress, a program of its own: `make -C kernels-cpp test` builds it with ThreadSanitizer. Regions of
// every size follow each other as fast as they can, on more threads than there are cores; workers sleep, are
// parked and come back meanwhile. Each piece of each region must be done once, before pool_run returns, and with the
// region's own arguments.
#include <atomic>
#include <cstdlib>

#include "check.h"
#include "pool.h"
#include "pool_native.h"

int checks_passed = 0;
int checks_failed = 0;

namespace {

constexpr int32_t MOST_ITEMS = 64;
constexpr int32_t THREADS = 5;

struct Args {
  int32_t number;       // of the region
  int32_t* done;        // [MOST_ITEMS] the region that did it last; plain, so that a race is seen
  std::atomic<int32_t>* wrong;
};

void task(const void* args, int32_t begin, int32_t end, int32_t thread) {
  const auto& a = *static_cast<const Args*>(args);
  for (int32_t i = begin; i < end; i++) {
    // Twice in one region, by a thread that is none, or by one that came too late.
    if (a.done[i] >= a.number || thread < 0 || thread >= THREADS) a.wrong->fetch_add(1);
    a.done[i] = a.number;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int32_t regions = argc > 1 ? std::atoi(argv[1]) : 20000;
  pool_native_start(THREADS, 300);
  Random random{1};
  int32_t done[MOST_ITEMS] = {};
  std::atomic<int32_t> wrong{0};
  for (int32_t number = 1; number <= regions; number++) {
    if (random.below(50) == 0) pool_native_threads(1 + random.below(THREADS));
    const int32_t items = 1 + random.below(MOST_ITEMS);
    // On this stack, as in the ops: a thread that reads it after the region would see another one's.
    const Args args{number, done, &wrong};
    CHECK(pool_run(task, &args, items, 1 + random.below(4), 1 + random.below(3000)) == 0);
    int32_t missing = 0;
    for (int32_t i = 0; i < items; i++) missing += done[i] != number;
    CHECK(missing == 0, "region %d: %d of %d items", number, missing, items);
    // Long enough for workers to fall asleep now and then.
    if (random.below(200) == 0) {
      for (volatile int32_t i = 0; i < 100000; i = i + 1) {
      }
    }
  }
  CHECK(wrong == 0, "%d items done twice or late", wrong.load());
  std::printf("pool: %d passed, %d failed\n", checks_passed, checks_failed);
  std::fflush(stdout);
  std::_Exit(checks_failed != 0);
}
