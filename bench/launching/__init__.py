"""One launch from its first instant to its record: start, ready, first token, steady, load, stop."""

from bench.launching.attempt import Attempt, Shield

__all__ = ["Attempt", "Shield"]
