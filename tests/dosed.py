"""Runs with a dose whose truth is known: so many seconds per gigabyte, plus what blocks and launches scatter."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from bench.anatomy import Anatomy, ImageContents, Inventory, LayerAnatomy
from bench.container import BuildRecord, Coldstart, ImageFacts, ImageRecord, LayerTimes, PullRecord, PushRecord
from bench.model import Dose, Stage
from bench.record import Launch
from bench.store.reader import RunData
from bench.vocabulary import ImageAbsent, Mark
from tests.synthetic import Fake, make_run

MB = 1_000_000
BASE = LayerAnatomy(
    diff_id="sha256:base", digest=f"sha256:{'b' * 64}", wire_bytes=30 * MB, tar_bytes=80 * MB, disk_bytes=75 * MB,
    files=4000,
)  # fmt: skip
# arm -> its own layers: (wire MB, disk MB, files)
LAYERS: Mapping[str, tuple[tuple[int, int, int], ...]] = {
    "bare": ((60, 180, 900),),
    "random-0.5": ((60, 180, 900), (500, 500, 1)),
    "random-1": ((60, 180, 900), (1000, 1000, 1)),
    "random-2": ((60, 180, 900), (2000, 2000, 1)),
    "random-4": ((60, 180, 900), (4000, 4000, 1)),
    "random-2-in-4": ((60, 180, 900), *((500, 500, 1),) * 4),
    "as-written": ((310, 900, 21_000), (400, 1300, 12_000)),
    "multi-stage": ((120, 330, 4_000),),
    "stripped": ((18, 45, 40),),
}
DOSE = Dose(
    series=("bare", "random-0.5", "random-1", "random-2", "random-4"),
    predict=("as-written", "multi-stage", "stripped"),
    pairs=(("random-2", "random-2-in-4"),),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Truth:
    """Seconds per gigabyte, and the relative scatter of blocks and of launches."""

    build: float = 6.0
    push: float = 31.0
    download: float = 1.4
    extract: float = 9.0
    start: float = 0.0
    start_at_zero: float = 1.2
    of_block: float = 0.03
    of_launch: float = 0.02


def contents_of(arm: str) -> ImageContents:
    own = (
        LayerAnatomy(
            diff_id=f"sha256:{arm}-{place}",
            wire_bytes=wire * MB,
            tar_bytes=disk * MB,
            disk_bytes=disk * MB,
            files=files,
        )
        for place, (wire, disk, files) in enumerate(LAYERS[arm])
    )
    layers = (BASE, *own)
    anatomy = Anatomy(
        reference=f"127.0.0.1:5000/{arm}", digest=None, config_digest=f"sha256:{arm}", platform="linux/amd64",
        layers=layers, disk_bytes=sum(one.disk_bytes for one in layers), wire_bytes=None,
    )  # fmt: skip
    return ImageContents(anatomy=anatomy, inventory=Inventory())


def dosed_run(truth: Truth | None = None, *, blocks: int = 4, seed: int = 7, dose: Dose = DOSE) -> RunData:
    """Every launch builds, pushes, removes and pulls its image; the base is there."""
    truth, random = truth or Truth(), np.random.default_rng(seed)
    data = make_run(
        dict.fromkeys(LAYERS, Fake()), blocks=blocks, burn_in=0, seed=seed,
        stages=(Stage(id="c1", concurrency=1, duration_s=1.0),),
        dose=dose, registry="own", coldstart=Coldstart(image_absent=ImageAbsent.EACH),
    )  # fmt: skip
    of_block = np.exp(random.normal(0, truth.of_block, blocks))
    launches = []
    for one in data.launches:
        factor = float(of_block[one.launch.block] * np.exp(random.normal(0, truth.of_launch)))
        launches.append(dataclasses.replace(one, launch=brought(one.launch, truth, factor)))
    return dataclasses.replace(data, launches=tuple(launches), contents={arm: contents_of(arm) for arm in LAYERS})


def brought(launch: Launch, truth: Truth, factor: float) -> Launch:
    """The launch with its image record: layers come down one after the other and are then unpacked."""
    own = LAYERS[launch.arm]
    disk = sum(layer[1] for layer in own) / 1000
    times, at_s = [LayerTimes(id="b" * 12, already_present=True)], 0.2 * factor
    for place, layer in enumerate(own):
        end_s = at_s + truth.download * layer[0] / 1000 * factor
        times.append(LayerTimes(id=f"{place:012x}", bytes=layer[0] * MB, download_start_s=at_s, download_end_s=end_s))
        at_s = end_s
    downloaded_s = at_s
    for place, layer in enumerate(own, start=1):
        end_s = at_s + truth.extract * layer[1] / 1000 * factor
        times[place] = dataclasses.replace(times[place], extract_start_s=at_s, extract_end_s=end_s)
        at_s = end_s
    record = ImageRecord(
        facts=ImageFacts(reference=f"127.0.0.1:5000/{launch.arm}:now", id=f"sha256:{launch.arm}-{launch.index}"),
        build=BuildRecord(
            tool="computed", args={}, base=None, dockerfile_sha256="computed", context_bytes=1,
            wall_s=(8.0 + truth.build * disk) * factor, cold=True,
        ),
        push=PushRecord(
            reference="computed", wall_s=(0.5 + truth.push * (disk + BASE.disk_bytes / 1e9)) * factor,
            layers_pushed=1 + len(own),  # into an empty registry the base goes too
        ),
        pull=PullRecord(
            reference="computed", wall_s=at_s + 0.1 * factor, layers=tuple(times), downloaded_s=downloaded_s
        ),
    )  # fmt: skip
    start_s = (truth.start_at_zero + truth.start * disk) * factor
    marks = {Mark.CREATED: 0.001, Mark.READY: start_s * 0.9 + 0.001, Mark.FIRST_TOKEN: start_s + 0.001}
    return dataclasses.replace(launch, image=record, marks=marks)
