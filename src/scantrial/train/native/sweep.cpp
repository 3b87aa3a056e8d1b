// The plain C interface: choose a variant, share the blocks out among threads, add their sums in a fixed order.

#include "sweep.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace {

// Weights of units that died decay into subnormal numbers, which are handled many times slower. Set in each thread.
class FlushToZero {
   public:
#if defined(__x86_64__)
    FlushToZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }  // results and operands
    ~FlushToZero() { _mm_setcsr(before_); }

   private:
    unsigned before_;
#elif defined(__aarch64__)
    FlushToZero() {
        asm volatile("mrs %0, fpcr" : "=r"(before_));
        asm volatile("msr fpcr, %0" : : "r"(before_ | (1ull << 24)));
    }
    ~FlushToZero() { asm volatile("msr fpcr, %0" : : "r"(before_)); }

   private:
    uint64_t before_;
#endif
};

struct Variant {
    const char* name;
    SweepKernel run;
    int64_t lanes;
    bool (*is_there)();
};

const Variant kVariants[] = {
#if defined(SWEEP_X86)
    {"avx512", sweep_avx512, 16,
     [] {
         return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("fma");
     }},
    {"avx2", sweep_avx2, 8, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
#endif
    {"portable", sweep_portable, 4, [] { return true; }},
};
constexpr int kNumVariants = sizeof(kVariants) / sizeof(kVariants[0]);

// Grows, never shrinks; 64-byte aligned.
class Buffer {
   public:
    float* of(int64_t n_floats) {
        if (n_floats > size_) {
            const size_t bytes = (static_cast<size_t>(n_floats) * sizeof(float) + 63) / 64 * 64;
            void* fresh = std::aligned_alloc(64, bytes);
            if (!fresh) throw std::bad_alloc();
            data_.reset(static_cast<float*>(fresh));
            size_ = n_floats;
        }
        return data_.get();
    }

   private:
    struct Free {
        void operator()(float* data) const { std::free(data); }
    };
    std::unique_ptr<float, Free> data_;
    int64_t size_ = 0;
};

// Runs a task once for each thread number; the caller is thread 0.
class Threads {
   public:
    explicit Threads(int n) : n_(n) {
        for (int number = 1; number < n; number++) workers_.emplace_back([this, number] { serve(number); });
    }
    ~Threads() {
        {
            std::lock_guard<std::mutex> guard(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (auto& worker : workers_) worker.join();
    }
    int count() const { return n_; }
    void run(const std::function<void(int)>& task) {
        {
            std::lock_guard<std::mutex> guard(mutex_);
            task_ = &task;
            running_ = n_ - 1;
            round_++;
        }
        wake_.notify_all();
        task(0);
        std::unique_lock<std::mutex> lock(mutex_);
        done_.wait(lock, [this] { return running_ == 0; });
    }

   private:
    void serve(int number) {
        int64_t seen = 0;
        std::unique_lock<std::mutex> lock(mutex_);
        while (true) {
            wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
            if (stopping_) return;
            seen = round_;
            const auto* task = task_;
            lock.unlock();
            (*task)(number);
            lock.lock();
            if (--running_ == 0) done_.notify_one();
        }
    }
    const int n_;
    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    const std::function<void(int)>* task_ = nullptr;
    int running_ = 0;
    int64_t round_ = 0;
    bool stopping_ = false;
};

struct Scratch {
    Buffer inputs, gradient, block, sums;
    double squares = 0.0;
};

}  // namespace

struct SweepEngine {
    SweepEngine(int variant, int n_threads)
        : variant(kVariants[variant]), scratch(n_threads), threads(n_threads) {}
    const Variant& variant;
    Buffer delta;
    std::vector<Scratch> scratch;
    Threads threads;
};

namespace {

const float* padded_delta(SweepEngine& engine, const Sweep& s, int64_t padded) {
    if (padded == s.n_units) return s.delta;
    float* delta = engine.delta.of(s.n_cases * padded);
    std::fill(delta, delta + s.n_cases * padded, 0.0f);
    for (int64_t row = 0; row < s.n_cases; row++) {
        std::copy_n(s.delta + row * s.n_units, s.n_units, delta + row * padded);
    }
    return delta;
}

std::vector<SweepWork> share_out(SweepEngine& engine, const Sweep& s) {
    const int64_t padded = (s.n_units + engine.variant.lanes - 1) / engine.variant.lanes * engine.variant.lanes;
    const int64_t n_blocks = s.n_planes * ((s.n_pixels + kBlock - 1) / kBlock);
    const int64_t n_threads = engine.threads.count();
    const float* delta = padded_delta(engine, s, padded);
    std::vector<SweepWork> work(n_threads);
    for (int64_t number = 0; number < n_threads; number++) {
        Scratch& scratch = engine.scratch[number];
        float* sums = scratch.sums.of(s.n_next * padded);
        work[number] = {number * n_blocks / n_threads,
                        (number + 1) * n_blocks / n_threads,
                        padded,
                        delta,
                        scratch.inputs.of(std::max(s.n_cases, s.n_next) * kBlock),
                        scratch.gradient.of(kTileRows * padded),
                        scratch.block.of(kBlock * padded),
                        sums,
                        s.squares ? &scratch.squares : nullptr};
        scratch.squares = 0.0;
    }
    return work;
}

void add_sums(const Sweep& s, const std::vector<SweepWork>& work) {
    for (int64_t row = 0; row < s.n_next; row++) {
        for (int64_t unit = 0; unit < s.n_units; unit++) {
            float sum = 0.0f;
            for (const SweepWork& one : work) sum += one.sums[row * one.padded + unit];
            s.next[row * s.n_units + unit] = sum;
        }
    }
    if (s.squares) {
        *s.squares = 0.0;
        for (const SweepWork& one : work) *s.squares += *one.squares;
    }
}

}  // namespace

#define SWEEP_API extern "C" __attribute__((visibility("default")))

// Hash of the sources that this was built from: a library that is older than its sources is not used.
SWEEP_API const char* sweep_sources() { return SWEEP_SOURCES; }

SWEEP_API int sweep_n_variants() { return kNumVariants; }

SWEEP_API const char* sweep_variant_name(int variant) { return kVariants[variant].name; }

SWEEP_API int sweep_variant_is_there(int variant) { return kVariants[variant].is_there(); }

// Null where threads or memory could not be had.
SWEEP_API SweepEngine* sweep_open(int variant, int n_threads) {
    try {
        return new SweepEngine(variant, n_threads);
    } catch (...) {
        return nullptr;
    }
}

SWEEP_API void sweep_close(SweepEngine* engine) { delete engine; }

// 0, or 1 where memory could not be had; nothing has moved then.
SWEEP_API int sweep_step(SweepEngine* engine, const Sweep* sweep) {
    try {
        const FlushToZero flush;
        const std::vector<SweepWork> work = share_out(*engine, *sweep);
        engine->threads.run([&](int number) {
            const FlushToZero flush_here;
            const SweepWork& own = work[number];
            std::fill(own.sums, own.sums + sweep->n_next * own.padded, 0.0f);
            engine->variant.run(*sweep, own);
        });
        add_sums(*sweep, work);
        return 0;
    } catch (...) {
        return 1;
    }
}
