"""Scenarios: a YAML file becomes one frozen question, or one clear message."""

from bench.scenario.loading import Found, find_scenarios, load_scenario

__all__ = ["Found", "find_scenarios", "load_scenario"]
