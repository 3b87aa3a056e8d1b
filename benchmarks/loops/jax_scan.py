"""The same in JAX, as fast as JAX makes it: the whole epoch is one compiled scan over its batches.

PyTorch's initial distributions, optax's Adam. Pixels stay uint8 and become floats batch by batch.
"""

from __future__ import annotations

import os
from functools import partial

from common import BATCH, LR, Clock, arguments, load_scans

OPTIONS = arguments()
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads={OPTIONS.threads}"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402

EPS, MOMENTUM = 1e-5, 0.1


def linear(key, n_in, n_out):
    """Return weights and bias, uniform within 1 / sqrt(n_in) as PyTorch draws them."""
    bound = n_in**-0.5
    keys = jax.random.split(key)
    return {
        "w": jax.random.uniform(keys[0], (n_in, n_out), minval=-bound, maxval=bound),
        "b": jax.random.uniform(keys[1], (n_out,), minval=-bound, maxval=bound),
    }


def convolution(key, n_in, n_out):
    found = linear(key, n_in * 9, n_out)
    return {"w": found["w"].reshape(3, 3, n_in, n_out), "b": found["b"]}


def make_parameters(name, side, key):
    """Return (parameters, running statistics of batch normalisation)."""
    keys = jax.random.split(key, 5)
    if name == "M1":
        return [linear(keys[0], side * side, 256), linear(keys[1], 256, 1)], ()
    if name == "M2":
        sizes = [side * side, 64, 64, 64]
        hidden = [
            {**linear(k, n_in, n_out), "scale": jnp.ones(n_out), "shift": jnp.zeros(n_out)}
            for k, n_in, n_out in zip(keys, sizes, sizes[1:], strict=False)
        ]
        return [*hidden, linear(keys[3], 64, 2)], tuple((jnp.zeros(64), jnp.ones(64)) for _ in range(3))
    blocks = [convolution(k, n_in, 32) for k, n_in in zip(keys, (1, 32, 32), strict=False)]
    return [*blocks, linear(keys[3], 32 * (side // 8) ** 2, 32), linear(keys[4], 32, 2)], ()


def forward(name, parameters, running, images, key, *, train):
    """Return (logits, running statistics)."""
    x = images.astype(jnp.float32) / 255
    if name == "cnn":
        x = x[..., None]
        for p in parameters[:3]:
            x = jax.lax.conv_general_dilated(x, p["w"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x + p["b"])
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        parameters = parameters[3:]
    x = x.reshape(len(x), -1)
    found = []
    for i, p in enumerate(parameters[:-1]):
        x = x @ p["w"] + p["b"]
        if name == "M2":
            mean, var = (x.mean(0), x.var(0)) if train else running[i]
            if train:
                n = len(x)
                found.append(
                    (
                        (1 - MOMENTUM) * running[i][0] + MOMENTUM * mean,
                        (1 - MOMENTUM) * running[i][1] + MOMENTUM * var * n / (n - 1),
                    )
                )
            x = (x - mean) * jax.lax.rsqrt(var + EPS) * p["scale"] + p["shift"]
        x = jax.nn.relu(x)
        if name == "M2" and train:
            key, drawn = jax.random.split(key)
            x = jnp.where(jax.random.bernoulli(drawn, 0.5, x.shape), 2 * x, 0.0)
    return x @ parameters[-1]["w"] + parameters[-1]["b"], tuple(found) if train else running


def loss_of(name, logits, target):
    if name == "M1":
        return optax.sigmoid_binary_cross_entropy(logits[:, 0], target).mean()
    return optax.softmax_cross_entropy_with_integer_labels(logits, target).mean()


def main():
    clock = Clock()
    images, labels, n_train = load_scans(OPTIONS.data)
    name, side = OPTIONS.network, images.shape[1]
    x, y = jnp.asarray(images[:]), jnp.asarray(labels)
    key = jax.random.key(0)
    parameters, running = make_parameters(name, side, key)
    adam = optax.adam(LR)
    state = adam.init(parameters)

    def step(carry, given):
        parameters, running, state = carry
        rows, key = given

        def objective(parameters):
            logits, found = forward(name, parameters, running, x[rows], key, train=True)
            return loss_of(name, logits, y[rows]), found

        (value, running), gradient = jax.value_and_grad(objective, has_aux=True)(parameters)
        moves, state = adam.update(gradient, state)
        return (optax.apply_updates(parameters, moves), running, state), value

    @partial(jax.jit, donate_argnums=(0,))
    def epoch(carry, key):
        order_key, drop_key = jax.random.split(key)
        rows = jax.random.permutation(order_key, n_train).reshape(-1, BATCH)
        return jax.lax.scan(step, carry, (rows, jax.random.split(drop_key, len(rows))))

    @jax.jit
    def validate(parameters, running):
        logits, _ = forward(name, parameters, running, x[n_train:], key, train=False)
        decided = logits[:, 0] > 0 if name == "M1" else logits.argmax(1)
        return loss_of(name, logits, y[n_train:]), (decided == y[n_train:]).mean()

    carry = (parameters, running, state)
    for number in range(OPTIONS.epochs):
        carry, losses = epoch(carry, jax.random.fold_in(key, number))
        _, accuracy = validate(*carry[:2])
        losses.block_until_ready()
        clock.epoch(float(accuracy))
    clock.tell()


if __name__ == "__main__":
    main()
