"""The closed vocabularies: every word that a run folder may hold in a field of choice.

A vocabulary may grow; no word in it is ever renamed, because run folders outlive the version that wrote them.
"""

from enum import StrEnum

from bench.image_vocabulary import ByteGroup as ByteGroup
from bench.image_vocabulary import ImageAbsent as ImageAbsent
from bench.image_vocabulary import Ipc as Ipc
from bench.image_vocabulary import Network as Network
from bench.image_vocabulary import PinRule as PinRule


class Side(StrEnum):
    """Which side of build-versus-buy an arm stands for."""

    BUY = "buy"
    BUILD = "build"


class Question(StrEnum):
    """`container`: all else matched, is the container better? `shipped`: defaults against defaults."""

    CONTAINER = "container"
    SHIPPED = "shipped"


class RuntimeKind(StrEnum):
    """How an arm is started."""

    DOCKER = "docker"
    PROCESS = "process"
    ENDPOINT = "endpoint"


class Api(StrEnum):
    """The OpenAI route that the load uses."""

    COMPLETIONS = "completions"
    CHAT = "chat"


class Mark(StrEnum):
    """A named instant of a start-up, in the order in which they usually come."""

    PULL_START = "pull_start"
    LAYERS_DOWNLOADED = "layers_downloaded"
    IMAGE_READY = "image_ready"
    CREATED = "created"
    PROCESS_STARTED = "process_started"
    FIRST_LOG = "first_log"
    PROFILE_SELECTED = "profile_selected"
    WEIGHTS_LOCAL = "weights_local"
    WEIGHTS_START = "weights_start"
    WEIGHTS_LOADED = "weights_loaded"
    COMPILED = "compiled"
    KV_READY = "kv_ready"
    GRAPHS_READY = "graphs_ready"
    PORT_OPEN = "port_open"
    READY = "ready"
    FIRST_TOKEN = "first_token"
    STEADY = "steady"


class Level(StrEnum):
    """Cold-start level: what was already there when the launch began."""

    L0 = "L0"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"
    L5 = "L5"


class Purpose(StrEnum):
    """Why a launch is made."""

    LOAD = "load"
    COLDSTART = "coldstart"
    PARITY = "parity"
    AA = "aa"
    PILOT = "pilot"


class Phase(StrEnum):
    """Where in its stage a request started; only `window` is measured."""

    WARMUP = "warmup"
    RAMP = "ramp"
    WINDOW = "window"
    DRAIN = "drain"


class FailureKind(StrEnum):
    """Why an arm did not serve."""

    NO_COMPATIBLE_PROFILE = "no_compatible_profile"
    PROFILE_INVALID = "profile_invalid"
    GPU_MEMORY = "gpu_memory"
    HOST_MEMORY_KILL = "host_memory_kill"
    KV_CACHE_TOO_SMALL = "kv_cache_too_small"
    AUTH = "auth"
    DOWNLOAD = "download"
    CACHE_PERMISSION = "cache_permission"
    PORT_TAKEN = "port_taken"
    DRIVER_TOO_OLD = "driver_too_old"
    UNSUPPORTED_MODEL = "unsupported_model"
    IMAGE_NOT_FOUND = "image_not_found"
    RATE_LIMITED = "rate_limited"
    ENTRYPOINT_MISSING = "entrypoint_missing"
    GPU_MISSING = "gpu_missing"
    DISK_FULL = "disk_full"
    ENGINE_GONE = "engine_gone"  # the container engine itself
    BUILD_FAILED = "build_failed"
    CRASHED = "crashed"
    TIMEOUT = "timeout"


class ErrorKind(StrEnum):
    """Why a request failed."""

    CONNECT = "connect"
    TLS = "tls"
    HTTP_4XX = "http_4xx"
    HTTP_429 = "http_429"
    HTTP_5XX = "http_5xx"
    CUT = "cut"
    TIMEOUT = "timeout"
    BAD_STREAM = "bad_stream"
    SERVER_ERROR_EVENT = "server_error_event"


class RequestStatus(StrEnum):
    """`incomplete` is a request that the suite itself cut off: the server is not to blame."""

    OK = "ok"
    ERROR = "error"
    INCOMPLETE = "incomplete"


class LaunchStatus(StrEnum):
    """How a launch ended."""

    DONE = "done"
    FAILED = "failed"
    VOID = "void"
    INTERRUPTED = "interrupted"


class RunStatus(StrEnum):
    """How a run ended; `started` is what a killed run leaves behind."""

    STARTED = "started"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    VOID = "void"


class Replication(StrEnum):
    """What was repeated to get the replicates of a comparison."""

    LAUNCH = "launch"
    SESSION = "session"
    NONE = "none"


class Severity(StrEnum):
    """Weight of a finding; `void` takes the number away."""

    INFO = "info"
    WARN = "warn"
    VOID = "void"


class Kind(StrEnum):
    """`sampled`: ratio with interval; `exact`: bytes and counts; `difference`: delta in the metric's own unit."""

    SAMPLED = "sampled"
    EXACT = "exact"
    DIFFERENCE = "difference"


class Better(StrEnum):
    """Which direction of a metric is good."""

    HIGHER = "higher"
    LOWER = "lower"


class Role(StrEnum):
    """One primary comparison answers the question; the rest explain it."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


class Verdict(StrEnum):
    """From the candidate's side, the first that holds."""

    NOT_COMPARABLE = "not_comparable"
    UNKNOWN = "unknown"
    EQUAL = "equal"
    BETTER = "better"
    WORSE = "worse"
    AHEAD = "ahead"
    BEHIND = "behind"
    INCONCLUSIVE = "inconclusive"
