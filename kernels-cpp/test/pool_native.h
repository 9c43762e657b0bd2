#pragma once
#include <cstdint>

// Once a process. spin: loads of a word before a worker sleeps.
void pool_native_start(int32_t threads, int32_t spin);

// Of those, how many share work from now on.
void pool_native_threads(int32_t threads);

// Returns when every thread at work is through with what it was in the middle of. Who has lost a piece to thread 0 goes on
// reading what stood in memory (OwnPlace in pool.h), so nothing of it may be freed before.
void pool_native_settle();
