"""Benchmarks: each measures both sides in one run and ends with lines `figure <bench>.<name> <number>`."""
