"""No launch begins on a GPU at work, set otherwise than at its first one, or warmer: heat costs clocks and power."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from bench.errors import LimitError
from bench.events import Event, Progress
from bench.launching.cardwords import busy, unlike
from bench.probes.driver_process import DriverSilent
from bench.probes.gpustate import GpuState
from bench.probes.gpuwatch import GpuGone, GpuWatch

MOST_WAIT_S = 300.0
POLL_S, TELL_S = 1.0, 10.0
SETTLE_S, SETTLED_C = 10.0, 1.0  # as warm as it gets between launches: no more than this apart over so long
Find = Callable[[str, str], None]  # id, text


@dataclass
class _Card:
    """What one GPU was like; temperature and power are known once it has been used, for no card gets as cold again."""

    normal: GpuState
    is_used: bool = False
    hopeless: set[str] = field(default_factory=set)  # causes that spoilt a launch, and its repetition too


@dataclass
class _Wait:
    """One wait: since when, and how warm each GPU was meanwhile."""

    began_s: float
    told_s: float
    warmth: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # UUID -> (instant, °C)

    def note(self, state: GpuState) -> None:
        if state.temperature_c is not None:
            self.warmth.setdefault(state.uuid, []).append((time.monotonic(), state.temperature_c))

    def is_settled(self, state: GpuState) -> bool:
        seen, now_s = self.warmth.get(state.uuid, []), time.monotonic()
        if state.temperature_c is None:
            return True
        late = [warm_c for at_s, warm_c in seen if at_s >= now_s - SETTLE_S]
        return now_s - seen[0][0] >= SETTLE_S and max(late) - min(late) <= SETTLED_C


class GpuGate:
    """One for a run. A card is used once before it says how warm it is between launches, and is let settle for that."""

    def __init__(
        self,
        *,
        most_wait_s: float = MOST_WAIT_S,
        read: Callable[[Sequence[str]], Sequence[GpuState]] | None = None,
    ) -> None:
        self._watch = GpuWatch()
        self._most_wait_s, self._read = most_wait_s, read or self._watch.read
        self._cards: dict[str, _Card] = {}

    def close(self) -> None:
        """End the process that asks the driver."""
        self._watch.close()

    def wait(self, uuids: Sequence[str], progress: Progress, find: Find) -> str | None:
        """Until every GPU is fit for a launch; why not, where that does not come in time. At once without GPUs.

        A card that has grown warmer for good, as a room does, or that holds more memory with nobody on it, is taken as
        it is when the time is up, and `find` is told. LimitError where a GPU is gone.
        """
        if not uuids:
            return None
        if not self._cards:
            progress(Event("stage", "asking the driver for the state of the GPU"))
        wait = _Wait(time.monotonic(), time.monotonic() - TELL_S)
        while True:
            states, reasons = self._look(uuids, wait)
            waited_s = time.monotonic() - wait.began_s
            if waited_s >= self._most_wait_s and all(is_soft for _, is_soft in reasons):
                for text, _ in reasons:
                    find("gpu-not-as-before", f"{text}; it stayed so for {waited_s:.0f} s, and this launch began")
                self._keep(states, anew=bool(reasons))
                return None
            if not reasons:
                self._keep(states)
                return None
            if waited_s >= self._most_wait_s:
                return f"{next(text for text, is_soft in reasons if not is_soft)}; waited {waited_s:.0f} s"
            if time.monotonic() - wait.told_s >= TELL_S:
                progress(Event("stage", f"waiting for the GPU: {reasons[0][0]}"))
                wait.told_s = time.monotonic()
            time.sleep(POLL_S)

    def may_repeat(self, uuids: Sequence[str], cause: str, *, is_last: bool) -> bool:
        """Whether a launch that its cards spoilt is measured once more.

        One pass without a number leaves its whole comparison without one. What spoils a launch twice is the card's
        own: other launches that meet it are taken as they come.
        """
        cards = [self._cards[uuid] for uuid in uuids if uuid in self._cards]
        if is_last:
            for card in cards:
                card.hopeless.add(cause)
        return not is_last and not any(cause in card.hopeless for card in cards)

    def _look(self, uuids: Sequence[str], wait: _Wait) -> tuple[Sequence[GpuState], list[tuple[str, bool]]]:
        """The states, and what speaks against a launch: a text, and whether it may be taken as it is in the end."""
        try:
            states = self._read(uuids)
        except GpuGone as error:
            raise LimitError(
                f"no launch can begin on {', '.join(uuids)}: {error}\n"
                "  repair: look at dmesg for its XID or a change of the driver; reset the GPU or restart the host, "
                "then go on with `nimbench run --resume RUN`"
            ) from error
        except DriverSilent as error:
            return (), [(f"the driver does not answer ({error})", False)]
        for state in states:
            wait.note(state)
        return states, [
            (f"{state.uuid} {text}", is_soft) for state in states for text, is_soft in self._reasons(state, wait)
        ]

    def _reasons(self, state: GpuState, wait: _Wait) -> Iterator[tuple[str, bool]]:
        for text in busy(state):
            yield text, False
        card = self._cards.get(state.uuid)
        if card is None:
            return
        if not card.is_used and not wait.is_settled(state):
            yield f"is still cooling down or warming up ({state.temperature_c:.0f} °C)", True
        for text, may_stay in unlike(card.normal, state):
            yield text, may_stay and wait.is_settled(state)

    def _keep(self, states: Sequence[GpuState], *, anew: bool = False) -> None:
        """What the cards are like now counts from here on."""
        for state in states:
            card = self._cards.get(state.uuid)
            if card is None:
                self._cards[state.uuid] = _Card(replace(state, temperature_c=None, power_w=None))
            elif anew or not card.is_used:
                card.normal, card.is_used = state, True
