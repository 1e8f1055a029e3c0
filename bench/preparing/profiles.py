"""A NIM's profile by name becomes the id that its image lists on this host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bench.container import Prepared
from bench.dockerhost.line import docker_run_line
from bench.engines.nim_facts import generation
from bench.engines.profiles import Listing, choose_profile, parse_listing
from bench.errors import ArmError
from bench.events import Event, Progress
from bench.model import Arm, Scenario
from bench.plan.containers import prepare_spec
from bench.preparing.steps import step_error
from bench.runtimes.once import run_once
from bench.secrets import Redactor
from bench.vocabulary import FailureKind

TIMEOUT_S = 600.0
LIST = "list-model-profiles"


def resolve_profiles(
    scenario: Scenario,
    arms: tuple[Arm, ...],
    models: Mapping[str, str | None],
    prepared: Prepared,
    progress: Progress,
) -> dict[str, dict[str, str]]:
    """Arm -> {"id", "name", "state"}; ArmError when the image does not list it or this host cannot run it."""
    resolved = {}
    for arm in arms:
        if arm.engine != "nim" or (arm.profile is None and arm.profile_id is None):
            continue
        progress(Event("run", f"asking {arm.name} for its profiles"))
        listing = list_profiles(scenario, arm, models[arm.name], prepared)
        profile = choose_profile(listing, arm.profile or arm.profile_id or "", arm=arm.name)
        if arm.profile_id not in (None, profile.id):
            raise ArmError(
                FailureKind.PROFILE_INVALID,
                f"arm {arm.name!r}: the profile {arm.profile} has the id {profile.id} in this image, "
                f"and the scenario says {arm.profile_id}",
                repair="Correct profile_id, or leave it out: the name is enough.",
            )
        resolved[arm.name] = {"id": profile.id, "name": profile.name, "state": str(profile.state)}
    return resolved


def list_profiles(scenario: Scenario, arm: Arm, model: str | None, prepared: Prepared) -> Listing:
    """What the image says it can run here."""
    spec = replace(prepare_spec(scenario, arm, model, prepared), argv=(LIST,))
    if generation(prepared.images.get(arm.name)) != "1.x":
        spec = replace(spec, secrets=())  # only a NIM 1.x asks NGC for its list
    finished = run_once(spec, arm=arm.name, timeout_s=TIMEOUT_S)
    if finished.exit_code != 0:
        raise step_error(arm, LIST, finished, docker_run_line(spec, Redactor.knowing(arm.env)))
    return parse_listing(finished.output)
