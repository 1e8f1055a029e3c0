"""The nouns of what is asked: frozen, passed from stage to stage, and free of behaviour.

Units end every name (`_s` seconds, `_bytes`, `_tokens`, `_per_s`, `_ratio`); None means not known, never 0.
What happened is in `record.py`, what was concluded in `conclusion.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.container import Build, Coldstart, Container, Gpu, HostNeeds, Mount, Secrets, Weights
from bench.vocabulary import Api, Purpose, Question, RuntimeKind, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One load point. Closed loop: `concurrency`; open loop: `rate_per_s`. Bounded by `duration_s` or by `requests`."""

    id: str
    concurrency: int | None = None
    rate_per_s: float | None = None
    duration_s: float | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The traffic, the same for every arm of a block."""

    stages: tuple[Stage, ...]
    input_tokens: int
    output_tokens: int
    api: Api = Api.COMPLETIONS
    temperature: float = 0.0
    ignore_eos: bool = True
    rounds: int = 1  # passes over the stages within one launch
    warmup_s: float = 2.0  # least warm-up before each window, at the stage's own concurrency
    warmup_requests: int = 2  # least finished requests per stream before each window
    ramp_s: float = 0.0  # starts of the first requests are spread over this, so that streams do not march in step
    timeout_s: float = 120.0  # one request, from send to last token
    workers: int = 1  # load processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model that every arm serves."""

    id: str  # the name in requests
    precision: str | None = None
    max_model_len: int | None = None
    made: str | None = None  # a model made locally by scenarios/_models: its name
    path: str | None = None  # a file or folder that already exists
    weights: Weights | None = None  # where container arms read them
    tokenizer: str = "server"  # `server` = ask the arm's own /tokenize; else a path to tokenizer.json


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """One more command of an arm, such as nginx in front of the engine. `${...}` is filled in from the plan."""

    name: str
    command: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)  # file in the launch's scratch folder -> its template's text


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One of the things compared."""

    name: str
    engine: str  # a module of bench/engines
    side: Side
    runtime: RuntimeKind
    notice: str | None = None  # shown wherever the arm is named, e.g. "stand-in, not NVIDIA NIM"
    url: str | None = None
    image: str | None = None
    build: Build | None = None
    container: Container | None = None  # None = the scenario's
    mounts: tuple[Mount, ...] = ()
    profile: str | None = None  # of a NIM, by name
    profile_id: str | None = None  # of a NIM, 64 hex digits
    prepare: tuple[str, ...] | None = None  # arguments of the image for the step that downloads, before any launch
    secrets: Secrets = field(default_factory=Secrets)
    command: tuple[str, ...] | None = None  # replaces the engine's own start command
    args: tuple[str, ...] = ()  # added to it
    env: Mapping[str, str] = field(default_factory=dict)
    packages: str | None = None  # absolute path of a hash-locked requirements file; None = nimbench's own environment
    also: tuple[Sidecar, ...] = ()
    entry: str = "engine"  # the command whose port takes the load: `engine` or the name of a sidecar
    ready_timeout_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Launches:
    """How often, and how the suite decides. `blocks` are the kept ones; `burn_in` more come first and are dropped."""

    mode: str
    blocks: int
    burn_in: int = 1
    seed: int = 1
    cooldown_s: float = 0.0
    telemetry_interval_s: float = 0.5
    gpu_idle_s: float = 0.0  # that GPUs are watched idle, before an arm starts and again before its load; 0 = not
    port_base: int = 18400  # the plan counts up from here; below the kernel's range of ephemeral ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """The one comparison that answers the question, named before any data exists."""

    metric: str
    stage: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Prices have no default: without them the money part of the page is a question."""

    gpu_hour_usd: float | None = None
    nim_licence_gpu_year_usd: float | None = None
    engineer_hour_usd: float | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """What a gigabyte costs: arms that differ in bytes alone give the slope, which is then held against other arms."""

    series: tuple[str, ...]  # arms of one engine on one base with more and more ballast
    predict: tuple[str, ...] = ()  # arms whose times are predicted from the slope and measured
    pairs: tuple[tuple[str, str], ...] = ()  # equal bytes, packed otherwise: one fat layer against four
    packings: tuple[str, ...] = ()  # one program in images of unequal bytes: which of them to ship, at which bandwidth


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A whole question with every default resolved."""

    name: str
    folder: str  # absolute path on the measuring host; stored as its name only
    summary: str
    question: Question
    baseline: str
    model: Model
    arms: tuple[Arm, ...]
    load: Load
    launches: Launches
    primary: Primary
    notice: str | None = None
    serve_args: tuple[str, ...] = ()  # added to every arm
    gpu: Gpu | None = None
    host: HostNeeds = field(default_factory=HostNeeds)
    container: Container = field(default_factory=Container)
    registry: str | None = None  # host[:port] for built images; "own" = one of the suite's, for the run
    coldstart: Coldstart = field(default_factory=Coldstart)
    dose: Dose | None = None
    margins: Mapping[str, float] = field(default_factory=dict)  # metric -> smallest ratio that matters, 0.05 = 5 %
    slo: Mapping[str, float] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLaunch:
    """One start of one arm, decided before anything runs."""

    index: int  # from 1, in the order of starting
    arm: str
    block: int  # from 0; blocks below Launches.burn_in are burn-in
    order_in_block: int
    burn_in: bool
    seed: int  # of the prompts: equal for every arm of a block
    purpose: Purpose = Purpose.LOAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every launch in order; `ports` gives each command of each arm its own, the same at every launch."""

    launches: tuple[PlannedLaunch, ...]
    ports: Mapping[str, Mapping[str, int]]  # arm -> command name -> port on 127.0.0.1
    seed: int
    expected_s: float
    disk_bytes: int | None = None
