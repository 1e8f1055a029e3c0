"""Unique prompts of an exact token length, equal for the same seed; making one costs microseconds.

Words are chosen whose token count does not depend on their neighbours, so that a prompt of n words has a known length
without being encoded; a sample is re-encoded before any load, and every request is checked by the server's own count.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.errors import InputError
from bench.load.tokenizer import Count

_OPENING = "the"  # a text's first word stands without a space before it: tokenizers count it by other rules
_HEAD_WORDS = 16  # they name the prompt: no two prompts share a prefix, so no prefix cache can hit
_LEAST_WORDS = 16
_MOST_WORDS = 256
_REPEATS = 6
_WORDS = (
    "the of and to in is that for on with as was at by be this are or from an it not have but all can one if has will "
    "time more when out up use any see work used may which part other number no we so new like our into than them then "
    "some these two first also its way down day get made make over such only after most about right between name very "
    "through just where much before line too mean old same tell set three want air well end put home read hand port "
    "large add land here must big high follow act ask men change went light kind off need house try us again point near"
)
_SYLLABLES = [a + b + c for a in "bdfglmnprst" for b in "aeiou" for c in ("", "n", "r", "st")]
_LETTERS = list("abcdefghijklmnopqrstuvwxyz")
CANDIDATES = tuple(dict.fromkeys(_WORDS.split() + _LETTERS + _SYLLABLES))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptShape:
    """Everything that a load process needs to write prompts."""

    words: tuple[str, ...]
    words_per_prompt: int  # after the opening one
    tail: str  # makes the length exact where the words alone cannot
    tokens: int  # of the text by the tokenizer; with `overhead` it is what was asked
    overhead: int  # tokens that the server adds: BOS, chat template


class PromptMaker:
    """Prompt texts of one seed."""

    def __init__(self, shape: PromptShape, seed: int) -> None:
        self._shape, self._seed = shape, seed
        drawn = random.Random(f"nimbench/{seed}").choices(shape.words, k=shape.words_per_prompt + 8192)
        self._text = " ".join(drawn)
        self._starts = [0]
        for word in drawn:
            self._starts.append(self._starts[-1] + len(word) + 1)

    def prompt(self, key: str) -> str:
        """The prompt named `key`."""
        shape = self._shape
        digest = hashlib.blake2b(f"{self._seed}/{key}".encode(), digest_size=16).digest()
        value = int.from_bytes(digest, "big")
        head = [_OPENING]
        for _ in range(min(_HEAD_WORDS, shape.words_per_prompt)):
            value, place = divmod(value, len(shape.words))
            head.append(shape.words[place])
        rest = shape.words_per_prompt - len(head) + 1
        if rest:
            first = int.from_bytes(digest[-4:], "big") % (len(self._starts) - 1 - rest)
            head.append(self._text[self._starts[first] : self._starts[first + rest] - 1])
        return " ".join(head) + shape.tail


def make_shape(count: Count, input_tokens: int, overhead: int, *, seed: int) -> PromptShape:
    """The shape of prompts that the server will count as `input_tokens`, proved on a sample."""
    size, words = choose_words(count)
    wanted = input_tokens - overhead
    base = count(" ".join([_OPENING, *words[:_LEAST_WORDS]])) - size * _LEAST_WORDS
    number, missing = divmod(wanted - base, size)
    if number < 1:
        raise InputError(
            "input_tokens is too small", where="load.input_tokens", got=str(input_tokens),
            expected=f"at least {overhead + base + size}: the server adds {overhead} tokens to every prompt",
        )  # fmt: skip
    tail = _find_tail(count, words, missing)
    shape = PromptShape(words=words, words_per_prompt=number, tail=tail, tokens=wanted, overhead=overhead)
    verify(shape, count, PromptMaker(shape, seed), [f"sample/{i}" for i in range(8)])
    return shape


def verify(shape: PromptShape, count: Count, maker: PromptMaker, keys: Sequence[str]) -> None:
    """Re-encode the prompts named `keys`; raises where one has another length."""
    for key in keys:
        got = count(maker.prompt(key))
        if got != shape.tokens:
            raise InputError(
                "this tokenizer gives no prompts of an exact length", where="tokenizer",
                expected=f"{shape.tokens} tokens", got=f"{got} for prompt {key}",
                repair="the words merge across spaces: give the model's own tokenizer.json",
            )  # fmt: skip


def choose_words(count: Count) -> tuple[int, tuple[str, ...]]:
    """(tokens per word, words) such that each word adds the same number of tokens wherever it stands."""
    start = count(_OPENING)
    sizes: dict[int, list[str]] = {}
    for word in CANDIDATES:
        added = count(_OPENING + f" {word}" * _REPEATS) - start
        if added > 0 and added % _REPEATS == 0:
            group = sizes.setdefault(added // _REPEATS, [])
            group.append(word)
            if added == _REPEATS and len(group) >= _MOST_WORDS:
                break
    for size in sorted(sizes):
        if len(sizes[size]) >= _LEAST_WORDS:
            return size, tuple(sizes[size][:_MOST_WORDS])
    raise InputError(
        "no words of a constant token count", where="tokenizer", got=str({s: len(w) for s, w in sizes.items()}),
        repair="prompts are made of English words and syllables: use a tokenizer that knows Latin letters",
    )  # fmt: skip


def _find_tail(count: Count, words: Sequence[str], missing: int) -> str:
    if not missing:
        return ""
    stem = " ".join([_OPENING, *words[:_LEAST_WORDS]])
    bare = count(stem)
    for candidate in (*CANDIDATES, *".!?;,:"):
        for text in (f" {candidate}", candidate):
            if count(stem + text) == bare + missing:
                return text
    raise InputError("cannot make prompts of this exact length with this tokenizer", where="load.input_tokens")
