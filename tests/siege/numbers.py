"""How often each part of the siege tries something: in `make siege`, and with every commit."""

from __future__ import annotations

N_KILLS = {"training": 40, "cache": 15, "reuse": 15, "report": 20, "verify": 10}
N_INPUTS, N_BITS, N_FOLDERS, N_FULL_DISKS, N_READERS, N_HALF_OPEN = 10_000, 1_500, 800, 20, 200, 400

IN_COMMIT = {"kills": 1, "inputs": 84, "bits": 300, "folders": 160, "disks": 2, "readers": 40}
"""What `make test` tries of each part; of inputs and bits, so many of each kind."""
