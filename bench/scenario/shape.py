"""The shape of scenario.yaml: every key, its type and one line on what it means. Unknown keys are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from bench.scenario.container_shape import (
    BuildShape,
    ColdstartShape,
    ContainerShape,
    DoseShape,
    GpuShape,
    HostShape,
    MountShape,
    Registry,
    SecretsShape,
    Sha256,
    Shape,
    WeightsShape,
    Words,
)
from bench.scenario.units import Address, Duration, Metric, PositiveDuration, Share, Text
from bench.vocabulary import Api, Question, RuntimeKind, Side

# The upper ends are far from any sense; they keep a typing error from filling the memory.
Count = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Whole = Annotated[int, Field(strict=True, ge=0, le=10_000)]
Tokens = Annotated[int, Field(strict=True, ge=1, le=100_000_000)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Name = Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9_-]{0,30}$")]
SidecarName = Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9_]{0,30}$")]  # a word of ${<name>_port}
StageId = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9_.-]{0,30}$")]
Price = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] | None
ModeName = Literal["smoke", "quick", "standard", "publish"]


def _none_as_empty(value: Any) -> Any:
    """`env:` with nothing under it means an empty one."""
    return {} if value is None else value


class ModelShape(Shape):
    """The model that every arm serves."""

    id: Words = Field(description="the model's name in requests")
    precision: Words | None = Field(default=None, description="e.g. bf16; a label for the report")
    max_model_len: Tokens | None = Field(default=None, description="tokens of prompt and answer together")
    made: Name | None = Field(
        default=None, description="a model made on this machine by scenarios/_models, e.g. tiny-llama"
    )
    path: Words | None = Field(
        default=None, description="file or folder of the weights; relative to the scenario's folder"
    )
    weights: WeightsShape | None = Field(default=None, description="where container arms read them")
    tokenizer: Words = Field(
        default="server", description="server = ask the arm's /tokenize; else path of a tokenizer.json"
    )


class SidecarShape(Shape):
    """One more command of an arm, such as nginx in front of the engine."""

    command: list[Text] = Field(min_length=1, description="program and arguments; ${...} is filled in")
    files: dict[str, Words] = Field(default_factory=dict, description="file in ${scratch}: template in the folder")


class ArmShape(Shape):
    """One of the things compared."""

    engine: Words = Field(description="a module of bench/engines, e.g. llamacpp, vllm")
    side: Side = Field(description="buy or build")
    notice: Words | None = Field(
        default=None, description='shown with the arm\'s name, e.g. "stand-in, not NVIDIA NIM"'
    )
    runtime: RuntimeKind | None = Field(
        default=None, description="default: docker with image or build, endpoint with url, else process"
    )
    url: Address | None = Field(default=None, description="http(s)://host:port of a server that already runs")
    image: Words | None = Field(default=None, description="reference of a container image")
    build: BuildShape | None = Field(default=None, description="an image to build")
    container: ContainerShape = Field(
        default_factory=ContainerShape, description="overrides the scenario's, key by key"
    )
    mounts: list[MountShape] = Field(default_factory=list, max_length=20, description="state that outlives containers")
    profile: Words | None = Field(default=None, description="of a NIM, by name, e.g. vllm-bf16-tp1-pp1")
    profile_id: Sha256 | None = Field(default=None, description="of a NIM: the 64-digit id alone")
    prepare: list[Text] | None = Field(
        default=None, min_length=1, description="what the image runs once before any launch, e.g. [download-to-cache]"
    )
    secrets: SecretsShape = Field(default_factory=SecretsShape)
    command: list[Text] | None = Field(
        default=None, min_length=1, description="replaces the engine's own start command"
    )
    args: list[Text] = Field(default_factory=list, description="added to the start command of this arm")
    env: Annotated[dict[str, Text], BeforeValidator(_none_as_empty)] = Field(
        default_factory=dict, description="environment variables; ${...} is filled in"
    )
    packages: Words | None = Field(
        default=None, description="hash-locked requirements file of the arm's own environment"
    )
    also: dict[SidecarName, SidecarShape] = Field(
        max_length=20, default_factory=dict, description="more commands of this arm"
    )
    entry: Words = Field(default="engine", description="the command that takes the load: engine or a name under also")
    ready_timeout: PositiveDuration = Field(default=600.0, description="longest wait for ready")


class PromptShape(Shape):
    """Lengths of a request."""

    input_tokens: Tokens = Field(description="exact length of every prompt")
    output_tokens: Tokens = Field(description="exact length of every answer")


class SamplingShape(Shape):
    """How tokens are drawn."""

    temperature: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 0.0
    ignore_eos: Annotated[bool, Field(strict=True)] = True


class StageShape(Shape):
    """One load point at a fixed number of streams."""

    id: StageId | None = Field(default=None, description="default: c<concurrency>")
    concurrency: Count = Field(description="streams, each with one request in flight at a time")
    duration: PositiveDuration | None = Field(default=None, description="measured window; default: load.duration")


class ModeLoadShape(Shape):
    """The part of the load that a mode decides."""

    stages: list[StageShape] | None = Field(default=None, min_length=1, max_length=100, description="load points")
    duration: PositiveDuration | None = Field(default=None, description="measured window of stages without their own")
    rounds: Count | None = Field(default=None, description="passes over the stages within one launch")
    warmup: Duration | None = Field(default=None, description="least warm-up before each window")
    warmup_requests: Whole | None = Field(
        default=None, description="least finished requests per stream before each window"
    )
    ramp: Duration | None = Field(default=None, description="the starts of the first requests are spread over this")


class LoadShape(ModeLoadShape):
    """The traffic, the same for every arm."""

    api: Api = Field(default=Api.COMPLETIONS, description="completions or chat")
    prompt: PromptShape
    sampling: SamplingShape = Field(default_factory=SamplingShape)
    timeout: PositiveDuration = Field(default=120.0, description="one request, from send to last token")
    workers: Count = Field(default=1, description="load processes")


class ModeLaunchesShape(Shape):
    """The part of the launches that a mode decides."""

    blocks: Count | None = Field(default=None, description="launches of every arm that are kept")
    burn_in: Whole | None = Field(default=None, description="blocks before them that are dropped")
    gpu_idle: Duration | None = Field(
        default=None, description="GPUs are watched idle for so long, before each start and again before each load"
    )


class LaunchesShape(ModeLaunchesShape):
    """How often."""

    mode: ModeName = Field(default="standard", description="the preset that fills in what is not written here")
    seed: Seed = Field(default=1, description="of the order in each block and of the prompts")
    cooldown: Duration = Field(default=0.0, description="pause after each launch")
    telemetry_interval: PositiveDuration = Field(default=0.5, description="between two samples")
    port_base: Annotated[int, Field(strict=True, ge=1024, le=65000)] = Field(
        default=18400, description="first port of arms"
    )


class ModeShape(Shape):
    """What this scenario wants otherwise in one mode."""

    launches: ModeLaunchesShape = Field(default_factory=ModeLaunchesShape)
    load: ModeLoadShape = Field(default_factory=ModeLoadShape)


class PrimaryShape(Shape):
    """The one comparison that answers the question."""

    metric: Metric
    stage: Words | None = Field(default=None, description="id of a stage; not needed with one stage")


class CostShape(Shape):
    """Prices: null means unknown."""

    gpu_hour_usd: Price = None
    nim_licence_gpu_year_usd: Price = None
    engineer_hour_usd: Price = None
    source: Words | None = None


class ScenarioShape(Shape):
    """A question about one model, and the arms that may be the answer."""

    summary: Words = Field(description="one sentence: what is compared on what")
    question: Question = Field(
        default=Question.CONTAINER, description="container = all else matched; shipped = defaults against defaults"
    )
    notice: Words | None = Field(default=None, description="shown on top of the report")
    model: ModelShape
    baseline: Words = Field(description="the arm that the others are compared with")
    serve_args: list[Text] = Field(default_factory=list, description="added to the start command of every arm")
    gpu: GpuShape | None = Field(default=None, description="the GPUs of one arm; without it no arm sees a GPU")
    host: HostShape = Field(default_factory=HostShape)
    container: ContainerShape = Field(default_factory=ContainerShape, description="of every container arm")
    registry: Registry | None = Field(
        default=None,
        description="host[:port]: built images go there and come from there; own = one of the suite's, for the run",
    )
    coldstart: ColdstartShape = Field(default_factory=ColdstartShape)
    dose: DoseShape | None = Field(default=None, description="arms that differ in bytes: what does a gigabyte cost?")
    arms: dict[Name, ArmShape] = Field(max_length=20, description="two arms or more")
    load: LoadShape
    launches: LaunchesShape = Field(default_factory=LaunchesShape)
    modes: dict[ModeName, ModeShape] = Field(default_factory=dict, description="other values in a mode")
    primary: PrimaryShape
    margins: dict[Metric, Share] = Field(default_factory=dict, description="metric: smallest difference that matters")
    slo: dict[Metric, Any] = Field(default_factory=dict, description="metric: limit, e.g. ttft_p99_s: 500ms")
    cost: CostShape = Field(default_factory=CostShape)
