// linear_t2_i8 (ternary, one scale a row) on the simd128 dot; the loops are in linear_t2_i8.h.
#include "t2_dots__simd128.h"
#include "linear_t2_i8.h"

// A multiply costs more here: even three tokens are worth the tables (Chromium, Nov 2026).
int32_t lookup_from() { return 3; }
