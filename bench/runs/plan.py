"""The plan of a run: tasks, encoders and probes, all of it known before the first clip is read. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bench.runs.probe_choice import get_kind
from bench.types import EncoderSpec, Probe, Settings, Task, Trials
from bench.xares.protocol import list_protocols
from bench.xares.rules import get_rules

VERIFICATION = "verification"
BATCH_SIZES = (1, 8, 32)
DURATIONS_IN_S = (2.0, 10.0)


@dataclass(frozen=True, slots=True)
class Case:
    """One score to compute: a task, an encoder and a probe."""

    task: Task
    spec: EncoderSpec
    probe: Probe

    @property
    def id(self) -> str:
        label = get_rules(self.task.protocol).label
        protocol = f"@{label}" if label else ""
        return f"{self.task.name}{protocol}-{self.probe.name}-{self.spec.name}"

    @property
    def kind(self) -> str:
        """The probe's name without what follows a colon."""
        return get_kind(self.probe)

    @property
    def marks(self) -> tuple[str, ...]:
        """Words that ``-m`` and ``-k`` match, beside the id."""
        of_trials = isinstance(self.task.target, Trials)
        return (self.task.domain, self.kind, *([VERIFICATION] if of_trials else []))


@dataclass(frozen=True, slots=True)
class ThroughputCase:
    """One measurement of speed: batches of ``batch_size`` clips of ``seconds`` s."""

    spec: EncoderSpec
    batch_size: int
    seconds: float

    @property
    def id(self) -> str:
        return f"{self.spec.name}-{self.batch_size}x{self.seconds:g}s"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is known before the first clip is read."""

    settings: Settings
    tasks: tuple[Task, ...]  # each once in every protocol of the run
    specs: tuple[EncoderSpec, ...]
    suite: tuple[Task, ...]  # the tasks with the probes that the suite gives them, which summaries cover
    left_out: tuple[str, ...] = ()  # private tasks whose shards are not here
    not_here: tuple[str, ...] = ()  # tasks of corpora in their own layout that are not here

    @property
    def protocols(self) -> tuple[str, ...]:
        return list_protocols(self.settings.protocol)

    @property
    def cases(self) -> tuple[Case, ...]:
        return tuple(Case(task, spec, probe) for task in self.tasks for spec in self.specs for probe in task.probes)

    @property
    def throughput_cases(self) -> tuple[ThroughputCase, ...]:
        return tuple(
            ThroughputCase(spec, size, seconds)
            for spec in self.specs
            for seconds in DURATIONS_IN_S
            for size in BATCH_SIZES
        )
