"""How fast the benchmark itself is: ``python -m perf extraction``; see docs/performance.md."""
