"""What came out, to be read: figures, one self-contained page, one case under every arm.

Everything is rebuilt from the study folder alone, without the scans and without a network to train.
"""
