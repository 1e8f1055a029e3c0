"""The samplers beside a launch: when they begin, and that all of them end."""

import contextlib
from types import SimpleNamespace

import pytest

from bench.launching import attempt as module
from bench.launching.attempt import Attempt


class Played:
    """A launch of which every step is only written down; `fails` names the one that raises."""

    def __init__(self, monkeypatch, fails=None):
        self.steps, self.fails = [], fails
        for name in ("start", "learn_config", "apply_load", "container_facts"):
            monkeypatch.setattr(module, name, self.step(name))
        monkeypatch.setattr(module, "launch_spec", self.step("launch_spec"))
        monkeypatch.setattr(module, "named", self.step("named"))
        monkeypatch.setattr(Attempt, "_start_up", self.step("start_up"))
        monkeypatch.setattr(Attempt, "_note_marks", self.step("note_marks"))
        monkeypatch.setattr(Attempt, "say", self.step("say"))
        monkeypatch.setattr(Attempt, "arm", SimpleNamespace(name="a"))
        monkeypatch.setattr(module, "Sampling", self.sampling)

    def step(self, name):
        def take(*arguments, **names):
            self.steps.append(name)
            if name == self.fails:
                raise KeyboardInterrupt
            return SimpleNamespace(paste=tuple, stop=self.step("arm ends"))

        return take

    def sampling(self, _):
        def watch(*arguments):
            return self.step("watch loaded" if arguments else "watch empty")()

        return SimpleNamespace(watch_idle=watch, begin_arm=self.step("begin"), stop=self.step("samplers end"))

    def run(self):
        planned = SimpleNamespace(arm="a")
        prepared = SimpleNamespace(images={})
        folder = SimpleNamespace(log_path=None, scratch=None, name=SimpleNamespace(attempt=1))
        one = Attempt(None, planned, None, folder, print, contextlib.nullcontext, prepared=prepared)
        with contextlib.suppress(KeyboardInterrupt):
            one.run()
        return [step for step in self.steps if step.startswith(("watch", "begin", "apply", "samplers", "arm"))]


ENDS = ["samplers end", "arm ends", "samplers end"]


def test_the_host_is_sampled_before_the_arm_is_watched_idle(monkeypatch):
    steps = Played(monkeypatch).run()
    assert steps == ["watch empty", "begin", "watch loaded", "apply_load", *ENDS]


@pytest.mark.parametrize(
    ("fails", "steps"),
    [
        ("begin", ["watch empty", "begin", *ENDS]),
        ("watch loaded", ["watch empty", "begin", "watch loaded", *ENDS]),
        ("apply_load", ["watch empty", "begin", "watch loaded", "apply_load", *ENDS]),
        ("watch empty", ["watch empty", "samplers end"]),
    ],
)
def test_wherever_a_launch_is_cut_off_its_samplers_end_before_its_arm(monkeypatch, fails, steps):
    assert Played(monkeypatch, fails).run() == steps
