"""Accepts every message and sends none, for benchmarks."""
