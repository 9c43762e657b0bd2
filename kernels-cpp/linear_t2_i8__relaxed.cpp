// linear_t2_i8 (ternary, one scale a row) on the relaxed dot; the loops are in linear_t2_i8.h.
#include "dot_i8__relaxed.h"
#include "linear_t2_i8.h"
