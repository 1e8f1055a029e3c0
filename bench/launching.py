"""One launch from its first instant to its record: start, ready, first token, steady, load, stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from bench.clock import since_s, stamp, suspended_s
from bench.engines import get_engine
from bench.engines.base import LaunchSpec
from bench.errors import ArmError
from bench.events import Event, Progress
from bench.load.driver import drive
from bench.load.job import LoadJob, LoadResult
from bench.model import Arm, Plan, PlannedLaunch, Scenario
from bench.plan import launch_spec
from bench.probes.coldstart import FirstToken, Probe, log_marks, steady_ns
from bench.probes.documents import gather_documents
from bench.probes.hostfacts import arm_versions
from bench.probes.sampler import SamplerReport, SamplerSpec
from bench.probes.telemetry import Telemetry
from bench.record import Failure, Finding, Launch, Stamp
from bench.runtimes import start
from bench.runtimes.base import Running
from bench.runtimes.environments import env_python
from bench.runtimes.models import tokenizer_location
from bench.runtimes.ready import arm_error, wait_ready
from bench.store.writer import LaunchDir
from bench.vocabulary import FailureKind, LaunchStatus, Mark, RuntimeKind, Severity

Shield = Callable[[], AbstractContextManager[object]]  # holds an interrupt back until the block has ended
SUSPENDED_LEAST_S = 0.01  # the two clocks of a stamp are read one after the other
SECONDS_PER_FIRST_TOKEN = 120.0  # after ready; one engine took 42 s for its first answer


@dataclass
class Attempt:
    """The facts of a launch as they come in; `record` freezes them."""

    scenario: Scenario
    planned: PlannedLaunch
    plan: Plan
    launch_dir: LaunchDir
    progress: Progress
    began: Stamp = field(default_factory=stamp)
    marks: dict[Mark, float] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    effective_config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    load: LoadResult | None = None
    telemetry: pa.Table | None = None
    sampler: SamplerReport | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def arm(self) -> Arm:
        """The arm that is launched."""
        return next(arm for arm in self.scenario.arms if arm.name == self.planned.arm)

    @property
    def t0_ns(self) -> int:
        """From here all times of the launch count."""
        return self.began.monotonic_ns

    def run(self, shield: Shield) -> None:
        """Measure; whatever happens, nothing of the arm is left running. ArmError when it did not serve."""
        spec = launch_spec(self.scenario, self.planned.arm, self.plan, scratch=str(self.launch_dir.scratch))
        running = start(
            spec, self.arm, t0_ns=self.t0_ns, log_path=self.launch_dir.log_path, scratch=self.launch_dir.scratch
        )
        try:
            self.command = running.paste()
            self._start_up(spec, running)
            self._learn_config(spec, running)
            self._apply_load(spec, running, shield)
        finally:
            with shield():
                self._stage("stop", "stopping")
                running.stop()
                self._note_marks(running)

    def record(self, status: LaunchStatus, failure: Failure | None = None) -> Launch:
        """launch.json as it stands now."""
        ended = stamp()
        slept_s = suspended_s(self.began, ended)
        is_void = status is LaunchStatus.DONE and slept_s > SUSPENDED_LEAST_S
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
            void_reason=f"the host slept for {slept_s:.3f} s during this launch" if is_void else None,
            failure=failure,
            t0={"start": self.began, "end": ended},
            command=self.command,
            marks=self.marks,
            effective_config=self.effective_config,
            versions=self.versions,
            stages=self.load.stages if self.load else (),
            client=self._client_facts(),
            findings=tuple(self.findings),
        )

    def _start_up(self, spec: LaunchSpec, running: Running) -> None:
        self._stage("start", "starting")
        engine = get_engine(self.arm.engine)
        load = self.scenario.load
        extras = engine.request_extras(ignore_eos=load.ignore_eos)
        probe = Probe(url=running.url, model=self.scenario.model.id, load=load, extras=extras, seed=self.planned.seed)
        first_token = FirstToken(probe)
        try:
            self._mark_ns(wait_ready(running, spec, self.progress))
            first_token.hurry()
            first_ns = first_token.wait(SECONDS_PER_FIRST_TOKEN, lambda: running.exited() is None)
        finally:
            first_token.stop()
        if first_ns is None:
            raise self._no_first_token(spec, running, first_token.last_error())
        self._mark_ns({Mark.FIRST_TOKEN: first_ns})
        self._stage("steady", "first token; asking until the answers are steady")
        if (steady := steady_ns(probe)) is not None:
            self._mark_ns({Mark.STEADY: steady})

    def _no_first_token(self, spec: LaunchSpec, running: Running, last_error: str) -> ArmError:
        if running.exited() is not None:
            return arm_error(running, spec, last_error, since_s(self.t0_ns, stamp().monotonic_ns))
        return ArmError(
            FailureKind.TIMEOUT,
            f"arm {self.arm.name!r} says that it is ready, but gives no token: {last_error}",
            repair="Send the request by hand; see that model.id is the name under which the arm serves.",
            command="\n".join(running.paste()),
            log_tail=running.log_tail(),
        )

    def _learn_config(self, spec: LaunchSpec, running: Running) -> None:
        engine = get_engine(spec.engine)
        own_url = spec.metrics_url.removesuffix("/metrics") if spec.metrics_url else running.url  # past any sidecar
        documents = gather_documents(own_url, engine.documents, self.launch_dir.log_path)
        try:
            self.effective_config = dict(engine.effective_config(documents))
        except Exception as error:  # noqa: BLE001 - a server may say anything: not knowing it ends no run
            text = f"what {self.arm.name} says about its configuration cannot be read ({type(error).__name__}: {error})"
            self._find("config-unreadable", text)
        if self.arm.runtime is RuntimeKind.PROCESS:
            self.versions = dict(arm_versions(env_python(self.arm.packages), engine.modules))

    def _apply_load(self, spec: LaunchSpec, running: Running, shield: Shield) -> None:
        engine, scenario = get_engine(spec.engine), self.scenario
        tokenizer = tokenizer_location(scenario.model, scenario.folder)
        telemetry = Telemetry(
            SamplerSpec(
                t0_ns=self.t0_ns,
                interval_s=scenario.launches.telemetry_interval_s,
                server_pids=tuple(running.pids().values()),
                client_pid=os.getpid(),
                metrics_url=spec.metrics_url,
                metric_names=dict(engine.metric_names),
                out=str(self.launch_dir.scratch / "telemetry.arrows"),
            )
        )
        try:
            job = LoadJob(
                url=running.url,
                model=scenario.model.id,
                load=scenario.load,
                seed=self.planned.seed,
                t0_ns=self.t0_ns,
                tokenizer=str(tokenizer) if tokenizer else "server",
                extras=engine.request_extras(ignore_eos=scenario.load.ignore_eos),
                process_start_s=self._process_start_s(running),
            )
            self.load = drive(job, self._watching(spec, running))
        finally:
            with shield():
                self.telemetry, self.sampler = telemetry.stop()
                self._judge_sampler(self.sampler)
        if running.exited() is not None:
            raise self._died_under_load(spec, running)

    def _watching(self, spec: LaunchSpec, running: Running) -> Progress:
        """Passes events on, and ends the load when the arm is dead: to ask a corpse for an hour teaches nothing."""

        def watched(event: Event) -> None:
            self.progress(event)
            if running.exited() is not None:
                raise self._died_under_load(spec, running)

        return watched

    def _died_under_load(self, spec: LaunchSpec, running: Running) -> ArmError:
        error = arm_error(running, spec, "nothing", since_s(self.t0_ns, stamp().monotonic_ns))
        text = f"arm {self.arm.name!r} died under load: {error.text}"
        return ArmError(error.kind, text, repair=error.repair, command=error.command, log_tail=error.log_tail)

    def _judge_sampler(self, report: SamplerReport) -> None:
        if failed := sum(report.failed.values()):
            last = "; ".join(f"{source}: {text}" for source, text in report.last_error.items())
            text = f"{failed} telemetry samples failed, {sum(report.samples.values())} were taken ({last})"
            self._find("telemetry-samples-failed", text)
        if report.dropped_lines:
            text = f"{report.dropped_lines} lines of the engine's /metrics broke the format and were left out"
            self._find("metrics-lines-dropped", text)

    def _client_facts(self) -> dict[str, Any]:
        facts = dict(self.load.client) if self.load else {}
        return facts | ({"sampler": asdict(self.sampler)} if self.sampler else {})

    def _process_start_s(self, running: Running) -> float | None:
        started_ns = running.marks_ns().get(Mark.PROCESS_STARTED)
        return None if started_ns is None else since_s(self.t0_ns, started_ns)

    def _note_marks(self, running: Running) -> None:
        """The runtime's marks and the log's; what was seen from outside is never overwritten by a log line."""
        self._mark_ns(running.marks_ns())
        self.marks = log_marks(self.launch_dir.log_path, get_engine(self.arm.engine).log_patterns) | self.marks

    def _mark_ns(self, marks_ns: Mapping[Mark, int]) -> None:
        for mark, t_ns in marks_ns.items():
            self.marks[mark] = since_s(self.t0_ns, t_ns)
            if mark in (Mark.READY, Mark.FIRST_TOKEN, Mark.STEADY):
                self.progress(
                    Event("mark", f"{mark} at {self.marks[mark]:.3f} s", {"mark": mark, "t_s": self.marks[mark]})
                )

    def _stage(self, name: str, text: str) -> None:
        self.progress(Event("stage", text, {"stage": name, "arm": self.arm.name}))

    def _find(self, name: str, text: str) -> None:
        launch = self.planned.index
        self.findings.append(Finding(id=name, severity=Severity.WARN, text=text, arm=self.arm.name, launch=launch))
        self.progress(Event("warning", text, {"id": name}))
