"""The plan: every launch in order, its ports and prompts' seed, and what it will take. Pure; starts nothing."""

from bench.plan.commands import launch_spec, model_path
from bench.plan.order import make_plan

__all__ = ["launch_spec", "make_plan", "model_path"]
