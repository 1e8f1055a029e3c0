"""From a run folder to its page: summary.json, report.html and report.md, from the facts alone."""

from bench.report.write import write_report

__all__ = ["write_report"]
