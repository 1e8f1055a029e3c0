"""How the things that many images carry for nothing are left out, by kind (`where.RULES`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do of one kind of files."""

    what: str
    how: str  # the change of the Dockerfile
    caution: str | None = None  # what may need them
    only_with: str | None = None  # the caution is for images with this Python package alone


EAGER = "without it the engine must run without compilation (vLLM: --enforce-eager)"

ADVICE: Mapping[str, Advice] = {
    "weights": Advice(
        what="weights baked into the image",
        how="leave their COPY or download out, and mount them when the container starts",
        caution="the container then needs that mount",
    ),
    "apt": Advice(
        what="apt's lists and archives",
        how="end the RUN with `&& rm -rf /var/lib/apt/lists/* /var/cache/apt/*`",
    ),
    "pip": Advice(
        what="the cache of pip or uv",
        how="`pip install --no-cache-dir`, or a `RUN --mount=type=cache` over its folder",
    ),
    "conda": Advice(
        what="conda's package archives",
        how="end the RUN with `&& conda clean --all --yes`",
        caution="files that conda linked into its environments stay: less may go than the sizes say",
    ),
    "kernels": Advice(
        what="compiled kernels",
        how="remove them in the RUN that leaves them, or keep them in a volume",
        caution="the first start compiles them again",
    ),
    "other": Advice(
        what="caches, logs and temporary files",
        how="end the RUN that writes them with `&& rm -rf ~/.cache /tmp/* /var/log/*`",
    ),
    "static": Advice(
        what="static libraries and object files",
        how="end the RUN that brings them with `&& find /opt /usr -name '*.a' -delete`",
        caution="compilers that stay in the image may link with them",
    ),
    "compiler": Advice(
        what="compilers and other build tools",
        how="install them in an earlier stage, and COPY --from it only what was built",
        caution=f"torch.compile and Triton call a C compiler when the engine starts: {EAGER}",
        only_with="torch",
    ),
    "headers": Advice(
        what="header files",
        how="end the RUN that brings them with `&& rm -rf` of these folders",
        caution=f"torch.compile includes headers of torch and Python: {EAGER}",
        only_with="torch",
    ),
    "bytecode": Advice(
        what="Python's bytecode",
        how="`pip install --no-compile`, and `ENV PYTHONDONTWRITEBYTECODE=1`",
        caution="every start then compiles the sources in memory: measure the start before and after",
    ),
    "docs": Advice(
        what="manuals",
        how="write `path-exclude=/usr/share/doc/*` and the like for man and info into /etc/dpkg/dpkg.cfg.d/lean before "
        "the first apt-get install",
    ),
    "locale": Advice(
        what="locales of other languages",
        how="write `path-exclude=/usr/share/locale/*` into /etc/dpkg/dpkg.cfg.d/lean before the first apt-get install",
        caution="programs then speak English",
    ),
    "tests": Advice(
        what="test suites inside Python packages",
        how="end the RUN that installs them with `&& rm -rf` of these folders",
        caution="a package that imports its own tests breaks: start the engine once before the image is used",
    ),
}
