//! Dot products at the width of the machine.
//!
//! The loops are plain Rust over eight accumulators; [`dispatch`] compiles them once per instruction
//! set (baseline, AVX2 + FMA, AVX-512) and chooses at run time, so one binary runs on any x86-64 and on
//! aarch64. Dispatch whole scans rather than single products: the choice costs a few nanoseconds.

/// Runs `work` compiled for the best instruction set of this machine. `work` must inline fully.
#[inline(always)]
pub fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// A divisor that stands for zero.
pub const SMALL: f32 = 1e-12;

/// Inner product; the shorter length counts. Deterministic on one machine.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let (mut a, mut b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in (&mut a).zip(&mut b) {
        for lane in 0..LANES {
            sums[lane] = a[lane].mul_add(b[lane], sums[lane]);
        }
    }
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    // Seen together with what follows, the loop above is compiled for the two lanes that are left in the end
    // (rustc 1.95, LLVM 22): half as fast.
    let mut sums = std::hint::black_box(sums);
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    sums[0] + rest
}
