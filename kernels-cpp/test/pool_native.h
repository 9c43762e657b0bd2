#pragma once
#include <cstdint>

// Once a process. spin: loads of a word before a worker sleeps.
void pool_native_start(int32_t threads, int32_t spin);

// Of those, how many share work from now on.
void pool_native_threads(int32_t threads);
