"""The pytest plugin: options, the plan of a run, fixtures, scheduling over workers, progress and reporting."""

pytest_plugins = [
    "bench.plugin.options",
    "bench.plugin.scheduling",
    "bench.plugin.collection",
]
