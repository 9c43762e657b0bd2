// math.h against the C library in double precision, and every half against its definition.
#include <cmath>

#include "check.h"
#include "math.h"

static double f16_value(uint32_t h) {
  const int exponent = (h >> 10) & 31;
  const int mantissa = h & 0x3ff;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24)
                                         : std::ldexp(1024 + mantissa, exponent - 25);
  return h & 0x8000 ? -magnitude : magnitude;
}

void test_math() {
  for (uint32_t h = 0; h < 0x10000; h++) {
    const float x = f32_from_f16(static_cast<uint16_t>(h));
    if (((h >> 10) & 31) == 31) {
      CHECK((h & 0x3ff) ? x != x : std::isinf(x), "half %x", h);
      continue;
    }
    CHECK(x == f16_value(h) && std::signbit(x) == (h >= 0x8000), "half %x", h);
    CHECK(f16_from_f32(x) == h, "half %x comes back as %x", h, f16_from_f32(x));
    // Halfway to the next half rounds to the even one, just above it rounds up.
    const uint32_t magnitude = h & 0x7fff;
    if (magnitude >= 0x7bff || h >= 0x8000) continue;
    const auto middle = static_cast<float>((f16_value(h) + f16_value(h + 1)) / 2);
    CHECK(f16_from_f32(middle) == ((h & 1) ? h + 1 : h), "between %x and the next", h);
    CHECK(f16_from_f32(std::nextafterf(middle, 1e9f)) == h + 1, "above the middle after %x", h);
    CHECK(f16_from_f32(std::nextafterf(middle, 0)) == h, "below the middle after %x", h);
  }
  CHECK(f16_from_f32(1e30f) == 0x7bff && f16_from_f32(-INFINITY) == 0xfbff, "halves saturate");

  for (float x = -86.9f; x < 88.0f; x += 0.00731f) {
    const double want = std::exp(static_cast<double>(x));
    CHECK(std::fabs(exp32(x) - want) <= want * 3e-7, "exp(%g) is %g", x, exp32(x));
  }
  CHECK(exp32(0.0f) == 1.0f);
  CHECK(exp32(-INFINITY) == exp32(-87.0f) && exp32(INFINITY) == exp32(88.0f), "exp clamps");
  CHECK(std::isnan(exp32(NAN)), "exp of NaN is NaN, and does not trap");

  CHECK(round_even(0.5f) == 0 && round_even(1.5f) == 2 && round_even(2.5f) == 2);
  CHECK(round_even(-0.5f) == 0 && round_even(-1.5f) == -2 && round_even(-2.5f) == -2);
  CHECK(round_to_i8(127.4f) == 127 && round_to_i8(1000) == 127 && round_to_i8(-1000) == -128);
  CHECK(round_to_i8(NAN) == 0, "NaN becomes 0");
  CHECK(max_f32(NAN, 1) != max_f32(NAN, 1) && max_f32(1, NAN) != max_f32(1, NAN), "NaN wins");
}
