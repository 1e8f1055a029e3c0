"""A small Llama with random weights, made from a seed: one set of weights and one tokenizer, for both engines.

No model hub is asked. What the weights say does not matter to a benchmark: how many there are, their precision and the
tokenizer do. `make(FOLDER)` writes

    model.gguf                                   llama.cpp, the same float16
    model-q4_0.gguf                              llama.cpp, in blocks of 4 bits, as people mostly run it on a CPU
    hf/{model.safetensors, config.json, …}       vLLM (`hf/tokenizer.json` also makes the prompts)

The bytes depend on the constants below alone; `tiny_llama.sha256.json` beside this file holds their SHA-256.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

NAME = "tiny-llama"
SEED = 1
LAYERS, HIDDEN, FEED_FORWARD = 12, 512, 1408  # 40 million weights: 3 to 8 ms per token on one core
HEADS, KV_HEADS = 8, 4  # heads of 64: a size that every engine's attention takes
VOCABULARY, CONTEXT = 4096, 2048
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
ROPE_BASE, NORM_EPSILON = 10000.0, 1e-5

Weights = dict[str, np.ndarray[Any, np.dtype[np.float16]]]


def make(folder: Path) -> None:
    """Write every file of the model below `folder`, which exists."""
    tokenizer = train_tokenizer()
    weights = draw_weights(tokenizer)
    (folder / "hf").mkdir()
    write_safetensors(folder / "hf" / "model.safetensors", weights)
    write_settings(folder / "hf")
    tokenizer.save(str(folder / "hf" / "tokenizer.json"), pretty=False)
    write_gguf(folder / "model.gguf", weights, tokenizer, gguf.GGMLQuantizationType.F16)
    write_gguf(folder / "model-q4_0.gguf", weights, tokenizer, gguf.GGMLQuantizationType.Q4_0)


def sentences(count: int = 3000) -> Iterator[str]:
    """Text of made-up words, the frequent ones short, as in any language: what the tokenizer is trained on."""
    uniform = random.Random(SEED).random  # the one method whose stream Python promises to keep
    syllables = [c + v + t for c in "bcdfghjklmnprstvwz" for v in "aeiou" for t in ("", "n", "s", "r")]
    words = [
        "".join(syllables[int(uniform() * len(syllables))] for _ in range(1 + index // 1000)) for index in range(4000)
    ]
    for _ in range(count):
        text = " ".join(words[int(uniform() * uniform() * uniform() * len(words))] for _ in range(12))
        yield f"{text.capitalize()}{'.,;:!?'[int(uniform() * 6)]} {int(uniform() * 10000)}\n"


def train_tokenizer() -> Tokenizer:
    """Byte-level BPE as in GPT-2, which llama.cpp's `gpt2` tokenizer repeats token for token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BOS, EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(), trainer)
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise RuntimeError(f"the training text gave {tokenizer.get_vocab_size()} tokens, not {VOCABULARY}")
    return tokenizer


def is_spoken(token: str) -> bool:
    """Whether the model may say this token: printable ASCII, so that every token is text of its own in a stream."""
    return token not in (BOS, EOS) and all("!" <= c <= "~" or c == "Ġ" for c in token)


def draw_weights(tokenizer: Tokenizer) -> Weights:
    """Uniform weights of -1/32 … 1/32 in float16 under the names of Hugging Face.

    Integers of the raw bit stream, which numpy promises to keep, times a power of two: the same bytes on every machine.
    Tokens that are not spoken have a logit of 0, which is never the largest.
    """
    bits = np.random.PCG64(SEED)

    def matrix(rows: int, columns: int) -> np.ndarray[Any, np.dtype[np.float16]]:
        integers = bits.random_raw(rows * columns // 4).astype("<u8").view("<i2") >> 5
        return (integers.astype(np.float16) * np.float16(2**-15)).reshape(rows, columns)

    ones = np.ones(HIDDEN, dtype=np.float16)
    kv_width = HIDDEN // HEADS * KV_HEADS
    weights = {"model.embed_tokens.weight": matrix(VOCABULARY, HIDDEN), "model.norm.weight": ones}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        weights |= {
            at + "input_layernorm.weight": ones,
            at + "self_attn.q_proj.weight": matrix(HIDDEN, HIDDEN),
            at + "self_attn.k_proj.weight": matrix(kv_width, HIDDEN),
            at + "self_attn.v_proj.weight": matrix(kv_width, HIDDEN),
            at + "self_attn.o_proj.weight": matrix(HIDDEN, HIDDEN),
            at + "post_attention_layernorm.weight": ones,
            at + "mlp.gate_proj.weight": matrix(FEED_FORWARD, HIDDEN),
            at + "mlp.up_proj.weight": matrix(FEED_FORWARD, HIDDEN),
            at + "mlp.down_proj.weight": matrix(HIDDEN, FEED_FORWARD),
        }
    head = matrix(VOCABULARY, HIDDEN)
    head[[i for token, i in tokenizer.get_vocab().items() if not is_spoken(token)]] = 0
    return weights | {"lm_head.weight": head}


def write_safetensors(path: Path, weights: Weights) -> None:
    """The container by hand: length of the header in 8 bytes, header as JSON padded to 8, then the data."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, values in weights.items():
        start, end = end, end + values.nbytes
        header[name] = {"dtype": "F16", "shape": list(values.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.writelines(values.tobytes() for values in weights.values())


def write_settings(folder: Path) -> None:
    """config.json and its companions, as transformers and vLLM read them."""
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "float16",
        "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HIDDEN // HEADS,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": NORM_EPSILON,
        "rope_theta": ROPE_BASE,
        "vocab_size": VOCABULARY,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
    }
    words = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
        "chat_template": CHAT_TEMPLATE,
    }
    documents = {
        "config.json": config,
        "generation_config.json": {"bos_token_id": 0, "eos_token_id": 1},
        "tokenizer_config.json": words,
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=1) + "\n")


CHAT_TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "


def write_gguf(path: Path, weights: Weights, tokenizer: Tokenizer, kind: gguf.GGMLQuantizationType) -> None:
    """The same weights and tokens as llama.cpp reads them; matrices in `kind`."""
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(NAME)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_vocab_size(VOCABULARY)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{kind.name}"])
    add_tokens(writer, tokenizer)
    for name, values in weights.items():
        ordered = gguf_values(name, values)
        if ordered.ndim == 1 or kind is gguf.GGMLQuantizationType.F16:
            writer.add_tensor(gguf_name(name), ordered)
        else:
            blocks = gguf.quants.quantize(ordered.astype(np.float32), kind)
            writer.add_tensor(gguf_name(name), blocks, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_tokens(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    """Tokens by id, merges by rank."""
    document = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(document["vocab"], key=document["vocab"].__getitem__)
    kinds = [gguf.TokenType.CONTROL if token in (BOS, EOS) else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in document["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def gguf_name(name: str) -> str:
    """llama.cpp's name of a weight, e.g. model.layers.3.mlp.up_proj.weight → blk.3.ffn_up.weight."""
    short = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    short |= {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.o_proj": "attn_output"}
    short |= {f"self_attn.{x}_proj": f"attn_{x}" for x in "qkv"}
    short |= {f"mlp.{x}_proj": f"ffn_{x}" for x in ("gate", "up", "down")}
    stem = name.removesuffix(".weight")
    if stem in short:
        return f"{short[stem]}.weight"
    layer, part = stem.removeprefix("model.layers.").split(".", 1)
    return f"blk.{layer}.{short[part]}.weight"


def gguf_values(name: str, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Norms as float32; rows of Q and K in llama.cpp's order, which rotates neighbours instead of halves."""
    if values.ndim == 1:
        return values.astype(np.float32)
    heads = {"q_proj": HEADS, "k_proj": KV_HEADS}.get(name.split(".")[-2])
    if heads is None:
        return values
    rows, columns = values.shape
    return values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
