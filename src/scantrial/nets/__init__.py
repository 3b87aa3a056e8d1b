"""Networks, and heads: what a network's outputs mean (loss, target, probability, decision)."""
