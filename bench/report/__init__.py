"""From a run folder to its page: summary.json, report.html and report.md, from the facts alone."""

from bench.report.write import read_subject, write_report, write_subject

__all__ = ["read_subject", "write_report", "write_subject"]
