"""An attempt at a launch: its facts as they come in, frozen into a record at the end, whatever the end is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from bench.clock import now_ns, since_s, stamp, suspended_s
from bench.container import ImageRecord, Prepared
from bench.engines import get_engine
from bench.engines.base import Engine, LaunchSpec
from bench.errors import ArmError
from bench.events import Event, Progress
from bench.launching.config import learn_config
from bench.launching.containers import ContainerFacts, container_facts, named
from bench.launching.images import pull
from bench.launching.sampling import Sampling
from bench.launching.startup import steady_mark, wait_serving
from bench.launching.traffic import apply_load
from bench.load.job import LoadResult
from bench.model import Arm, Plan, PlannedLaunch, Scenario
from bench.plan import launch_spec
from bench.probes.coldstart import Probe, log_marks
from bench.record import Failure, Finding, IdleWindow, Launch, Stamp
from bench.runtimes import start
from bench.runtimes.base import Running
from bench.runtimes.ready import arm_error
from bench.store.writer import LaunchDir
from bench.vocabulary import LaunchStatus, Mark, Severity
from bench.voids import lost_gpus, void_reasons

Shield = Callable[[], AbstractContextManager[object]]  # holds an interrupt back until the block has ended
SUSPENDED_LEAST_S = 0.01  # the clocks of a stamp are read one after the other
_TOLD_MARKS = (Mark.READY, Mark.FIRST_TOKEN, Mark.STEADY)


@dataclass
class Attempt:
    """`run` measures; `record` freezes what is known."""

    scenario: Scenario
    planned: PlannedLaunch
    plan: Plan
    launch_dir: LaunchDir
    progress: Progress
    shield: Shield
    prepared: Prepared = field(default_factory=Prepared)
    image: ImageRecord | None = None  # in a registry and not on this host: the launch begins with its pull
    began: Stamp = field(default_factory=stamp)
    marks: dict[Mark, float] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    effective_config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    load: LoadResult | None = None
    telemetry: pa.Table | None = None
    client: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    container: ContainerFacts = field(default_factory=ContainerFacts)
    void_reason: str | None = None
    idle: list[IdleWindow] = field(default_factory=list)

    @property
    def arm(self) -> Arm:
        """The arm that is launched."""
        return next(arm for arm in self.scenario.arms if arm.name == self.planned.arm)

    @property
    def engine(self) -> Engine:
        """Its engine."""
        return get_engine(self.arm.engine)

    @property
    def t0_ns(self) -> int:
        """From here all times of the launch count."""
        return self.began.monotonic_ns

    @property
    def extras(self) -> Mapping[str, Any]:
        """Keys that the engine wants in every request."""
        return self.engine.request_extras(ignore_eos=self.scenario.load.ignore_eos)

    def run(self) -> None:
        """Measure; whatever happens, nothing of the arm is left running. ArmError when it did not serve."""
        sampling = Sampling(self)
        try:
            sampling.watch_idle()
            self._run(sampling)
        finally:
            with self.shield():
                sampling.stop()

    def _run(self, sampling: Sampling) -> None:
        log_path, scratch = self.launch_dir.log_path, self.launch_dir.scratch
        if self.image is not None:
            pull(self, self.image)
        spec = launch_spec(self.scenario, self.planned.arm, self.plan, scratch=str(scratch), prepared=self.prepared)
        spec = named(spec, self.planned, self.launch_dir.name.attempt, self.prepared)
        self.say("start", "starting")
        running = start(spec, self.arm, t0_ns=self.t0_ns, log_path=log_path, scratch=scratch)
        try:
            self.command = running.paste()
            self._start_up(spec, running)
            learn_config(self, spec, running)
            sampling.begin_arm(spec, running)
            sampling.watch_idle(spec, running)
            apply_load(self, spec, running)
        finally:
            with self.shield():
                try:
                    sampling.stop()  # first: an engine that is gone answers no /metrics
                finally:
                    running.stop()
                self.container = container_facts(running, self.prepared.images.get(self.arm.name))
                self._note_marks(running)

    def record(self, status: LaunchStatus, failure: Failure | None = None) -> Launch:
        """launch.json as it stands now."""
        ended = stamp()
        slept_s = suspended_s(self.began, ended)
        if status is LaunchStatus.DONE and slept_s > SUSPENDED_LEAST_S:
            self.void_reason = f"the host slept for {slept_s:.3f} s during this launch"
        is_void = status is LaunchStatus.DONE and self.void_reason is not None
        planned = self.planned
        return Launch(
            index=planned.index,
            arm=planned.arm,
            block=planned.block,
            order_in_block=planned.order_in_block,
            attempt=self.launch_dir.name.attempt,
            burn_in=planned.burn_in,
            purpose=planned.purpose,
            status=LaunchStatus.VOID if is_void else status,
            void_reason=self.void_reason if is_void else None,
            failure=failure,
            t0={"start": self.began, "end": ended},
            command=self.command,
            digests=self.container.digests,
            devices=self.container.devices or (() if self.arm.url else self.prepared.placement.gpus),
            container_id=self.container.id,
            image=self.image,
            container_layer_bytes=self.container.layer_bytes,
            marks=self.marks,
            effective_config=self.effective_config,
            versions=self.versions,
            stages=self.load.stages if self.load else (),
            idle=tuple(self.idle),
            client=self.client,
            findings=tuple(self.findings),
        )

    def spoilt(self) -> tuple[str, str] | None:
        """Stage and cause of a pass that the GPU's state takes away; None where every pass counts, as behind a url."""
        if self.load is None or self.telemetry is None or self.arm.url:
            return None
        stages = self.load.stages
        reasons = void_reasons(self.telemetry.to_pandas(), stages, lost_gpus(self.client))
        found = zip(stages, reasons, strict=True)
        return next(((window.stage, reason) for window, reason in found if reason), None)

    def died(self, spec: LaunchSpec, running: Running, when: str) -> ArmError:
        """The arm's end in words, with its last ones."""
        error = arm_error(running, spec, "nothing", since_s(self.t0_ns, now_ns()))
        return self.named(error, f" died {when}")

    def named(self, error: ArmError, when: str = "") -> ArmError:
        """The error with the arm that it is about."""
        text = f"arm {self.arm.name!r}{when}: {error.text}"
        return ArmError(error.kind, text, repair=error.repair, command=error.command, log_tail=error.log_tail)

    def say(self, stage: str, text: str) -> None:
        """Tell whoever watches what is being done."""
        self.progress(Event("stage", text, {"stage": stage, "arm": self.arm.name}))

    def find(self, name: str, text: str, *, severity: Severity = Severity.WARN, step: str | None = None) -> None:
        """A finding on this launch."""
        arm, launch = self.arm.name, self.planned.index
        self.findings.append(Finding(id=name, severity=severity, text=text, next=step, arm=arm, launch=launch))
        self.progress(Event("warning", text, {"id": name}))

    def mark_ns(self, marks_ns: Mapping[Mark, int]) -> None:
        """Instants of CLOCK_MONOTONIC as marks of this launch."""
        for mark, t_ns in marks_ns.items():
            self.marks[mark] = t_s = since_s(self.t0_ns, t_ns)
            if mark in _TOLD_MARKS:
                self.progress(Event("mark", f"{mark} at {t_s:.3f} s", {"mark": mark, "t_s": t_s}))

    def _start_up(self, spec: LaunchSpec, running: Running) -> None:
        load, seed = self.scenario.load, self.planned.seed
        probe = Probe(url=running.url, model=self.scenario.model.id, load=load, extras=self.extras, seed=seed)
        self.mark_ns(wait_serving(self, spec, running, probe))
        self.say("steady", "asking until the answers are steady")
        self.mark_ns(steady_mark(probe))

    def _note_marks(self, running: Running) -> None:
        """The runtime's marks and the log's; what was seen from outside is never overwritten by a log line."""
        self.mark_ns(running.marks_ns())
        self.marks = log_marks(self.launch_dir.log_path, self.engine.log_patterns) | self.marks
