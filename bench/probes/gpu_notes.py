"""How one GPU answers: what it refuses for good is asked once, and what fails costs nothing else its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Values = Iterable[tuple[str, float]]  # metric, value


@dataclass
class GpuNotes:
    """What could not be read, for the report of the sampling."""

    absent: dict[str, dict[str, str]] = field(default_factory=dict)  # UUID -> metric -> why this card has it not
    failed: dict[str, dict[str, int]] = field(default_factory=dict)  # UUID -> metric -> reads that failed
    lost: dict[str, str] = field(default_factory=dict)  # UUID -> why nothing more can be asked of it


def is_final(nvml: Any, error: Exception) -> bool:
    """Whether another read cannot mend it; what is no error of NVML's is one of the bindings, and stays."""
    return not isinstance(error, nvml.NVMLError) or error.value in {
        nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND, nvml.NVML_ERROR_INVALID_ARGUMENT,
        nvml.NVML_ERROR_NO_PERMISSION, nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvml.NVML_ERROR_DEPRECATED,
        nvml.NVML_ERROR_VGPU_ECC_NOT_SUPPORTED,
    }  # fmt: skip


class Answers:
    """Of one GPU; what comes instead of an answer goes into the notes."""

    def __init__(self, nvml: Any, uuid: str, notes: GpuNotes) -> None:
        self._nvml, self._uuid, self._notes = nvml, uuid, notes
        self._gone = {nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED, nvml.NVML_ERROR_GPU_NOT_FOUND}

    def of(
        self, metrics: Sequence[str], ask: Callable[[], Values], *, last_words: bool = False
    ) -> list[tuple[str, float]]:
        """What came before the question failed, if it did; with `last_words` a GPU that is gone is asked too."""
        answers: list[tuple[str, float]] = []
        if self.lack(metrics) or (self._uuid in self._notes.lost and not last_words):
            return answers
        try:
            for answer in ask():
                answers.append(answer)  # one by one: an error leaves what came before it
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, other rows of this instant are right
            self.refuse(metrics, error)
        return answers

    def lack(self, metrics: Sequence[str]) -> bool:
        """Whether this card has none of them."""
        return bool(metrics) and all(metric in self._notes.absent.get(self._uuid, {}) for metric in metrics)

    def refuse(self, metrics: Sequence[str], error: Exception) -> None:
        """Note an error in the place of an answer."""
        if getattr(error, "value", None) in self._gone:
            self._notes.lost.setdefault(self._uuid, str(error))
        elif is_final(self._nvml, error):
            is_told = isinstance(error, self._nvml.NVMLError)
            self.set_absent(metrics, str(error) if is_told else f"{type(error).__name__}: {error}")
        else:
            self.fail(metrics)

    def fail(self, metrics: Sequence[str]) -> None:
        """Count a read that gave nothing."""
        failed = self._notes.failed.setdefault(self._uuid, {})
        for metric in metrics:
            failed[metric] = failed.get(metric, 0) + 1

    def set_absent(self, metrics: Sequence[str], why: str) -> None:
        """Never ask for them again."""
        self._notes.absent.setdefault(self._uuid, {}).update(dict.fromkeys(metrics, why))

    def set_present(self, metric: str) -> None:
        """There is another way to it."""
        self._notes.absent.get(self._uuid, {}).pop(metric, None)
