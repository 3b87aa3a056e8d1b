"""The sweep's kernel in C++, and what compiles it."""
