"""A model that says what a test wants: a checkpoint of llama's shape whose attention and feed-forward parts are nought,
so that the next token depends on the last one alone, by a table. Tokens are bytes, and a few special ones."""
import json

import numpy as np
from checkpoints import write_safetensors

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
START, END = 257, 258
VOCAB, HIDDEN, HEADS, HEAD_WIDTH = 259, 288, 4, 16
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def byte_alphabet():
    """The character that byte-level BPE writes for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) if b in plain else chr(256 + n) for b, n in
            ((b, sum(c not in plain for c in range(b))) for b in range(256))]


def write_tokenizer(folder, template=TEMPLATE, marks=(), **changes):
    """marks: further tokens, from id VOCAB on, that are not special."""
    vocab = {c: i for i, c in enumerate(byte_alphabet())}
    added = [{"id": 256 + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": i < len(SPECIAL)} for i, text in enumerate([*SPECIAL, *marks])]
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
                                            "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": []},
    }
    tokenizer["model"] |= changes
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    (folder / "chat_template.jinja").write_text(template)


def config(**changes):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": 32,
            "num_hidden_layers": 1, "num_attention_heads": HEADS, "num_key_value_heads": 1, "head_dim": HEAD_WIDTH,
            "vocab_size": VOCAB, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 4096,
            "hidden_act": "silu", "tie_word_embeddings": False, "eos_token_id": END, "bos_token_id": None,
            "torch_dtype": "float32"} | changes


def weights(follows, vocab=VOCAB):
    """follows: {token: the token after it}; what is not named is followed by the end."""
    head = np.zeros((vocab, HIDDEN), np.float32)
    for token in range(vocab):
        head[follows.get(token, END), token] = 1.0
    layer, zeros, ones = "model.layers.0.", np.zeros, np.ones
    kinds = {
        "model.embed_tokens.weight": np.eye(vocab, HIDDEN), "lm_head.weight": head, "model.norm.weight": ones(HIDDEN),
        layer + "input_layernorm.weight": ones(HIDDEN), layer + "post_attention_layernorm.weight": ones(HIDDEN),
        layer + "self_attn.q_proj.weight": zeros((HEADS * HEAD_WIDTH, HIDDEN)),
        layer + "self_attn.k_proj.weight": zeros((HEAD_WIDTH, HIDDEN)),
        layer + "self_attn.v_proj.weight": zeros((HEAD_WIDTH, HIDDEN)),
        layer + "self_attn.o_proj.weight": zeros((HIDDEN, HEADS * HEAD_WIDTH)),
        layer + "mlp.gate_proj.weight": zeros((32, HIDDEN)), layer + "mlp.up_proj.weight": zeros((32, HIDDEN)),
        layer + "mlp.down_proj.weight": zeros((HIDDEN, 32)),
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in kinds.items()}


def saying(text):
    """The table of a model that answers with this text; no byte may occur twice."""
    chain = [ord("\n"), *text.encode(), END]
    assert len(set(chain)) == len(chain), text
    return dict(zip(chain, chain[1:]))


COUNTING = {ord("\n"): ord("0")} | {ord("0") + i: ord("0") + (i + 1) % 10 for i in range(10)}  # never ends


def write_talker(folder, follows, template=TEMPLATE, marks=(), **changes):
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder, template, marks)
    (folder / "config.json").write_text(json.dumps(config(vocab_size=VOCAB + len(marks), **changes)))
    write_safetensors(folder / "model.safetensors", weights(follows, VOCAB + len(marks)))
    return folder
