// linear_t2_i8 (ternary, one scale a row) on the relaxed dot; the loops are in linear_t2_i8.h.
#include "t2_dots__relaxed.h"
#include "linear_t2_i8.h"

// Seven and eight tokens: 0.75 to 0.88 of a step's time without tables (Node 20, EPYC), as half a tile has its tables in the
// first cache. Six: 1.1, from memory 1.0. Dots of 32 bits are faster where a machine has the instruction: 92 Gw/s, where
// tables for 16 tokens make 106 to 134 (Nov 2026).
int32_t lookup_from() { return dots_in_i32() ? 14 : 7; }
