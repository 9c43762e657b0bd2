// Where int8 and int4 elements lie in a KV block of one head; the layouts are those of kvHeadBytes in
// src/backend/backend.ts. f32 and f16 are K [head_dim][32], V [32][head_dim].
// Pairs stand side by side because one pmaddwd multiplies and adds pairs: elements of K, tokens of V.
#pragma once
#include "math.h"
#include "ryz.h"

constexpr int32_t KV_GROUP = 32;  // elements of an int4 head that share a scale

// int8: K i8 [width/2][32][2], V i8 [16][width][2], scales f32 K [32], V [32].
inline int32_t int8_width(int32_t head_dim) { return (head_dim + 7) / 8 * 8; }
inline int32_t int8_key_at(int32_t t, int32_t d) { return ((d >> 1) * KV_BLOCK + t) * 2 + (d & 1); }
inline int32_t int8_value_at(int32_t t, int32_t d, int32_t width) {
  return KV_BLOCK * width + ((t >> 1) * width + d) * 2 + (t & 1);
}

// int4: words u16 K [width/8][32][2], V [16][width/16][4][2], scales u16 K [groups][32], V [groups][32].
// A word holds four nibbles x + 8 of one token; in K elements 2 apart, in V elements 4 apart.
inline int32_t int4_width(int32_t head_dim) { return (head_dim + 15) / 16 * 16; }
inline int32_t int4_groups(int32_t head_dim) { return (head_dim + KV_GROUP - 1) / KV_GROUP; }
inline int32_t int4_key_word(int32_t t, int32_t d) { return ((d >> 3) * KV_BLOCK + t) * 2 + (d & 1); }
inline int32_t int4_key_shift(int32_t d) { return 4 * ((d >> 1) & 3); }
inline int32_t int4_value_word(int32_t t, int32_t d, int32_t width) {
  return KV_BLOCK * width / 4 + (((t >> 1) * (width / 16) + (d >> 4)) * 4 + (d & 3)) * 2 + (t & 1);
}
inline int32_t int4_value_shift(int32_t d) { return 4 * ((d >> 2) & 3); }
inline int32_t int4_scales_at(int32_t width) { return KV_BLOCK * width; }  // in bytes

inline float f32_from_upper(uint16_t half) { return f32_from_bits(static_cast<uint32_t>(half) << 16); }

// ---- Word rounding (backend.ts) ----

constexpr float WORD_MAX = 32767.0f;
// q of one head: sums over more than 512 elements would leave int32.
inline float query_max(int32_t head_dim) { return head_dim > 512 ? 16383.0f : WORD_MAX; }
constexpr float LEAST_QUERY = 1e-5f;
constexpr float LEAST_WEIGHT = 1e-30f;

// Its scale; NaN where the maximum is not finite, so that the words do not matter there.
inline float word_scale(float a, float largest) { return a / largest + (a - a); }
