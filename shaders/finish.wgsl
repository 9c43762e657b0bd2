// finish: the last dispatch of a step. Copies the number of the step from the block to where it is read
// back with the results: a step that was dropped leaves the number of the one before. Dispatch: 1.
//   block: the step's number   status u32 [4]: that number, 1 where a looked-at number is not finite
struct Params { at: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read_write> status: array<atomic<u32>>;

@compute @workgroup_size(1)
fn finish() {
  atomicStore(&status[0], block[p.at]);
}
