"""The JSON Schema of scenario.yaml, for editors. `python -m bench.scenario.schema` rewrites scenarios/schema.json."""

from __future__ import annotations

import json
from pathlib import Path

import bench
from bench.scenario.shape import ScenarioShape

PATH = Path(bench.__file__).resolve().parents[1] / "scenarios" / "schema.json"


def schema_text() -> str:
    """The schema as the file holds it."""
    return json.dumps(ScenarioShape.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(schema_text(), encoding="utf-8")
