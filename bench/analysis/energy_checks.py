"""Checks of joules: whether they are known, can be believed, and are long enough counted."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analysis import idle_checks
from bench.analysis.energy import DISAGREE, cut_gpus, gpu_rows, is_elsewhere
from bench.analysis.energy_metrics import ENERGY_METRICS, net_joules
from bench.analysis.gathered import Seen, gather
from bench.analysis.numbers import Numbers
from bench.analysis.rows import StageRows
from bench.analysis.words import percent, watts
from bench.record import Finding, Launch
from bench.store.reader import LaunchData
from bench.vocabulary import Severity

_PER_TOKEN = ENERGY_METRICS[0]


def energy_known(numbers: Numbers) -> Iterator[Finding]:
    """Why windows have no joules."""
    found = (
        _seen(one.launch, rows, cause=problem) for one, rows in _windows(numbers) if (problem := _problem(one, rows))
    )
    for group in gather(found):
        text = f"No joules of {group.where}: {group.causes}."
        step = "Look at the GPU's telemetry; measure again with the driver's persistence mode on."
        yield group.finding("energy-not-known", Severity.WARN, text, step)


def _problem(one: LaunchData, rows: StageRows) -> str | None:
    if rows.energy is not None:
        return rows.energy.problem
    unseen = one.launch.devices and gpu_rows(one.telemetry) is None  # what was left out on purpose is told elsewhere
    return f"nothing was sampled of {', '.join(one.launch.devices)}" if unseen else None


def energy_agrees(numbers: Numbers) -> Iterator[Finding]:
    """Windows in which a GPU's two ways of counting disagree: of each the GPU that is farthest off."""
    found = (
        _seen(one.launch, rows, apart[1], cause=apart[0])
        for one, rows in _windows(numbers)
        if rows.energy and (apart := rows.energy.disagreement) and abs(apart[1]) > DISAGREE
    )
    for group in gather(found):
        text = (
            f"Power integrated over the window gives {group.range_of(0, _more_or_less)} than the energy counter of "
            f"{group.causes} in {group.where}: one is not what it seems, or the load goes up and down at nearly the "
            "sensor's own period, which then sees it always in the same phase (aliasing)."
        )
        step = "Measure longer windows; where the difference stays, believe neither number before its cause is found."
        yield group.finding("energy-disagrees", Severity.WARN, text, step)


def energy_checked(numbers: Numbers) -> Iterator[Finding]:
    """Joules that rest on the counter alone."""
    counted = [rows.energy for _, rows in _windows(numbers) if rows.energy and rows.energy.joules is not None]
    alone = sum(energy.integrated_j is None for energy in counted)
    if alone:
        yield Finding(
            id="energy-not-cross-checked",
            severity=Severity.INFO,
            text=f"The joules of {alone} of {len(counted)} windows rest on the energy counter alone: power was not "
            "sampled there, or with holes, so nothing was held against it.",
            next="Compare once with a meter, or on a card whose driver tells its instant power (field 186 of NVML).",
        )


def energy_refused(numbers: Numbers) -> Iterator[Finding]:
    """Cards cut by MIG."""
    cut: set[str] = set()
    for one in numbers.kept:
        rows = gpu_rows(one.telemetry)
        cut |= set(cut_gpus(numbers.data.run.host, set(rows["entity"]) if rows is not None else set()))
    if cut:
        yield Finding(
            id="energy-refused",
            severity=Severity.WARN,
            text=f"No joules: {', '.join(sorted(cut))} is cut by MIG, and its counter is the whole card's.",
            next="Switch MIG off to measure energy.",
        )


def energy_attributed(numbers: Numbers) -> Iterator[Finding]:
    """Arms at a url: the cards that were sampled are this host's, and nobody says that they serve there."""
    arms = {one.launch.arm for one in numbers.kept if gpu_rows(one.telemetry) is not None}
    elsewhere = sorted(arm for arm in arms if is_elsewhere(numbers.scenario, arm))
    if elsewhere:
        yield Finding(
            id="energy-not-attributed",
            severity=Severity.INFO,
            arm=elsewhere[0] if len(elsewhere) == 1 else None,
            text=f"No joules of {', '.join(elsewhere)}: served at a url, and nobody says on which cards. GPUs were "
            "sampled on this host all the same.",
            next="Let nimbench start the arm itself to measure what it takes.",
        )


def windows_long_enough(numbers: Numbers) -> Iterator[Finding]:
    """Windows whose edges can be wrong by more than half of what matters."""
    allowed = numbers.scenario.margins.get(_PER_TOKEN.name, _PER_TOKEN.margin) / 2
    found = (
        _seen(one.launch, rows, share, rows.length_s * share / allowed)
        for one, rows in _windows(numbers)
        if rows.energy and rows.energy.joules and (share := rows.energy.edge_error_j / rows.energy.joules) > allowed
    )
    for group in gather(found):
        text = (
            f"The joules of {group.where} can be wrong by up to {group.range_of(0, percent)}, more than half of the "
            "margin: the counter is renewed and read some 10 times a second, and the window is cut between."
        )
        step = f"Measure windows of {group.most(1):.0f} s or longer at this stage."
        yield group.finding("energy-window-short", Severity.WARN, text, step)


def net_positive(numbers: Numbers) -> Iterator[Finding]:
    """Windows whose cards took no more than without the arm."""
    found = (
        _seen(one.launch, rows, rows.energy.joules / rows.length_s, rows.idle_w)
        for one, rows in _windows(numbers)
        if rows.energy and rows.energy.joules is not None and rows.idle_w is not None and net_joules(rows) is None
    )
    for group in gather(found):
        text = (
            f"No net joules of {group.where}: the boards took {group.range_of(0, watts)} under load and "
            f"{group.range_of(1, watts)} with no arm, which is not less by more than the window's edges can be wrong."
        )
        step = "Keep the GPU for the benchmark alone before each launch, and lengthen launches.gpu_idle; compare gross."
        yield group.finding("net-energy-not-positive", Severity.WARN, text, step)


def _windows(numbers: Numbers) -> Iterator[tuple[LaunchData, StageRows]]:
    for one in numbers.kept:
        for rows in numbers.passes.get(one.launch.index, ()):
            yield one, rows


def _seen(launch: Launch, rows: StageRows, *sizes: float, cause: str = "") -> Seen:
    return Seen(arm=launch.arm, launch=launch.index, stage=rows.window.stage, numbers=sizes, cause=cause)


def _more_or_less(apart: float) -> str:
    return f"{percent(abs(apart))} {'more' if apart > 0 else 'less'}"


CHECKS = (
    energy_known,
    energy_agrees,
    energy_checked,
    energy_refused,
    energy_attributed,
    windows_long_enough,
    net_positive,
    *idle_checks.CHECKS,
)
