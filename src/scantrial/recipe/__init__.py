"""What to train: one typed recipe, without PyTorch."""
