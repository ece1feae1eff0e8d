"""How fast the benchmark itself is: ``python -m benchmarks extraction``; see docs/performance.md."""
