"""The preparation of a run in order; each step is written into run.json when it is done."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.container import Prepared
from bench.events import Progress
from bench.model import Scenario
from bench.plan import model_path
from bench.preparing.alignment import dry_run_alignment
from bench.preparing.bring import bring_weights
from bench.preparing.contents import look_inside
from bench.preparing.images import prepare_images
from bench.preparing.profiles import resolve_profiles
from bench.preparing.station import Station
from bench.preparing.tokenizer import fetch_tokenizer
from bench.preparing.weights import check_weights
from bench.runtimes.containers import container_arms
from bench.runtimes.placement import place
from bench.store import layout
from bench.store.writer import RunWriter


def prepare(scenario: Scenario, writer: RunWriter, progress: Progress, station: Station) -> Prepared:
    """Make this host ready for every container arm; nothing to do without one. ArmError names the arm that cannot be.

    Only the arms' own `prepare` steps see secrets; everything that is measured later starts without them.
    """
    places = place(scenario)
    prepared = Prepared(placement=places[0], places=places if len(places) > 1 else (), run_id=writer.folder.name)
    facts: dict[str, Any] = {"placement": asdict(places[0])}
    if prepared.places:
        facts["places"] = [asdict(one) for one in places]
    arms = container_arms(scenario)
    if not arms:
        if scenario.gpu:
            writer.update(prepared=facts)
        return prepared
    facts["registry"] = dict(station.facts)
    logs = writer.folder / layout.PREPARE
    logs.mkdir(exist_ok=True)
    records = prepare_images(
        scenario,
        logs,
        progress,
        station=station,
        before=writer.run.images,
        keep=lambda images: writer.update(images=images),
    )
    prepared = replace(prepared, images={name: record.facts for name, record in records.items()})
    for arm in arms:
        if arm.name in records:
            look_inside(arm, records[arm.name], writer, progress)
    models = {arm.name: model_path(scenario, arm) for arm in arms}
    profiles = resolve_profiles(scenario, arms, models, prepared, progress)
    prepared = replace(prepared, profile_ids={name: one["id"] for name, one in profiles.items()})
    facts["profiles"] = profiles
    facts["brought"] = bring_weights(scenario, arms, models, prepared, logs, progress)
    facts["weights_verified"] = check_weights(scenario, arms, models, prepared, progress)
    tokenizer = fetch_tokenizer(scenario, arms, models, prepared, progress)
    prepared = replace(prepared, tokenizer=tokenizer)
    facts["tokenizer"] = {"sha256": Path(tokenizer).stem, "from": "weights"} if tokenizer else None
    facts["alignment"] = dry_run_alignment(scenario, arms, models, prepared, progress)
    writer.update(prepared={name: value for name, value in facts.items() if value})
    return prepared
