"""What is wrong with the scans: leakage, duplicates, shift, shortcuts, labels, quality. See docs/audit.md."""
