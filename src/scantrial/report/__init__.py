"""The report: one document from findings, prose and figures, and its renderers.

Everything is rebuilt from the study folder alone, without the scans and without a network to train.
"""
