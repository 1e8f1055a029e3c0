"""Which Python packages of an image the engine does not need: by what requires what, and by what is known of a few.

A package that nothing requires is needed by nobody but whoever asked for it. One that something requires may still be
of no use to serve text: those are in a table, and whoever requires them is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bench.images.anatomy.distributions import Distribution, read_distributions
from bench.images.anatomy.entries import Visible
from bench.images.anatomy.inventory import ENGINES
from bench.images.anatomy.requirements import marker_environment

# As vLLM's requirements/common.txt and the packages' own summaries say what they are for.
OPTIONAL = {
    "opencv-python-headless": "only video input needs it",
    "opencv-python": "only video input needs it",
    "torchaudio": "only audio input needs it",
    "torchcodec": "only audio and video input need it",
    "librosa": "only audio input needs it",
    "soundfile": "only audio input needs it",
    "av": "only audio and video input need it",
    "torchvision": "only models that read images need it",
    "mistral-common": "only Mistral's own tokenizers need it",
    "ray": "only an engine that spans several hosts needs it",
    "bitsandbytes": "only weights of its own quantization need it",
    "outlines-core": "one of several ways to force an output's structure",
    "llguidance": "one of several ways to force an output's structure",
    "lm-format-enforcer": "one of several ways to force an output's structure",
    "boto3": "only weights that come from S3 need it",
    "botocore": "only weights that come from S3 need it",
    "datasets": "training and evaluation read data sets, serving does not",
    "tensorboard": "for those who train",
    "depyf": "shows what torch.compile made, to those who look for a fault",
    "anthropic": "only Anthropic's form of the API needs it",
    "flashinfer-cubin": "kernels for all GPUs, ready made; without it those needed are fetched at the first start",
}
ROUNDS = 5  # of asking for extras, until nothing changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unneeded:
    """A package with those that only it needs."""

    name: str
    version: str
    along: tuple[str, ...]  # what goes with it
    required_by: tuple[str, ...]  # installed ones that ask for it
    why: str | None  # None: nothing requires it
    certain: bool  # an engine is known, and does not ask for it


def unneeded(visible: Visible) -> list[Unneeded]:
    """All that could go, each by itself. Two of them may name the same package along."""
    found: dict[str, Distribution] = {
        canonicalize_name(one.name): one for one in read_distributions(visible) if _importable(one.site)
    }
    needs = requirements(found)
    users: dict[str, set[str]] = {name: set() for name in found}
    for name, wanted in needs.items():
        for other in wanted:
            users[other].add(name)
    roots = {name for name in found if not users[name]} | (set(ENGINES) & set(found))
    engines = set(ENGINES) & set(found)
    rows = []
    for name, one in found.items():
        why = _no_gpu(name, found) or OPTIONAL.get(name)
        if name in engines or (users[name] and why is None):
            continue
        along = reached(roots, needs) - reached(roots - {name}, needs, without=name) - {name}
        rows.append(
            Unneeded(
                name=name,
                version=one.version,
                along=tuple(sorted(along)),
                required_by=tuple(sorted(users[name])),
                why=why,
                certain=bool(engines) and not users[name],
            )
        )
    return rows


def requirements(found: Mapping[str, Distribution]) -> dict[str, set[str]]:
    """Who asks for whom, among those installed, with the extras that somebody asks for."""
    parsed = {name: list(_parsed(one.requires)) for name, one in found.items()}
    extras: dict[str, set[str]] = {name: set() for name in found}
    needs: dict[str, set[str]] = {}
    for _ in range(ROUNDS):
        needs = {name: set() for name in found}
        before = {name: set(asked) for name, asked in extras.items()}
        for name, wanted in parsed.items():
            environment = marker_environment(_python(found[name].site), "linux/amd64")
            for one in wanted:
                other = canonicalize_name(one.name)
                if other in found and other != name and _holds(one, extras[name], environment):
                    needs[name].add(other)
                    extras[other] |= one.extras
        if extras == before:
            break
    return needs


def reached(roots: Iterable[str], needs: Mapping[str, Set[str]], *, without: str | None = None) -> set[str]:
    """Everything that these ask for, directly or not, never by way of `without`."""
    seen: set[str] = set()
    waiting = [name for name in roots if name != without]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [other for other in needs.get(name, ()) if other != without]
    return seen


def _importable(site: str) -> bool:
    """What a package carries inside itself is part of it."""
    return site.endswith(("site-packages", "dist-packages"))


def _no_gpu(name: str, found: Mapping[str, Distribution]) -> str | None:
    """Triton compiles kernels for GPUs; a torch that was built for the CPU says so in its version."""
    torch = found.get("torch")
    if name in ("triton", "pytorch-triton") and torch is not None and torch.version.endswith("+cpu"):
        return "it compiles kernels for GPUs, and the torch in this image is built for the CPU"
    return None


def _parsed(texts: Iterable[str]) -> Iterable[Requirement]:
    for text in texts:
        try:
            yield Requirement(text)
        except InvalidRequirement:
            continue  # `pip_check` of the inventory tells of it


def _holds(one: Requirement, extras: Set[str], environment: Mapping[str, str]) -> bool:
    """A marker that cannot be evaluated holds: better one need too many."""
    if one.marker is None:
        return True
    try:
        return any(one.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))
    except (UndefinedComparison, UndefinedEnvironmentName, ValueError):
        return True


def _python(site: str) -> str:
    match = re.search(r"python(\d+\.\d+)/", f"{site}/")
    return match[1] if match else "3"
