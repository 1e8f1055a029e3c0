"""Prompts of an exact length, proved against real tokenizers of three kinds."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from bench.errors import InputError
from bench.load.prompts import CANDIDATES, PromptMaker, choose_words, make_shape
from bench.load.tokenizer import open_tokenizer

TEXT = [" ".join(CANDIDATES[start : start + 40]) for start in range(0, len(CANDIDATES), 20)] * 4


def saved(tokenizer, trainer, path):
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.save(str(path))
    return open_tokenizer(str(path), url="", model="")


@pytest.fixture(scope="module", params=["bytes-large", "bytes-small", "words"])
def count(request, tmp_path_factory):
    """Counting functions: a BPE that knows words, one that knows single bytes, and whole words only."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    if request.param == "words":
        tokenizer = Tokenizer(models.WordLevel(unk_token="?"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        return saved(tokenizer, trainers.WordLevelTrainer(special_tokens=["?"], show_progress=False), path)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    size = 1200 if request.param == "bytes-large" else len(alphabet)
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    return saved(tokenizer, trainer, path)


@pytest.mark.parametrize("tokens", [33, 128, 1000])
@pytest.mark.parametrize("overhead", [0, 1, 12])
def test_every_prompt_has_the_length_that_was_asked(count, tokens, overhead):
    maker = PromptMaker(make_shape(count, tokens, overhead, seed=7), 7)
    assert {count(maker.prompt(f"c8/0/{i}/m0")) for i in range(20)} == {tokens - overhead}


def test_prompts_are_equal_for_the_same_seed_and_differ_otherwise(count):
    shape = make_shape(count, 128, 0, seed=1)
    keys = [f"c8/0/{stream}/m{turn}" for stream in range(40) for turn in range(5)]
    first = [PromptMaker(shape, 1).prompt(key) for key in keys]
    assert first == [PromptMaker(shape, 1).prompt(key) for key in keys]
    assert len({*first, *(PromptMaker(shape, 2).prompt(key) for key in keys)}) == 2 * len(keys)


def test_no_two_prompts_share_a_prefix_that_a_cache_could_hit(count):
    shape = make_shape(count, 512, 0, seed=1)
    prompts = [PromptMaker(shape, 1).prompt(f"c8/0/{i}/m0") for i in range(200)]
    assert len({" ".join(prompt.split()[:16]) for prompt in prompts}) == len(prompts)


def test_words_are_alike_wherever_they_stand(count):
    size, words = choose_words(count)
    assert len(words) >= 16
    assert count("the " + " ".join(words)) == count("the") + size * len(words)


def test_too_short_a_prompt_says_what_the_server_adds(count):
    with pytest.raises(InputError, match="adds 30 tokens"):
        make_shape(count, 20, 30, seed=1)


def test_a_tokenizer_that_merges_across_spaces_is_refused():
    with pytest.raises(InputError):
        make_shape(lambda text: len(text) // 7 + 1, 64, 0, seed=1)


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(InputError, match="cannot read the tokenizer"):
        open_tokenizer(str(path), url="", model="")
