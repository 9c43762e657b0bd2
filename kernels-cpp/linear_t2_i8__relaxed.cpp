// linear_t2_i8 (ternary, one scale a row) on the relaxed dot; the loops are in linear_t2_i8.h.
#include "t2_dots_one__relaxed.h"
#include "linear_t2_i8.h"

// 67 Gw/s without tables; with tables for 16 tokens 100, of which 11 or more make it worth while (Nov 2026).
int32_t lookup_from() { return 11; }
