"""report.md: the verdict and the tables for a pull request or a terminal."""

from __future__ import annotations

import re

from bench.report import comparisons, contents, glossary, images, launches
from bench.report import format as fmt
from bench.report.audit import audit_table
from bench.report.dose import dose_section
from bench.report.headline import banner, headline, notices
from bench.report.subject import Subject

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def render(subject: Subject) -> str:
    """The whole text."""
    sections = (_top, _dose, _audit, _comparisons, _inside, _images, _launches, _findings, _definitions)
    return "\n".join(line for section in sections for line in section(subject)) + "\n"


def escaped(text: object, limit: int = 600) -> str:
    """Foreign text on one line with nothing left that Markdown or HTML would act upon."""
    flat = " ".join(fmt.safe_text(text, limit).split())
    return _SPECIAL.sub(r"\\\1", flat)


def _top(subject: Subject) -> list[str]:
    top, run = headline(subject), subject.run
    lines = [f"# {escaped(subject.scenario.summary, 400)}", ""]
    lines += [f"> **Notice.** {escaped(text)}\n" for text in notices(subject)]
    if text := banner(subject):
        lines += [f"**{escaped(text)}**", ""]
    lines += [f"- {escaped(text, 400)}" for text in subject.data.missing]
    lines += ["", f"**{escaped(top.word)}.** {escaped(top.sentence)}", "", escaped(top.interval), ""]
    command = f" `{top.command.replace('`', '')}`" if top.command else ""
    lines += [f"Next: {escaped(top.next)}{command}", ""]
    if subject.summary.decision.because and top.css != "void":
        lines += ["Because", "", *(f"- {escaped(text)}" for text in subject.summary.decision.because), ""]
    lines += [
        f"Run {escaped(run.id, 120)}, nimbench {escaped(run.nimbench_version, 40)}; charts are in report.html.",
        "",
    ]
    return lines


def _audit(subject: Subject) -> list[str]:
    table = audit_table(subject)
    if table is None:
        return []
    lines = ["## Are the arms comparable?", "", escaped(table.sentence, 900), ""]
    lines += [f"Next: {escaped(table.next, 900)}", ""] if table.next else []
    lines += _arms_head(subject, "fact", "verdict")
    for row in table.rows:
        lines.append(f"| {' | '.join((escaped(row.fact), *map(escaped, row.texts), row.word))} |")
    return [*lines, ""]


def _inside(subject: Subject) -> list[str]:
    section = contents.section(subject)
    if section is None:
        return []
    lines = ["## What is in the image?", ""]
    for first, facts in (("fact", section["totals"]), ("bytes on disk", section["groups"])):
        cells = (first, *(escaped(arm, 60) for arm in section["arms"]))
        lines += [f"| {' | '.join(cells)} |", f"|{'---|' * len(cells)}"]
        lines += [f"| {' | '.join((escaped(fact.name), *map(escaped, fact.texts)))} |" for fact in facts]
        lines.append("")
    for one in section["savings"]:
        arms = ", ".join(escaped(arm, 60) for arm in one.arms)
        lines += [f"What {arms} could leave out (download at {section['rate'].bandwidth}):", ""]
        lines += [
            f"- {escaped(row.what)}: {row.disk} on disk, {row.wire} compressed, {row.download}. {escaped(row.how)}"
            for row in one.rows
        ] or ["- nothing found"]
        lines.append("")
    return lines


def _images(subject: Subject) -> list[str]:
    lines: list[str] = []
    if facts := images.image_facts(subject):
        lines += ["## Images", "", *_arms_head(subject, "fact")]
        lines += [f"| {' | '.join((fact.name, *map(escaped, fact.texts)))} |" for fact in facts]
        lines.append("")
    if prepared := images.prepared_facts(subject):
        lines += ["## Prepared before the first launch", ""]
        lines += [f"- {escaped(fact.name)}: {escaped(fact.texts[0], 2_000)}" for fact in prepared]
        lines.append("")
    return lines


def _dose(subject: Subject) -> list[str]:
    section = dose_section(subject)
    if section is None:
        return []
    lines = ["## What does a gigabyte cost?", "", f"**{escaped(section.sentence)}** {escaped(section.setting)}", ""]
    lines += [escaped(section.foretold), ""] if section.foretold else []
    lines += [f"- {escaped(text)}" for text in section.doubts]
    for table in section.tables:
        lines += ["", f"### {table.title}", "", escaped(table.caption, 1_000), ""]
        lines += [f"| {' | '.join(map(escaped, table.heads))} |", f"|---|{'---:|' * (len(table.heads) - 1)}"]
        lines += [f"| {' | '.join(map(escaped, row))} |" for row in table.rows]
    return [*lines, ""]


def _arms_head(subject: Subject, first: str, *more: str) -> list[str]:
    cells = (first, *(escaped(arm.name, 60) for arm in subject.arms), *more)
    return [f"| {' | '.join(cells)} |", f"|{'---|' * len(cells)}"]


def _comparisons(subject: Subject) -> list[str]:
    lines = []
    for group in comparisons.groups(subject):
        base, cand = escaped(group.baseline, 60), escaped(group.candidate, 60)
        lines += [f"## {cand} against {base}", ""]
        lines += [f"| metric | stage | {base} | {cand} | ratio | 95 % interval | verdict | n | MDE |"]
        lines += ["|---|---|---:|---:|---:|---|---|---:|---:|"]
        for row in group.rows:
            name = escaped(glossary.label(row.metric))
            verdict = row.word + (f" ({escaped(row.reason)})" if row.reason else "")
            cells = (
                f"**{name}** (primary)" if row.primary else name, escaped(row.where), row.baseline, row.candidate,
                row.effect, row.effect_ci or fmt.UNKNOWN, verdict, row.pairs, row.mde,
            )  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
        if group.silent:
            lines += ["Not known:", ""]
            lines += [f"- {_silent(row)}" for row in group.silent]
            lines.append("")
    return lines


def _silent(row: comparisons.Row) -> str:
    return f"{escaped(glossary.label(row.metric))}, {escaped(row.where)}: {escaped(row.reason or row.word)}"


def _launches(subject: Subject) -> list[str]:
    lines = ["## Launches", "", "| launch | block | arm | status | start to ready | primary metric | use |"]
    lines += ["|---:|---:|---|---|---:|---:|---|"]
    for row in launches.launch_rows(subject):
        cells = (row.index, row.block, escaped(row.arm, 60), row.status, row.ready, row.primary, escaped(row.use))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return [*lines, ""]


def _findings(subject: Subject) -> list[str]:
    lines = ["## Findings", ""]
    for one in subject.findings:
        launch = f"launch {one.launch}" if one.launch is not None else None
        where = ", ".join(escaped(text, 60) for text in (one.arm, launch, *one.at.values()) if text)
        after = f" Next: {escaped(one.next)}" if one.next else ""
        lines.append(f"- **{one.severity}**{f' ({where})' if where else ''} {escaped(one.text, 1200)}{after}")
    return [*lines, "" if subject.findings else "None.", ""]


def _definitions(subject: Subject) -> list[str]:
    lines = ["## Definitions", ""]
    entries = (*glossary.metric_entries(subject), *glossary.method_entries())
    return [*lines, *(f"- **{escaped(e.term)}**: {escaped(e.text, 1200)}" for e in entries)]
