// linear_t2_i8 (ternary, one scale a row) on the simd128 dot; the loops are in linear_t2_i8.h.
#include "dot_i8__simd128.h"
#include "linear_t2_i8.h"
