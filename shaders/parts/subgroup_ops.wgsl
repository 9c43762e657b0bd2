// Sums and maxima over a subgroup, and which invocation speaks for it: all that shaders ask of subgroups, so that none
// knows how many invocations one has, nor which. `t` is the invocation's index. Call from uniform control flow.
fn lanes_sum(value: f32, t: u32) -> f32 { return subgroupAdd(value); }

fn lanes_sum4(value: vec4<i32>, t: u32) -> vec4<i32> { return subgroupAdd(value); }

fn lanes_max(value: u32, t: u32) -> u32 { return subgroupMax(value); }

fn lanes_first(t: u32) -> bool { return subgroupElect(); }
