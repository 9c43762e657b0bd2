// The pool of threaded builds. src/backend/wasm/pool-worker.ts enters ryz_thread_main once per worker; thread 0
// (the engine's own worker) opens a region in pool_run, works on it like everybody, and closes it when all pieces
// are done: who has not arrived by then is not waited for. Who is in the middle of a piece and late with it is not
// waited for either where the piece can be done again (OwnPlace in pool.h). Between regions a worker spins for a
// bounded time, then sleeps. Never called on a browser's main thread: it may not wait.
#include "claims.h"
#include "host.h"
#include "pool.h"
#include "ryz.h"

namespace {

Claims claims;
Holders holders;
Word left;      // pieces of the region that are not done
Word joining;   // 1 while thread 0 sleeps on `left`
Word epoch;     // a new value opens a region
Word sleepers;  // workers that wait, or are about to, on `epoch`
Word active;    // threads at work; workers from here on are parked, and sleep on it
Word failed;    // set by pool-worker.ts when a worker trapped
Word entered;   // workers that have entered ryz_thread_main

// What a thread did, for stats(). The words are read by thread 0's JavaScript.
struct alignas(64) Done {
  uint32_t pieces;
  uint32_t seen;  // how often it was awake: in a region, or to see that it stays parked
};
Done done[MAX_THREADS];

struct Waits {
  double ms;         // that thread 0 waited for others' pieces, beyond a short spin
  double late_ms;    // of it, in waits so long that who had the piece was not running
  uint32_t regions;  // shared between threads so far
  uint32_t again;    // pieces that thread 0 did again, as who had them was late
} waits;

// Written by thread 0 before it deals pieces; read by others after they took one. See claims.h.
struct Region {
  PoolTask* task;
  const void* args;
  int32_t items;
  int32_t grain;
  const OwnPlace* own;
} region;

int32_t n_threads = 1;
int32_t spin_limit = 0;
int32_t join_limit_ms = 0;
int32_t alone_ns = 0;
// When a thread was late last, and the time before.
constexpr double NEVER_YET = -1e9;
double late_at = NEVER_YET;
double late_before = 2 * NEVER_YET;

// What thread 0 has seen each worker hold in this region, and when first.
struct Seen {
  uint32_t held;
  double since_ms;
} seen_held[MAX_THREADS];

// A region is cut into so many pieces a thread, as long as none is longer than this, or shorter than a part of what
// thread 0 does alone. Shorter ones cost more than they share out; of longer ones thread 0 would wait for the
// rest of too long a piece.
constexpr int32_t PIECES_A_THREAD = 4;
constexpr int32_t LONGEST_NS = 250000;
constexpr int32_t SHORTEST_OF_ALONE = 3;

// What pieces that can be done again take, over what ops.h says they do, by kind: 2 until it is measured.
double pace[OWN_KINDS] = {2, 2};

void note_late(double now) {
  // Several threads that are late at once are one event.
  constexpr double SAME_MS = 1;
  if (now - late_at > SAME_MS) late_before = late_at;
  late_at = now;
}

// Whether threads were late twice within a few time slices, and just now: others use a core of ours, and this is no
// hiccup, as an idle machine has a few of in a second.
bool core_is_taken() {
  constexpr double OFTEN_MS = 40;
  if (late_at - late_before > OFTEN_MS) return false;
  if (host_now_ms() - late_at < OFTEN_MS) return true;
  late_before = 2 * NEVER_YET;  // nobody asks for the time again until then
  return false;
}

void count(uint32_t& counter, uint32_t more) {
  __atomic_store_n(&counter, __atomic_load_n(&counter, __ATOMIC_RELAXED) + more, __ATOMIC_RELAXED);
}

int32_t begin_of(const Region& r, int32_t piece) { return piece * r.grain; }
int32_t end_of(const Region& r, int32_t piece) {
  const int32_t begin = begin_of(r, piece);
  return r.items - begin < r.grain ? r.items : begin + r.grain;
}

void run_piece(int32_t piece, int32_t thread) {
  region.task(region.args, begin_of(region, piece), end_of(region, piece), thread);
}

// A worker's piece; false where thread 0 has taken it back, and perhaps even closed the region, meanwhile.
bool run_held(int32_t piece, int32_t thread) {
  // Nobody can take back what is not held yet: until then the region stays as it is.
  const Region r = region;
  const int32_t begin = begin_of(r, piece);
  const int32_t end = end_of(r, piece);
  if (!r.own) {
    r.task(r.args, begin, end, thread);
    return true;
  }
  alignas(16) uint8_t args[OWN_ARGS];
  r.own->copy(args, r.args, begin, end, thread);
  PoolTask* const task = r.own->task;
  // From here on, what the region points to may be gone, until the piece is known to be kept.
  holders.hold(thread, piece);
  task(args, begin, end, thread);
  if (!holders.keep(thread, piece)) return false;
  r.own->bring(r.args, begin, end, thread);
  holders.let_go(thread);
  return true;
}

// noinline, or the worker's endless loop stays in baseline code.
__attribute__((noinline)) void help(int32_t thread) {
  uint32_t pieces = 0;
  for (int32_t piece; (piece = claims.next(thread, n_threads)) != NO_PIECE; pieces++) {
    // After this thread 0 may open the next region.
    if (run_held(piece, thread) && subtract(left, 1) == 1 && load(joining)) notify(left, 1);
  }
  count(done[thread].pieces, pieces);
  count(done[thread].seen, 1);
}

// Sleeps while `thread` is parked. A worker that was wanted for less time than it took to wake still says so.
void park(int32_t thread) {
  for (uint32_t now; (now = load(active)) <= static_cast<uint32_t>(thread);) {
    wait(active, now, -1);
    count(done[thread].seen, 1);
  }
}

uint32_t await_epoch(uint32_t seen, int32_t thread, int32_t& limit) {
  park(thread);
  for (int32_t i = 0; i < limit; i++) {
    const uint32_t now = load(epoch);
    if (now == seen) continue;
    limit = next_spin(limit, spin_limit, true);
    return now;
  }
  limit = next_spin(limit, spin_limit, false);
  add(sleepers, 1);
  uint32_t now;
  while ((now = load(epoch)) == seen) wait(epoch, seen, -1);
  subtract(sleepers, 1);
  return now;
}

bool spin_to_the_end(int32_t limit) {
  for (int32_t i = 0; i < limit; i++) {
    if (load(left) == 0) return true;
  }
  return false;
}

bool spin_until(double end) {
  do {
    if (spin_to_the_end(500)) return true;
  } while (host_now_ms() < end);
  return false;
}

// Spins first; who is waited for may need this very core.
bool wait_until(double end) {
  constexpr double SPIN_MS = 0.1;
  const double now = host_now_ms();
  if (spin_until(end - now < SPIN_MS ? end : now + SPIN_MS)) return true;
  store(joining, 1);
  for (double rest_ms; (rest_ms = end - host_now_ms()) > 0;) {
    const uint32_t pieces = load(left);
    if (pieces == 0) break;
    wait(left, pieces, static_cast<int64_t>(rest_ms * 1e6));
  }
  store(joining, 0);
  return load(left) == 0;
}

// Notes what others are in the middle of.
void look_at_held(double now) {
  for (int32_t t = 1; t < n_threads; t++) {
    const uint32_t held = load(holders.held[t]);
    if (held != seen_held[t].held) seen_held[t] = {held, now};
  }
}

// Until nothing is left, does again what others have been in the middle of for longer than `piece_ms`. True when nothing is
// left; false when all that is left must be waited for.
bool do_again(double piece_ms) {
  for (;;) {
    const double now = host_now_ms();
    look_at_held(now);
    constexpr double NEVER = 1e300;
    double soonest = NEVER;
    for (int32_t t = 1; t < n_threads; t++) {
      const Seen& seen = seen_held[t];
      if (seen.held == HOLDS_NONE || seen.held == BRINGS) continue;
      const double due = seen.since_ms + piece_ms;
      if (due > now) {
        if (due < soonest) soonest = due;
        continue;
      }
      const int32_t piece = holders.take_back(t);
      if (piece == NO_PIECE) continue;
      run_piece(piece, 0);
      count(done[0].pieces, 1);
      waits.again++;
      const double after = host_now_ms();
      note_late(after);
      waits.ms -= after - now;  // that was work
      if (subtract(left, 1) == 1) return true;
      soonest = 0;
    }
    if (soonest == NEVER) return load(left) == 0;
    if (wait_until(soonest)) return true;
  }
}

// Waits for the pieces that others are in the middle of.
int32_t await_pieces() {
  static int32_t limit = 0;
  const bool ended = spin_to_the_end(limit);
  limit = next_spin(limit, spin_limit, ended);
  if (ended) return RYZ_OK;
  constexpr int32_t SLICE_MS = 50;  // how exact the time limit is; the last piece wakes us at once
  int32_t waited_ms = 0;
  store(joining, 1);
  int32_t status = RYZ_OK;
  for (uint32_t pieces; (pieces = load(left)) != 0;) {
    if (load(failed)) {
      status = RYZ_WORKER_TRAPPED;
      break;
    }
    if (waited_ms >= join_limit_ms) {
      status = RYZ_WORKER_SILENT;
      break;
    }
    if (wait(left, pieces, SLICE_MS * 1000000LL) == WAIT_TIMED_OUT) waited_ms += SLICE_MS;
  }
  store(joining, 0);
  return status;
}

// piece_ns: what a piece should take.
int32_t join(int32_t piece_ns) {
  // About 4 us, within which most last pieces end: asking for the time twice costs 0.1.
  constexpr int32_t SHORT_SPIN = 4000;
  // Four of the longest pieces: time slices of a core are 3 ms and more.
  constexpr double LATE_MS = 1;
  if (spin_to_the_end(SHORT_SPIN)) return RYZ_OK;
  const double began = host_now_ms();
  if (region.own && !load(failed)) {
    // Who runs would be through with a piece by now. Too soon costs the piece, too late as much of the wait.
    constexpr double NO_LONGER = 2;
    constexpr double LEAST_MS = 0.01;
    const double piece_ms = NO_LONGER * pace[region.own->kind] * piece_ns * 1e-6;
    if (do_again(piece_ms > LEAST_MS ? piece_ms : LEAST_MS)) {
      waits.ms += host_now_ms() - began;
      return RYZ_OK;
    }
  }
  const int32_t status = await_pieces();
  const double waited = host_now_ms() - began;
  waits.ms += waited;
  if (waited > LATE_MS) {
    waits.late_ms += waited;
    note_late(host_now_ms());
  }
  return status;
}

void open_region(const Region& opened, int32_t pieces, int32_t threads) {
  region = opened;
  store(left, static_cast<uint32_t>(pieces));
  claims.deal(pieces, threads);
  add(epoch, 1);
  if (load(sleepers)) notify(epoch, static_cast<uint32_t>(n_threads));
  waits.regions++;
}

// Whether other threads may take part in work that takes one so long. While a core is taken, they are no help with work that
// cannot be done again: to be stopped in its middle costs a time slice of 3 ms and more, and is as likely as the part of a
// slice that is saved.
bool is_shared(int64_t ns, const OwnPlace* own) {
  constexpr int64_t WORTH_A_WAIT_NS = 1000000;
  return ns >= alone_ns && (own || ns >= WORTH_A_WAIT_NS || !core_is_taken());
}

// Items of a piece.
int32_t grain_of(int32_t items, int32_t at_least, int32_t item_ns, int32_t threads) {
  const int32_t ns = item_ns > 0 ? item_ns : 1;
  int32_t grain = (items + PIECES_A_THREAD * threads - 1) / (PIECES_A_THREAD * threads);
  if (grain > LONGEST_NS / ns) grain = LONGEST_NS / ns;
  const int32_t shortest = alone_ns / SHORTEST_OF_ALONE / ns;
  if (grain < shortest) grain = shortest;
  if (grain < at_least) grain = at_least;
  if (grain < 1) grain = 1;
  const int32_t fewest = (items + MAX_PIECES - 1) / MAX_PIECES;
  return grain > fewest ? grain : fewest;
}

// Thread 0's own pieces of a region should have taken `ns`.
void learn_pace(double& of, double ms, double ns) {
  const double sample = ms * 1e6 / ns;
  // Where it was long it may have been off its core itself.
  of += (sample < 2 * of ? sample - of : of) / 8;
  constexpr double LEAST = 0.1;
  if (of < LEAST) of = LEAST;
}

// Thread 0's share of a region whose pieces can be done again; @returns how many it did.
uint32_t do_own(int32_t threads, int32_t piece_ns) {
  // To ask for the time costs 0.05 us and more: after short pieces nobody looks.
  constexpr int32_t WORTH_A_LOOK_NS = 50000;
  for (int32_t t = 1; t < n_threads; t++) seen_held[t].held = HOLDS_NONE;
  const double began = host_now_ms();
  uint32_t mine = 0;
  for (int32_t piece; (piece = claims.next(0, threads)) != NO_PIECE; mine++) {
    run_piece(piece, 0);
    if (piece_ns >= WORTH_A_LOOK_NS) look_at_held(host_now_ms());
  }
  if (mine > 0) learn_pace(pace[region.own->kind], host_now_ms() - began, static_cast<double>(mine) * piece_ns);
  return mine;
}

}  // namespace

bool pool_is_late() {
  constexpr double LATELY_MS = 100;
  return host_now_ms() - late_at < LATELY_MS;
}

int32_t pool_threads() { return static_cast<int32_t>(__atomic_load_n(&active.value, __ATOMIC_RELAXED)); }

int32_t pool_run(PoolTask* task, const void* args, int32_t items, int32_t at_least, int32_t item_ns,
                 const OwnPlace* own) {
  if (items <= 0) return RYZ_OK;
  const int32_t threads = pool_threads();
  if (threads > 1 && is_shared(static_cast<int64_t>(items) * item_ns, own)) {
    int32_t grain = grain_of(items, at_least, item_ns, threads);
    if (own && grain > own->at_most) grain = own->at_most;
    const int32_t pieces = (items + grain - 1) / grain;
    if (pieces > 1 && pieces <= MAX_PIECES) {
      open_region({task, args, items, grain, own}, pieces, threads);
      const int32_t piece_ns = grain * item_ns;
      uint32_t mine = 0;
      if (own) {
        mine = do_own(threads, piece_ns);
      } else {
        for (int32_t piece; (piece = claims.next(0, threads)) != NO_PIECE; mine++) run_piece(piece, 0);
      }
      count(done[0].pieces, mine);
      return subtract(left, mine) == mine ? RYZ_OK : join(piece_ns);
    }
  }
  task(args, 0, items, 0);
  return RYZ_OK;
}

// Thread 0, before any worker starts. spin: loads of a shared word before a thread sleeps.
RYZ_EXPORT(ryz_pool_setup)
void ryz_pool_setup(int32_t threads, int32_t spin, int32_t limit_ms, int32_t alone) {
  n_threads = threads;
  spin_limit = spin;
  join_limit_ms = limit_ms;
  alone_ns = alone;
  store(active, static_cast<uint32_t>(threads));
}

// Between regions: how many threads share them from now on. Workers beyond sleep until there are more again.
RYZ_EXPORT(ryz_pool_use)
void ryz_pool_use(int32_t threads) {
  const bool more = threads > pool_threads();
  store(active, static_cast<uint32_t>(threads));
  if (more) notify(active, static_cast<uint32_t>(n_threads));
}

// Addresses for pool-worker.ts: after a trap it stores 1 in `failed` and wakes who waits on `left`.
RYZ_EXPORT(ryz_pool_failed)
uint32_t* ryz_pool_failed() { return &failed.value; }
RYZ_EXPORT(ryz_pool_left)
uint32_t* ryz_pool_left() { return &left.value; }
// For stats(): Done of each thread, 64 bytes apart; Waits.
RYZ_EXPORT(ryz_pool_done)
Done* ryz_pool_done() { return done; }
RYZ_EXPORT(ryz_pool_waits)
Waits* ryz_pool_waits() { return &waits; }

// The life of a pool worker: it ends when its JavaScript worker is terminated. Letting it return first was
// tried: Chromium then often never ended the worker (test/browser/soak.test.ts waited for ever).
RYZ_EXPORT(ryz_thread_main)
void ryz_thread_main() {
  const int32_t thread = static_cast<int32_t>(add(entered, 1)) + 1;
  int32_t limit = spin_limit;
  for (uint32_t seen = 0;;) {
    seen = await_epoch(seen, thread, limit);
    help(thread);
  }
}

// For tests of the failure path: one pool worker traps (kind 0) or never ends (kind 1).
static void fault_task(const void* args, int32_t, int32_t, int32_t) {
  if (*static_cast<const int32_t*>(args) == 0) __builtin_trap();
  while (load(left)) {
  }
}

RYZ_EXPORT(ryz_pool_fault)
int32_t ryz_pool_fault(int32_t kind) {
  ryz_pool_use(n_threads);
  // One piece, and thread 0 takes none.
  open_region({fault_task, &kind, 1, 1, nullptr}, 1, 1);
  return join(0);
}
