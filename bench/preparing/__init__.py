"""What container arms need on this host before the first launch: images, weights, profiles, places."""

from bench.preparing.flow import prepare
from bench.preparing.processors import on_cpus

__all__ = ["on_cpus", "prepare"]
