"""`nimbench load`: load one running endpoint; the same client and the same metrics as a run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.analysis.metrics import stage_values
from bench.cli.interrupts import Interrupts
from bench.clock import now_ns
from bench.errors import ArmError, InputError, PrerequisiteError
from bench.events import Event
from bench.load.driver import LoadAborted, drive
from bench.load.job import LoadJob, LoadResult
from bench.model import Load, Stage
from bench.vocabulary import Api, FailureKind, Phase, RequestStatus
from bench.wire.request import get_once

METRICS = (
    "ttft_p50_s", "ttft_p90_s", "ttft_p99_s", "tpot_p50_s", "tpot_p99_s", "itl_mean_s", "e2e_p50_s", "e2e_p99_s",
    "output_tokens_per_s", "requests_per_s",
)  # fmt: skip
_STAGE = "load"
_UNITS_S = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType):  # type: ignore[type-arg]
    """Seconds, or a number with ms, s, m or h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", str(value).strip())
        if not match or float(match[1]) <= 0:
            self.fail(f"{value!r} is no duration such as 30s or 2m", param, ctx)
        return float(match[1]) * _UNITS_S[match[2]]


@click.command(name="load")
@click.argument("url")
@click.option("--model", required=True, help="The model's name in the requests.")
@click.option("--concurrency", type=click.IntRange(min=1), help="Streams: each sends its next request when one ends.")
@click.option("--requests", type=click.IntRange(min=1), help="Measure exactly so many requests.")
@click.option("--duration", type=Duration(), help="Measure the requests of a window of this length, such as 30s.")
@click.option("--input-tokens", type=click.IntRange(min=1), required=True, help="Exact length of every prompt.")
@click.option("--output-tokens", type=click.IntRange(min=1), required=True, help="max_tokens of every request.")
@click.option("--rate", type=float, help="Open loop, requests per second: not there yet.")
@click.option(
    "--api",
    type=click.Choice([str(api) for api in Api]),
    default="completions",
    show_default=True,
    help="The OpenAI route that the requests use.",
)
@click.option("--tokenizer", default="server", show_default=True, metavar="PATH", help="A tokenizer.json, or `server`.")
@click.option("--requests-out", type=click.Path(dir_okay=False, path_type=Path), help="Write every request as Parquet.")
@click.option("--warmup-requests", type=click.IntRange(min=0), default=0, show_default=True, help="Per stream, first.")
@click.option("--ramp", type=Duration(), default=0.0, help="Spread the first starts over this time.")
@click.option("--timeout", type=Duration(), default=120.0, help="Of one request.  [default: 120s]")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Load processes.")
@click.option("--ignore-eos/--keep-eos", default=False, help="Send ignore_eos, which vLLM, NIM and llama.cpp know.")
@click.option("--header", "headers", multiple=True, metavar="NAME: VALUE", help="Added to every request; repeatable.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the prompts.")
@click.option("--json", "as_json", is_flag=True, help="Only JSON on stdout.")
def command(**options: Any) -> None:
    """Load URL (http(s)://host:port) and print the latencies and rates that its requests met."""
    job = _job(options)
    out: Path | None = options["requests_out"]
    if out and not out.parent.is_dir():
        raise InputError("no such folder", where="--requests-out", got=str(out.parent))
    _require_server(job)
    failure: ArmError | None = None
    try:
        with Interrupts().installed():  # SIGTERM too: nothing is left behind
            result = drive(job, _say)
    except LoadAborted as error:
        result, failure = error.result, error
    document = summarise_load(result)
    if not document["requests"] or document["errors"] == document["requests"]:
        failure = failure or _all_failed(result)
    click.echo(json.dumps(document, indent=2) if options["as_json"] else _text(document))
    if out:
        _write(result.requests, out)
    if failure:
        raise failure
    if document["errors"]:
        click.echo(f"{document['errors']} of {document['requests']} requests failed: {_first_error(result)}", err=True)


def summarise_load(result: LoadResult) -> dict[str, Any]:
    """The document of `load --json`."""
    window = result.stages[0]
    rows = result.requests.filter(pc.equal(result.requests["phase"], str(Phase.WINDOW)))
    statuses = rows["status"].to_pylist()
    values: Mapping[str, float | None] = stage_values(result.requests.to_pandas(), window) if rows.num_rows else {}
    return {
        "metrics": {name: values.get(name) for name in METRICS},
        "requests": rows.num_rows,
        "errors": statuses.count(str(RequestStatus.ERROR)),
        "incomplete": statuses.count(str(RequestStatus.INCOMPLETE)),
        "wall_s": window.window_end_s - window.window_start_s,
        "client_cpu_s": result.client["cpu_to_rows_s"][f"{_STAGE}/0"],
        "findings": list(result.client["findings"]),
    }


def _job(options: Mapping[str, Any]) -> LoadJob:
    if options["rate"] is not None:
        raise InputError(
            "the open loop is not there yet", where="--rate", expected="--concurrency N", repair="use a closed loop"
        )
    if options["concurrency"] is None:
        raise InputError("how many streams?", where="--concurrency", expected="a positive integer")
    if (options["requests"] is None) == (options["duration"] is None):
        raise InputError("give either --requests or --duration", where="load", expected="one bound")
    counted = options["requests"] is not None
    stage = Stage(
        id=_STAGE, concurrency=options["concurrency"], requests=options["requests"], duration_s=options["duration"]
    )
    load = Load(
        stages=(stage,), input_tokens=options["input_tokens"], output_tokens=options["output_tokens"],
        api=Api(options["api"]), ignore_eos=options["ignore_eos"], warmup_s=0.0,
        warmup_requests=options["warmup_requests"] if counted else max(1, options["warmup_requests"]),
        ramp_s=options["ramp"], timeout_s=options["timeout"], workers=options["workers"],
    )  # fmt: skip
    url = options["url"].rstrip("/").removesuffix("/v1")
    return LoadJob(
        url=url if "//" in url else f"http://{url}", model=options["model"], load=load, seed=options["seed"],
        t0_ns=now_ns(), tokenizer=options["tokenizer"], headers=dict(map(_header, options["headers"])),
        extras={"ignore_eos": True} if options["ignore_eos"] else {}, keep_chunks=False,
    )  # fmt: skip


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise InputError("not a header", where="--header", expected="NAME: VALUE")
    return name.strip(), value.strip()


def _require_server(job: LoadJob) -> None:
    """Something must listen; any HTTP answer will do."""
    answer = get_once(job.url, "/v1/models", headers=job.headers)
    if answer.status is None:
        raise PrerequisiteError(
            f"no server answers: {answer.error_kind}: {answer.error}",
            where=job.url,
            repair="start it, or mind the port",
        )


def _write(requests: pa.Table, out: Path) -> None:
    """After the numbers are shown: a file that cannot be written does not cost them."""
    try:
        pq.write_table(requests, out)
    except OSError as error:
        raise PrerequisiteError(
            "the requests cannot be written", where=str(out), got=error.strerror or str(error),
            repair="give --requests-out a file in a folder of yours",
        ) from error  # fmt: skip


def _all_failed(result: LoadResult) -> ArmError:
    return ArmError(
        FailureKind.CRASHED, f"every request failed: {_first_error(result)}", repair="the server's log says why"
    )


def _first_error(result: LoadResult) -> str:
    table: pa.Table = result.requests
    failed = table.filter(pc.equal(table["status"], str(RequestStatus.ERROR)))
    return f"{failed['error_kind'][0]}: {failed['error'][0]}" if failed.num_rows else "none was sent"


def _say(event: Event) -> None:
    click.echo(f"{event.kind}: {event.text}", err=True)


def _text(document: Mapping[str, Any]) -> str:
    lines = [f"{'requests':<22}{document['requests']}"]
    lines += [f"{name:<22}{document[name]}" for name in ("errors", "incomplete") if document[name]]
    for name, value in document["metrics"].items():
        shown = f"{value:.2f} per s" if value is not None and name.endswith("_per_s") else _milliseconds(value)
        lines.append(f"{name:<22}{shown}")
    lines += [f"{name:<22}{document[name]:.2f} s" for name in ("wall_s", "client_cpu_s")]
    lines += [f"{finding['severity']}: {finding['text']}" for finding in document["findings"]]
    return "\n".join(lines)


def _milliseconds(value_s: float | None) -> str:
    return "too few requests" if value_s is None else f"{value_s * 1e3:.2f} ms"
