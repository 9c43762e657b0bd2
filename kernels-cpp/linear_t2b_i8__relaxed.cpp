// linear_t2b_i8 (ternary, a scale per block of columns) on the relaxed dot; the loops are in linear_t2b_i8.h.
#include "t2_dots__relaxed.h"
#include "linear_t2b_i8.h"
