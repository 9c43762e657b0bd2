// linear_t2_i8 (ternary, one scale a row) on the relaxed dot; the loops are in linear_t2_i8.h.
#include "t2_dots__relaxed.h"
#include "linear_t2_i8.h"

// Without tables 67 Gw/s, or 92 in 32 bits on a machine that has the instruction; with tables for 16 tokens 106
// to 134, less where weights come from memory, which pay where they are filled well enough (Nov 2026).
int32_t lookup_from() { return dots_in_i32() ? 14 : 11; }
