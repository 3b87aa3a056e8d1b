// The sweep of one thread over its blocks of inputs. Compiled once for each instruction set, with
// SWEEP_NAME (the function), SWEEP_LANES (floats in a vector) and SWEEP_VECTORS (vectors in a register tile).
//
// Block by block: gradient = inputs^T delta, the optimiser's step at once, then the next batch's inputs times the
// new weights. So weights and moments cross the memory once, and the gradient never exists as a whole. Prefetching by
// hand was tried and took a third longer than what the processor does by itself.

#include "sweep.h"

namespace {

constexpr int64_t kLanes = SWEEP_LANES;
constexpr int64_t kCasesAtOnce = 128;  // partial sums over cases, so that rounding does not grow with the batch

typedef float Vector __attribute__((vector_size(SWEEP_LANES * 4), aligned(4), may_alias));

// out[r][c] += sum over k of left[r * row_step + k * sum_step] * right[k * right_step + c], for a tile of rows x vectors
template <int kRows, int kVectors>
inline void multiply_tile(const float* left, int64_t row_step, int64_t sum_step, int64_t n_sum, const float* right,
                          int64_t right_step, float* out, int64_t out_step) {
    Vector sum[kRows][kVectors] = {};
    for (int64_t k = 0; k < n_sum; k++) {
        Vector column[kVectors];
        for (int v = 0; v < kVectors; v++) {
            column[v] = *reinterpret_cast<const Vector*>(right + k * right_step + v * kLanes);
        }
        for (int r = 0; r < kRows; r++) {
            const float factor = left[r * row_step + k * sum_step];
            for (int v = 0; v < kVectors; v++) sum[r][v] += factor * column[v];
        }
    }
    for (int r = 0; r < kRows; r++) {
        for (int v = 0; v < kVectors; v++) *reinterpret_cast<Vector*>(out + r * out_step + v * kLanes) += sum[r][v];
    }
}

template <int kVectors>
inline void multiply_rows(int64_t n_rows, const float* left, int64_t row_step, int64_t sum_step, int64_t n_sum,
                          const float* right, int64_t right_step, float* out, int64_t out_step) {
    int64_t r = 0;
    for (; r + kTileRows <= n_rows; r += kTileRows) {
        multiply_tile<kTileRows, kVectors>(left + r * row_step, row_step, sum_step, n_sum, right, right_step,
                                           out + r * out_step, out_step);
    }
    for (; r < n_rows; r++) {
        multiply_tile<1, kVectors>(left + r * row_step, row_step, sum_step, n_sum, right, right_step,
                                   out + r * out_step, out_step);
    }
}

// The same for n_columns (a multiple of kLanes), tile after tile, so that one tile of `right` stays in the first cache.
void multiply(int64_t n_rows, int64_t n_columns, const float* left, int64_t row_step, int64_t sum_step, int64_t n_sum,
              const float* right, int64_t right_step, float* out, int64_t out_step) {
    int64_t c = 0;
    for (; c + SWEEP_VECTORS * kLanes <= n_columns; c += SWEEP_VECTORS * kLanes) {
        multiply_rows<SWEEP_VECTORS>(n_rows, left, row_step, sum_step, n_sum, right + c, right_step, out + c, out_step);
    }
    for (; c + 2 * kLanes <= n_columns; c += 2 * kLanes) {
        multiply_rows<2>(n_rows, left, row_step, sum_step, n_sum, right + c, right_step, out + c, out_step);
    }
    for (; c < n_columns; c += kLanes) {
        multiply_rows<1>(n_rows, left, row_step, sum_step, n_sum, right + c, right_step, out + c, out_step);
    }
}

struct Block {
    int64_t plane, first_pixel, n_pixels;
    int64_t first_row;  // of the weights
};

Block block_at(const Sweep& s, int64_t number) {
    const int64_t n_per_plane = (s.n_pixels + kBlock - 1) / kBlock;
    const int64_t plane = number / n_per_plane;
    const int64_t first = number % n_per_plane * kBlock;
    const int64_t left = s.n_pixels - first;
    return {plane, first, left < kBlock ? left : kBlock, plane * s.n_pixels + first};
}

template <class Pixel>
void convert(const Sweep& s, const Block& block, const int64_t* rows, int64_t n_rows, float* __restrict inputs) {
    for (int64_t row = 0; row < n_rows; row++) {
        const Pixel* __restrict pixels =
            static_cast<const Pixel*>(s.pixels) + (rows[row] * s.n_pixels + block.first_pixel) * s.n_planes + block.plane;
        const int64_t table = (s.n_tables == 1 ? 0 : rows[row] * s.n_planes) + block.plane;
        const float centre = s.centre[table], width = s.width[table];
        float* __restrict values = inputs + row * kBlock;
        if (s.n_planes == 1) {
            for (int64_t i = 0; i < block.n_pixels; i++) values[i] = (static_cast<float>(pixels[i]) - centre) / width;
        } else {
            for (int64_t i = 0; i < block.n_pixels; i++) {
                values[i] = (static_cast<float>(pixels[i * s.n_planes]) - centre) / width;
            }
        }
    }
}

void read_inputs(const Sweep& s, const Block& block, const int64_t* rows, int64_t n_rows, float* inputs) {
    if (s.pixel_bytes == 1) {
        convert<uint8_t>(s, block, rows, n_rows, inputs);
    } else {
        convert<uint16_t>(s, block, rows, n_rows, inputs);
    }
}

void adam(const Sweep& s, int64_t n, const float* __restrict gradient, float* __restrict weight,
          float* __restrict average, float* __restrict square) {
    for (int64_t i = 0; i < n; i++) {
        const float slope = gradient[i] + s.decay * weight[i];
        const float mean = average[i] + s.average_gain * (slope - average[i]);
        const float power = s.square_keep * square[i] + s.square_gain * (slope * slope);
        average[i] = mean;
        square[i] = power;
        weight[i] = s.shrink * weight[i] - s.rate * mean / (__builtin_sqrtf(power) * s.root_scale + s.eps);
    }
}

void momentum(const Sweep& s, int64_t n, const float* __restrict gradient, float* __restrict weight,
              float* __restrict average) {
    for (int64_t i = 0; i < n; i++) {
        const float slope = gradient[i] + s.decay * weight[i];
        const float velocity = s.momentum * average[i] + slope;
        average[i] = velocity;
        weight[i] -= s.rate * (s.nesterov ? slope + s.momentum * velocity : velocity);
    }
}

void descent(const Sweep& s, int64_t n, const float* __restrict gradient, float* __restrict weight) {
    for (int64_t i = 0; i < n; i++) weight[i] -= s.rate * (gradient[i] + s.decay * weight[i]);
}

void update(const Sweep& s, int64_t first, int64_t n, const float* gradient) {
    if (s.optimizer == SWEEP_ADAM) {
        adam(s, n, gradient, s.weight + first, s.average + first, s.square + first);
    } else if (s.average) {
        momentum(s, n, gradient, s.weight + first, s.average + first);
    } else {
        descent(s, n, gradient, s.weight + first);
    }
}

// In single precision within a row and lane, in double precision between rows. Past the units there are zeros.
double sum_of_squares(const float* gradient, int64_t n_rows, int64_t padded) {
    double total = 0.0;
    for (int64_t r = 0; r < n_rows; r++) {
        Vector sum = {};
        for (int64_t c = 0; c < padded; c += kLanes) {
            const Vector values = *reinterpret_cast<const Vector*>(gradient + r * padded + c);
            sum += values * values;
        }
        for (int64_t lane = 0; lane < kLanes; lane++) total += sum[lane];
    }
    return total;
}

void move_weights(const Sweep& s, const SweepWork& work, const Block& block) {
    for (int64_t r = 0; r < block.n_pixels; r += kTileRows) {
        const int64_t n_rows = block.n_pixels - r < kTileRows ? block.n_pixels - r : kTileRows;
        const int64_t row = block.first_row + r;
        for (int64_t i = 0; i < n_rows * work.padded; i++) work.gradient[i] = 0.0f;
        for (int64_t c = 0; c < s.n_cases; c += kCasesAtOnce) {
            const int64_t n_cases = s.n_cases - c < kCasesAtOnce ? s.n_cases - c : kCasesAtOnce;
            multiply(n_rows, work.padded, work.inputs + c * kBlock + r, 1, kBlock, n_cases,
                     work.delta + c * work.padded, work.padded, work.gradient, work.padded);
        }
        if (work.squares) *work.squares += sum_of_squares(work.gradient, n_rows, work.padded);
        for (int64_t i = 0; i < n_rows; i++) {
            update(s, (row + i) * s.n_units, s.n_units, work.gradient + i * work.padded);
        }
    }
}

// The block's weights with rows of whole vectors: where they lie, or a copy with zeros at the end of each row.
const float* padded_weights(const Sweep& s, const SweepWork& work, const Block& block) {
    const float* weights = s.weight + block.first_row * s.n_units;
    if (work.padded == s.n_units) return weights;
    for (int64_t r = 0; r < block.n_pixels; r++) {
        for (int64_t i = 0; i < work.padded; i++) {
            work.block[r * work.padded + i] = i < s.n_units ? weights[r * s.n_units + i] : 0.0f;
        }
    }
    return work.block;
}

}  // namespace

void SWEEP_NAME(const Sweep& s, const SweepWork& work) {
    for (int64_t number = work.first_block; number < work.end_block; number++) {
        const Block block = block_at(s, number);
        if (s.n_cases) {
            read_inputs(s, block, s.rows, s.n_cases, work.inputs);
            move_weights(s, work, block);
        }
        if (s.n_next) {
            read_inputs(s, block, s.next_rows, s.n_next, work.inputs);
            multiply(s.n_next, work.padded, work.inputs, kBlock, 1, block.n_pixels, padded_weights(s, work, block),
                     work.padded, work.sums, work.padded);
        }
    }
}
