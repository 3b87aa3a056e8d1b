"""How to train: two engines, checkpoints, and inference with trained networks."""
