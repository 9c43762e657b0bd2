// embed: rows of a table (parts/values_*.wgsl) times their scales. Dispatch: (ceil(n / 256), rows), in x
// and y; an invocation has 4 columns.
//   block: rows, then the ids, or with the top bit set ~r for the id that was drawn last for row r
//   w, scales (format/layout.ts); first_row: of this piece of the table
//   out f32 [rows][n]; rows whose id is not in this piece are left alone
struct Params {
  at: u32, n: u32, row: u32, first_row: u32, piece_rows: u32, scaled: u32, blocks: u32, shift: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> w: array<u32>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;
@group(0) @binding(4) var<storage, read> drawn: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn embed(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let r = group.y;
  let j = group.x * 64u + t;
  if (r >= block[p.at] || 4u * j >= p.n) { return; }
  var id = block[p.at + 1u + r];
  if (id > 0x7fffffffu) { id = drawn[~id]; }
  let n = id - p.first_row;
  if (n >= p.piece_rows) { return; } // an id below first_row wraps round to a large one
  var v = values4(n, j, p.row);
  if (p.scaled > 0u) { v *= scales[n * p.blocks + (j >> p.shift)]; }
  for (var i = 0u; i < 4u; i++) {
    if (4u * j + i < p.n) { out[r * p.n + 4u * j + i] = v[i]; }
  }
}
