"""scenarios/schema.json serves editors and says the same as the loader."""

import json

from bench.scenario import schema


def test_the_schema_file_is_current():
    assert schema.PATH.read_text() == schema.schema_text(), "run: python -m bench.scenario.schema"


def test_unknown_keys_are_refused_at_every_level():
    document = json.loads(schema.schema_text())
    shapes = [document, *document["$defs"].values()]
    assert all(shape.get("additionalProperties") is False for shape in shapes if "properties" in shape)
