// One sweep over the first layer: what Python hands over, and what each variant of the kernel works with.
//
// The weights, and the optimiser's memory of them, are held as [n_inputs, n_units], n_inputs = n_planes * n_pixels.
// Nothing here may include a C++ header: a function inlined with AVX-512 must not be linked in place of a plain one.

#pragma once

#include <stdint.h>

extern "C" {

enum SweepOptimizer { SWEEP_ADAM = 0, SWEEP_SGD = 1 };

// Its mirror is `SweepArguments` in scantrial/train/kernel.py. All counts are 64-bit, all numbers float.
struct Sweep {
    float* weight;   // [n_inputs, n_units]
    float* average;  // the same shape: Adam's first moment or the momentum buffer; null for plain descent
    float* square;   // the same shape: Adam's second moment; else null

    const void* pixels;   // [n_images, n_pixels, n_planes], uint8 or uint16
    int64_t pixel_bytes;  // 1 or 2
    int64_t n_planes;
    int64_t n_pixels;  // of one plane
    int64_t n_units;
    const float* centre;  // [n_tables, n_planes]; an input is (pixel - centre) / width
    const float* width;
    int64_t n_tables;  // 1, or n_images: each image its own

    const int64_t* rows;  // [n_cases] images of this step's batch
    const float* delta;   // [n_cases, n_units] gradient at their pre-activations
    int64_t n_cases;      // 0: the weights stay

    const int64_t* next_rows;  // [n_next] images of the next batch
    float* next;               // [n_next, n_units] receives their pre-activations, without bias
    int64_t n_next;            // 0: none is wanted

    double* squares;  // receives the sum of the squares of this step's gradient, without decay; null: not wanted

    int64_t optimizer;
    float shrink;        // AdamW: the weight is first multiplied by this, 1 - lr * decay; else 1
    float decay;         // times the weight, added to the gradient (L2 penalty)
    float momentum;      // of plain descent
    int64_t nesterov;    // 0 or 1
    float average_gain;  // Adam: 1 - beta1
    float square_keep;   // Adam: beta2
    float square_gain;   // Adam: 1 - beta2
    float root_scale;    // Adam: 1 / sqrt(1 - beta2^t)
    float eps;           // Adam
    float rate;          // Adam: lr / (1 - beta1^t); descent: lr
};
}

constexpr int64_t kBlock = 64;    // inputs in one block: a cache line of 8-bit pixels
constexpr int64_t kTileRows = 4;  // rows of a register tile

// What one thread works with; every buffer is aligned to 64 bytes, `padded` is n_units rounded up to whole vectors.
struct SweepWork {
    int64_t first_block, end_block;  // blocks run plane by plane, ceil(n_pixels / kBlock) in each
    int64_t padded;
    const float* delta;  // [n_cases, padded], zeros at the end of each row; shared by all threads
    float* inputs;       // [max(n_cases, n_next), kBlock]
    float* gradient;     // [kTileRows, padded]
    float* block;        // [kBlock, padded]
    float* sums;         // [n_next, padded], zero when it starts
    double* squares;     // this thread's part of the gradient's sum of squares, 0 when it starts; or null
};

using SweepKernel = void (*)(const Sweep&, const SweepWork&);

void sweep_portable(const Sweep& sweep, const SweepWork& work);
void sweep_avx2(const Sweep& sweep, const SweepWork& work);
void sweep_avx512(const Sweep& sweep, const SweepWork& work);
