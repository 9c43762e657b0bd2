// The pool under stress, a program of its own: `make -C kernels-cpp test` builds it with ThreadSanitizer. Regions of
// every size follow each other as fast as they can, on more threads than there are cores; workers sleep, are
// parked and come back meanwhile. Each piece of each region must be done once, before pool_run returns, and with the
// region's own arguments. In every second region pieces can be done again, and workers are late with some.
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "check.h"
#include "claims.h"
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

// The same in a place of the thread's own. Late results must not be seen: they are of a region that is over.
int32_t places[THREADS][MOST_ITEMS];
std::atomic<int32_t> brought{0};

void own_task(const void* args, int32_t begin, int32_t end, int32_t thread) {
  const auto& a = *static_cast<const Args*>(args);
  // Some sleep in the middle, as a thread does that is not scheduled.
  if (thread > 0 && (a.number + begin) % 16 == 0) usleep(300);
  for (int32_t i = begin; i < end; i++) a.done[i] = a.number;
}

void copy_args(void* to, const void* args, int32_t, int32_t, int32_t thread) {
  auto& own = *static_cast<Args*>(to);
  own = *static_cast<const Args*>(args);
  own.done = places[thread];
}

void bring_results(const void* args, int32_t begin, int32_t end, int32_t thread) {
  const auto& a = *static_cast<const Args*>(args);
  for (int32_t i = begin; i < end; i++) {
    if (a.done[i] >= a.number || places[thread][i] != a.number) a.wrong->fetch_add(1);
    a.done[i] = places[thread][i];
  }
  brought.fetch_add(1);
}

}  // namespace

extern "C" uint32_t* ryz_pool_waits();

// Spins that find nothing get shorter, down to a bound; those that do get as long as they may be.
static void check_spin() {
  int32_t limit = 100000;
  for (int32_t i = 0; i < 3; i++) limit = next_spin(limit, 100000, false);
  CHECK(limit == 12500);
  for (int32_t i = 0; i < 9; i++) limit = next_spin(limit, 100000, false);
  CHECK(limit == 6250);
  for (int32_t i = 0; i < 9; i++) limit = next_spin(limit, 100000, true);
  CHECK(limit == 100000);
  CHECK(next_spin(0, 0, true) == 0);
}

// While threads are late again and again, short work that cannot be done again stays with thread 0, and only that; a while
// later it is shared again.
static void check_alone(int32_t number, int32_t* done, std::atomic<int32_t>* wrong) {
  pool_native_threads(THREADS);
  const auto regions = [] { return ryz_pool_waits()[4]; };
  const auto again = [] { return ryz_pool_waits()[5]; };
  const auto is_shared = [&](const OwnPlace* own) {
    const Args args{++number, done, wrong};
    const uint32_t before = regions();
    CHECK(pool_run(task, &args, MOST_ITEMS, 1, 1000, own) == 0);
    return regions() != before;
  };
  const OwnPlace own{copy_args, own_task, bring_results, MOST_ITEMS, 0};
  bool stayed = false;
  // This process itself may be stopped for longer than lateness is remembered.
  for (int32_t tries = 0; tries < 100 && !stayed; tries++) {
    for (int32_t late = 0; late < 3; late++) {
      for (const uint32_t before = again(); again() == before;) CHECK(is_shared(&own));
      usleep(2000);
    }
    stayed = !is_shared(nullptr);
  }
  CHECK(stayed, "a short region was shared while threads were late");
  usleep(60000);
  CHECK(is_shared(nullptr), "a short region was not shared though nobody was late any more");
}

int main(int argc, char** argv) {
  const int32_t regions = argc > 1 ? std::atoi(argv[1]) : 20000;
  check_spin();
  pool_native_start(THREADS, 300);
  Random random{1};
  int32_t done[MOST_ITEMS] = {};
  std::atomic<int32_t> wrong{0};
  for (int32_t number = 1; number <= regions; number++) {
    if (random.below(50) == 0) pool_native_threads(1 + random.below(THREADS));
    const int32_t items = 1 + random.below(MOST_ITEMS);
    // On this stack, as in the ops: a thread that reads it after the region would see another one's.
    const Args args{number, done, &wrong};
    const OwnPlace own{copy_args, own_task, bring_results, 1 + random.below(MOST_ITEMS), 0};
    const bool again = number % 2 == 0;
    // What cannot be done again is only shared while threads are late where it is long.
    const int32_t item_ns = 1 + random.below(3000) + (again ? 0 : 1000000);
    CHECK(pool_run(task, &args, items, 1 + random.below(4), item_ns, again ? &own : nullptr) == 0);
    int32_t missing = 0;
    for (int32_t i = 0; i < items; i++) missing += done[i] != number;
    CHECK(missing == 0, "region %d: %d of %d items", number, missing, items);
    // Long enough for workers to fall asleep now and then.
    if (random.below(200) == 0) {
      for (volatile int32_t i = 0; i < 100000; i = i + 1) {
      }
    }
  }
  check_alone(regions, done, &wrong);
  CHECK(wrong == 0, "%d items done twice or late", wrong.load());
  const uint32_t done_again = ryz_pool_waits()[5];
  CHECK(done_again > 0 && brought > 0, "%u done again, %d brought", done_again, brought.load());
  std::printf("pool: %u pieces done again, %d brought over\n", done_again, brought.load());
  std::printf("pool: %d passed, %d failed\n", checks_passed, checks_failed);
  std::fflush(stdout);
  std::_Exit(checks_failed != 0);
}
