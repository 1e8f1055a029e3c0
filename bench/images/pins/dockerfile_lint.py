"""All rules over one Dockerfile, and which files beside it they lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.images.pins.base_rules import base_findings
from bench.images.pins.build_context import BuildContext, Laid, absolute
from bench.images.pins.dockerfile import parse
from bench.images.pins.fetch_rules import git_findings, url_findings
from bench.images.pins.grade import found
from bench.images.pins.installers import Call, call_of
from bench.images.pins.left_rules import left_findings, removals_of
from bench.images.pins.made_lists import MadeLists
from bench.images.pins.node_rules import NODE, node_findings
from bench.images.pins.project_locks import LOCKS, locked_findings
from bench.images.pins.shell import Command
from bench.images.pins.shell_rules import SNAPSHOT, apt_findings, conda_findings, pip_findings
from bench.images.pins.shell_words import program_name
from bench.images.pins.site import Installed, Site
from bench.images.pins.stages import Stage, Step, final_chain, split_stages
from bench.images.pins.system_rules import system_findings
from bench.vocabulary import PinRule

Runs = list[tuple[Step, list[Command]]]
UNPACKING = {"tar", "unzip", "bsdtar", "git"}  # what lies here then is not the context's


def lint_dockerfile(text: str, file: str, *, context: BuildContext, build_args: Mapping[str, str]) -> Installed:
    """Findings by line, and the lists and projects that it installs out of the context."""
    instructions, problems = parse(text)
    repair = "write it as Docker's Dockerfile reference has it"
    installed = Installed(findings=[found(PinRule.UNREADABLE, file, one.line, one.text, repair) for one in problems])
    stages = split_stages(instructions, build_args)
    if not stages:
        text = "no FROM: this is no Dockerfile that builds an image"
        installed.findings.append(found(PinRule.UNREADABLE, file, 1, text, "begin with FROM image@sha256:…"))
        return installed
    installed.findings += base_findings(stages, file)
    _Reading(stages, file, context, installed).read()
    once = dict.fromkeys(installed.findings)  # `bash -c "$(…)"` is read by both shells
    installed.findings = sorted(once, key=lambda one: (one.line, str(one.rule)))
    return installed


class _Reading:
    """Stage after stage."""

    def __init__(self, stages: Sequence[Stage], file: str, context: BuildContext, installed: Installed) -> None:
        self.stages, self.file, self.context, self.installed = stages, file, context, installed
        self.made = MadeLists()
        self.laid: dict[int, list[Laid]] = {}
        self.cloned: set[int] = set()  # stages that hold somebody else's sources
        self.dated: set[int] = set()  # stages whose apt sources are a snapshot

    def read(self) -> None:
        in_image = {stage.index for stage in final_chain(self.stages)}
        for stage in self.stages:
            for known in (self.dated, self.cloned):
                if stage.parent in known:
                    known.add(stage.index)
            self.laid[stage.index] = list(self.laid.get(stage.parent, [])) if stage.parent is not None else []
            self._stage(stage, [(step, step.commands()) for step in stage.steps], stage.index in in_image)

    def _stage(self, stage: Stage, runs: Runs, in_image: bool) -> None:
        removals = removals_of([commands for _, commands in runs])
        laid = self.laid[stage.index]
        for at, (step, commands) in enumerate(runs):
            if SNAPSHOT.search(_text(step)):
                self.dated.add(stage.index)
            here = self.context.laid(step)
            if step.instruction.word != "RUN":  # a mount is there for one RUN only
                laid += here
            self.made.learn_copy(step)
            self.installed.findings += url_findings(step, commands, self.file)
            self._run(stage, step, commands, [*laid, *here])
            if in_image:
                self.installed.findings += left_findings(step, commands, at, removals, self.file)
        self.installed.findings += git_findings(runs, self.file)

    def _run(self, stage: Stage, step: Step, commands: Sequence[Command], laid: Sequence[Laid]) -> None:
        site = Site(
            file=self.file,
            context=self.context,
            laid=laid,
            made=self.made,
            installed=self.installed,
            cwd=step.workdir,
        )
        for at, command in enumerate(commands):
            name = program_name(command.words[0])
            if name in ("cd", "pushd") and len(command.words) > 1:
                site.cwd = absolute(site.cwd, command.words[1])
                site.moved = site.cwd != step.workdir
            elif name in UNPACKING:
                self.cloned.add(stage.index)
            site.cloned = stage.index in self.cloned
            self.made.learn_command(command, commands[at - 1] if at else None, site.cwd)
            call = call_of(command)
            if call is not None:
                self._call(call, stage, site)

    def _call(self, call: Call, stage: Stage, site: Site) -> None:
        if call.manager == "apt":
            self.installed.findings += apt_findings(call, self.file, snapshot=stage.index in self.dated)
        elif call.manager == "conda":
            conda_findings(call, site)
        elif call.manager in ("apk", "dnf"):
            self.installed.findings += system_findings(call, self.file)
        elif call.manager in NODE:
            self.installed.findings += node_findings(call, site)
        elif call.manager in ("pip", "uv"):
            pip_findings(call, site)
        if call.manager in LOCKS:
            locked_findings(call, site)


def _text(step: Step) -> str:
    """All that the instruction says, with its heredocs."""
    return step.instruction.args.text + "".join(heredoc.body.text for heredoc in step.instruction.heredocs)
