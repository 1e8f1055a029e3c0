"""From facts to numbers to a verdict: pure, reads what the store loaded, writes nothing."""

from bench.analysis.summary import summarise, to_json

__all__ = ["summarise", "to_json"]
