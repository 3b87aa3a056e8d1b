"""How often each part of the siege tries something: in `make siege`, and a fifth of it with every commit."""

from __future__ import annotations

N_KILLS = {"training": 40, "cache": 15, "reuse": 15, "report": 20, "verify": 10}
N_INPUTS, N_BITS, N_FOLDERS, N_FULL_DISKS, N_READERS, N_HALF_OPEN = 10_000, 1_500, 800, 20, 200, 400

KILLS_IN_COMMIT = {name: n // 5 for name, n in N_KILLS.items()}
FULL_DISKS_IN_COMMIT = N_FULL_DISKS // 5

IN_COMMIT = {
    "kills": sum(KILLS_IN_COMMIT.values()),
    "inputs": 84,
    "bits": N_BITS // 5,
    "folders": N_FOLDERS // 5,
    "disks": FULL_DISKS_IN_COMMIT + 2,
    "readers": N_READERS // 5,
}
"""What `make test` tries of each part; of inputs and bits, so many of each kind."""
