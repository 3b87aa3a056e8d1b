"""How to train: the reference engine in plain PyTorch, its checkpoints, and inference with what it made."""
