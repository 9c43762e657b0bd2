// What the lanes of int8 and int4 matrices hold: sums that are i32, kept as bits. For linear_flat and routed_flat.
const BLOCKED = false;

/** Sums b added to sums a. */
fn joined(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return a + b; }
