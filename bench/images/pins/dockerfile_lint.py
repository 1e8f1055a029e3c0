"""All rules over one Dockerfile, and which files beside it they lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from bench.images.pins.base_rules import base_findings
from bench.images.pins.dockerfile import parse
from bench.images.pins.fetch_rules import git_findings, url_findings
from bench.images.pins.grade import found
from bench.images.pins.installers import call_of
from bench.images.pins.left_rules import left_findings, removals_of
from bench.images.pins.requirements_file import pinned_names
from bench.images.pins.shell import Command
from bench.images.pins.shell_rules import (
    SNAPSHOT,
    Beside,
    Installed,
    apt_findings,
    conda_findings,
    pip_findings,
)
from bench.images.pins.stages import Stage, Step, final_chain, split_stages
from bench.vocabulary import PinRule

Runs = list[tuple[Step, list[Command]]]


def lint_dockerfile(
    text: str, file: str, *, folder: Path, named: Sequence[Path] = (), build_args: Mapping[str, str]
) -> Installed:
    """Findings by line, and the requirement files that it installs. `named` = other files that are read anyway."""
    instructions, problems = parse(text)
    repair = "write it as Docker's Dockerfile reference has it"
    findings = [found(PinRule.UNREADABLE, file, one.line, one.text, repair) for one in problems]
    installed = Installed(findings=findings, files=[])
    stages = split_stages(instructions, build_args)
    if not stages:
        text = "no FROM: this is no Dockerfile that builds an image"
        installed.findings.append(found(PinRule.UNREADABLE, file, 1, text, "begin with FROM image@sha256:…"))
        return installed
    installed.findings += base_findings(stages, file)
    beside = Beside(locate=lambda name: locate(name, folder, named), pinned_names=pinned_names)
    runs: dict[int, Runs] = {stage.index: [(step, step.commands()) for step in stage.steps] for stage in stages}
    in_image = {stage.index for stage in final_chain(stages)}
    dated: set[int] = set()  # stages whose apt sources are a snapshot
    for stage in stages:
        _of_stage(stage, runs[stage.index], stage.index in in_image, dated, file, beside, installed)
    once = dict.fromkeys(installed.findings)  # `bash -c "$(…)"` is read by both shells
    installed.findings = sorted(once, key=lambda one: (one.line, str(one.rule)))
    return installed


def _of_stage(
    stage: Stage, runs: Runs, in_image: bool, dated: set[int], file: str, beside: Beside, installed: Installed
) -> None:
    if stage.parent in dated:
        dated.add(stage.index)
    removals = removals_of([commands for _, commands in runs])
    for at, (step, commands) in enumerate(runs):
        if SNAPSHOT.search(_text(step)):
            dated.add(stage.index)
        installed.findings += url_findings(step, commands, file)
        for call in [call for command in commands if (call := call_of(command)) is not None]:
            if call.manager == "apt":
                installed.findings += apt_findings(call, file, snapshot=stage.index in dated)
            elif call.manager == "conda":
                conda_findings(call, file, beside, installed)
            elif call.manager in ("pip", "uv"):
                pip_findings(call, file, beside, installed)
        if in_image:
            installed.findings += left_findings(step, commands, at, removals, file)
    installed.findings += git_findings(runs, file)


def _text(step: Step) -> str:
    """All that the instruction says, with its heredocs."""
    return step.instruction.args.text + "".join(heredoc.body.text for heredoc in step.instruction.heredocs)


def locate(name: str, folder: Path, named: Sequence[Path]) -> Path | None:
    """A path of the build, by its longest end that lies in the folder of the Dockerfile, or by its file's name.

    `COPY requirements /tmp/requirements` and the like put it elsewhere in the image; its end stays.
    """
    if "$" in name or not name:
        return None
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", ".")]
    if ".." in parts:
        return None
    for start in range(len(parts)):
        path = folder.joinpath(*parts[start:])
        if path.is_file():
            return path
    return next((path for path in named if parts and path.name == parts[-1]), None)
