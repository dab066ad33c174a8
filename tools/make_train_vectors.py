"""Training vectors: what PyTorch and transformers make of ten steps of AdamW on golden cases.

    python tools/make_train_vectors.py [--vaetki FILE.py] [--only FAMILY]     writes tests/vectors/train/FAMILY.json

Begins with a case's weights, in float64, and learns ten batches of two documents of random tokens; some tokens are not learned.
A file has the batches, the loss and the gradient's norm of every step (before clipping), and of every tensor its gradient at the
first step and its weights after the last. A tensor is told by its length and four sums of its elements with random signs, since
what is wrong anywhere moves those; see sums(). tests/train/vectors_test.c reads it.

Needs torch and transformers. FILE.py is a reference of VAETKI with Config.from_dict and Model (see tests/golden/README.md); without
it that family is left out. What transformers lacks, the draft layer of K-EXAONE, is written down here from its equations.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import re

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parents[1]
CASES = {  # family: (golden case, transformers' classes)
    "exaone_moe": ("exaone_moe/base_f32", "ExaoneMoe"),
    "exaone4": ("exaone4/hybrid_32b", "Exaone4"),
    "llama": ("llama/llama3_tied", "Llama"),
    "hyperclovax": ("hyperclovax/mup_all", "HyperCLOVAX"),
    "solar_open": ("solar_open/base_f32", "SolarOpen"),
    "axk1": ("axk1/base_f32", "AXK1"),
    "vaetki": ("vaetki/flagship", None),
}
STEPS, DOCUMENTS, LENGTH = 10, 2, 24
# eps is large enough that a gradient of nothing but rounding moves no weight.
HYPER = {"rate": 2e-4, "beta1": 0.9, "beta2": 0.95, "eps": 1e-5, "decay": 2.0, "clip": 1.0, "draft_factor": 0.3}


def sums(t):
    """Length, and four sums with signs: element i counts by bit 15 + k of (i * 2654435761) mod 2^32, set: minus."""
    x = t.detach().double().flatten()
    i = torch.arange(len(x), dtype=torch.int64) * 2654435761 % 2**32
    signs = [1 - 2 * ((i >> (15 + k)) & 1) for k in range(4)]
    return [float(f"{v:.12g}") for v in (x.norm().item(), *((x * s).sum().item() for s in signs))]


# ---- The draft layer: from the equations, as transformers drops it ---------------------------------------------------------------


class Draft(torch.nn.Module):
    def __init__(self, tensors, config):
        super().__init__()
        self.w = torch.nn.ParameterDict({n.replace(".", "/"): torch.nn.Parameter(t.double()) for n, t in tensors.items()})
        self.c = config

    def rms(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.c["rms_norm_eps"]) * self.w[f"mtp/{name}/weight"]

    def linear(self, x, name):
        return x @ self.w[f"mtp/{name}/weight"].T

    def forward(self, embedded, hidden):  # [n, H] each: of the next tokens, and behind the main model's last norm
        c, d, n = self.c, self.c["head_dim"], len(hidden)
        assert c["mtp_layer_types"] == ["full_attention"]
        z = self.linear(torch.cat((self.rms(embedded, "pre_fc_norm_embedding"), self.rms(hidden, "pre_fc_norm_hidden")), -1), "fc")
        a = self.rms(z, "layers/0/input_layernorm")
        heads = lambda kind, count: self.linear(a, f"layers/0/self_attn/{kind}_proj").view(n, count, d)
        q = self.rms(heads("q", c["num_attention_heads"]), "layers/0/self_attn/q_norm").transpose(0, 1)
        k = self.rms(heads("k", c["num_key_value_heads"]), "layers/0/self_attn/k_norm").transpose(0, 1)
        v = heads("v", c["num_key_value_heads"]).transpose(0, 1)
        o = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)[0]
        z = z + self.linear(o.transpose(0, 1).reshape(n, -1), "layers/0/self_attn/o_proj")
        b = self.rms(z, "layers/0/post_attention_layernorm")
        z = z + self.linear(F.silu(self.linear(b, "layers/0/mlp/gate_proj")) * self.linear(b, "layers/0/mlp/up_proj"), "layers/0/mlp/down_proj")
        return self.rms(z, "norm")


# ---- Models ----------------------------------------------------------------------------------------------------------------------


class Published:
    """A model of transformers under its publisher's names."""

    def __init__(self, folder, family, classes):
        raw = json.load(open(folder / "config.json"))
        config = getattr(transformers, classes + "Config").from_dict(raw | {"model_type": family})
        config._attn_implementation = "eager"
        self.family = family
        self.model = getattr(transformers, classes + "ForCausalLM").from_pretrained(folder, config=config, dtype=torch.float64, attn_implementation="eager", experts_implementation="eager").eval()
        tensors = load_file(folder / "model.safetensors")
        draft = {n: t for n, t in tensors.items() if n.startswith("mtp.")}
        self.draft = Draft(draft, raw) if draft else None
        for name, p in self.model.named_parameters():
            p.requires_grad_("e_score_correction_bias" not in name)

    def parameters(self):
        """(name, parameter) of what is learned, by the names in memory."""
        yield from ((n, p) for n, p in self.model.named_parameters() if p.requires_grad)
        yield from ((n.replace("/", ".").removeprefix("w."), p) for n, p in (self.draft.named_parameters() if self.draft else ()))

    def published(self, name, t):
        experts = re.fullmatch(r"(.*\.mlp\.experts)\.(gate_up_proj|down_proj)", name)
        if not experts:
            yield (name.replace(".mlp.post_mlp_layernorm.", ".post_mlp_layernorm.") if self.family == "axk1" else name), t
            return
        for e, one in enumerate(t):
            halves = zip(("gate_proj", "up_proj"), one.chunk(2)) if experts[2] == "gate_up_proj" else [("down_proj", one)]
            yield from ((f"{experts[1]}.{e}.{kind}.weight", half) for kind, half in halves)

    def losses(self, ids, weights):
        """Sums of the weighted losses over documents, and of the weights: of the next tokens, of the draft layer's."""
        main, draft, n, m = 0.0, 0.0, weights.sum(), 0.0
        for one, w in zip(ids, weights):
            out = self.model.model(one[None], use_cache=False).last_hidden_state[0]
            scale = self.model.config.logits_scaling if self.family == "hyperclovax" else 1.0
            head = lambda h: F.linear(h, self.model.lm_head.weight) * scale
            main = main + (F.cross_entropy(head(out[:-1]), one[1:], reduction="none") * w[:-1]).sum()
            if self.draft:
                hidden = self.draft(self.model.model.embed_tokens(one[1:]), out[:-1])
                draft = draft + (F.cross_entropy(head(hidden[:-1]), one[2:], reduction="none") * w[1:-1]).sum()
                m = m + w[1:-1].sum()
        return main, draft, n, m


class Vaetki:
    """The reference of VAETKI; its tensors carry the vendor's names. It was made to infer: parts of a split are written in place,
    which gradients forbid, so here they are copies."""

    draft = None

    def __init__(self, folder, file):
        spec = importlib.util.spec_from_file_location("vaetki_reference", file)
        reference = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(reference)
        split = torch.Tensor.split
        torch.Tensor.split = lambda t, *how, **more: tuple(part.clone() for part in split(t, *how, **more))
        config = reference.Config.from_json(json.load(open(folder / "config.json")))
        self.tensors = {n: torch.nn.Parameter(t.double()) for n, t in load_file(folder / "model.safetensors").items()}
        self.model = lambda: reference.Model(config, self.tensors, torch.float64)

    def parameters(self):
        yield from self.tensors.items()

    def published(self, name, t):
        yield name, t

    def losses(self, ids, weights):
        main, model = 0.0, self.model()  # anew each time: it computes with its tensors when it is made
        for one, w in zip(ids, weights):
            logits = type(model).forward.__wrapped__(model, one).logits  # without its no_grad
            main = main + (F.cross_entropy(logits[:-1], one[1:], reduction="none") * w[:-1]).sum()
        return main, 0.0, weights.sum(), 0.0


# ---- Ten steps -------------------------------------------------------------------------------------------------------------------


def batches(vocab):
    rng = torch.Generator().manual_seed(11)
    ids = torch.randint(0, vocab, (STEPS, DOCUMENTS, LENGTH), generator=rng)
    weights = (torch.rand(ids.shape, generator=rng) > 0.25).double()
    weights[..., -1] = 0
    return ids, weights


def learn(model, vocab):
    ids, weights = batches(vocab)
    named = list(model.parameters())
    groups = [{"params": [p for n, p in named if (p.dim() > 1) == matrix], "weight_decay": HYPER["decay"] if matrix else 0.0}
              for matrix in (True, False)]
    adam = torch.optim.AdamW(groups, lr=HYPER["rate"], betas=(HYPER["beta1"], HYPER["beta2"]), eps=HYPER["eps"])
    loss, norm, gradients = [], [], {}
    for step in range(STEPS):
        main, draft, n, m = model.losses(ids[step], weights[step])
        total = main / n + (HYPER["draft_factor"] * draft / m if model.draft else 0.0)
        adam.zero_grad()
        total.backward()
        if not step:
            gradients = {k: sums(t) for name, p in named for k, t in model.published(name, torch.zeros_like(p) if p.grad is None else p.grad)}
        norm.append(float(torch.nn.utils.clip_grad_norm_([p for _, p in named], HYPER["clip"])))
        loss.append(total.item())
        adam.step()
    final = {k: sums(t) for name, p in named for k, t in model.published(name, p)}
    return {"hyper": HYPER, "ids": ids.tolist(), "weights": weights.int().tolist(), "loss": loss, "norm": norm, "gradients": gradients, "final": final}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vaetki", help="reference implementation, a Python file")
    parser.add_argument("--only")
    parser.add_argument("--out", default=ROOT / "tests/vectors/train", type=pathlib.Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for family, (case, classes) in CASES.items():
        if (args.only and args.only != family) or (not classes and not args.vaetki):
            continue
        folder = ROOT / "tests/golden" / case
        model = Published(folder, family, classes) if classes else Vaetki(folder, args.vaetki)
        out = {"case": case} | learn(model, json.load(open(folder / "config.json"))["vocab_size"])
        (args.out / f"{family}.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
        print(family, [round(x, 4) for x in out["loss"]])


if __name__ == "__main__":
    main()
