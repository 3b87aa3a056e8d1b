"""The commands in a terminal: results on standard output, progress on standard error."""
