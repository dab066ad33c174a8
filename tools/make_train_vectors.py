"""Training vectors: what PyTorch and transformers make of ten steps of AdamW on golden cases.

    python tools/make_train_vectors.py [--vaetki FILE.py] [--only NAME]     writes tests/vectors/train/NAME.json

Begins with a case's weights, in float64, and learns ten batches of two documents of random tokens; some tokens are not learned.
A batch in which a router's choice is a near tie is left out, since rounding would decide it.
A file has the batches, the loss and the gradient's norm of every step (before clipping), and of every tensor its gradient at the
first step and its weights after the last. A tensor is told by its length and four sums of its elements with random signs, since
what is wrong anywhere moves those; see sums(). tests/train/vectors_test.c reads it.

Needs torch and transformers. FILE.py is a reference of VAETKI with Config.from_dict and Model (see tests/golden/README.md); without
it that family is left out. What transformers lacks, the draft layer of K-EXAONE, is written down here from its equations.
"""
import argparse
import contextlib
import importlib.util
import json
import os
import pathlib
import re

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import torch.nn.functional as F
import transformers
from make_golden import with_softmax_routers
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parents[1]
CASES = {  # name: (golden case, transformers' classes, factor of the loss that balances experts)
    "exaone_moe": ("exaone_moe/base_f32", "ExaoneMoe", 0.0),
    "softmax_router": ("exaone_moe/softmax", "ExaoneMoe", 0.5),
    "exaone4": ("exaone4/hybrid_32b", "Exaone4", 0.0),
    "llama": ("llama/llama3_tied", "Llama", 0.0),
    "hyperclovax": ("hyperclovax/mup_all", "HyperCLOVAX", 0.0),
    "solar_open": ("solar_open/base_f32", "SolarOpen", 0.0),
    "axk1": ("axk1/base_f32", "AXK1", 0.0),
    "axk1_balanced": ("axk1/no_yarn_no_groups", "AXK1", 1.0),
    "vaetki": ("vaetki/flagship", None, 0.0),
}
STEPS, DOCUMENTS, LENGTH = 10, 2, 24
GAP = 1e-3  # least distance between the scores of what a router chose and of what it did not
# eps is large enough that a gradient of nothing but rounding moves no weight.
HYPER = {"rate": 2e-4, "beta1": 0.9, "beta2": 0.95, "eps": 1e-5, "decay": 2.0, "clip": 1.0, "draft_factor": 0.3}


def sums(t):
    """Length, and four sums with signs: element i counts by bit 15 + k of (i * 2654435761) mod 2^32, set: minus."""
    x = t.detach().double().flatten()
    i = torch.arange(len(x), dtype=torch.int64) * 2654435761 % 2**32
    signs = [1 - 2 * ((i >> (15 + k)) & 1) for k in range(4)]
    return [float(f"{v:.12g}") for v in (x.norm().item(), *((x * s).sum().item() for s in signs))]


@contextlib.contextmanager
def float64():
    """transformers has norms, softmax and routers in torch.float32, whatever the weights are; within this the name means float64."""
    kept, torch.float32 = torch.float32, torch.float64
    try:
        yield
    finally:
        torch.float32 = kept


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


# ---- Routers ---------------------------------------------------------------------------------------------------------------------


def gap_of(router, scores):
    """How far the worst choice is from the best that was left out: of experts, and of groups by their two best."""
    best = lambda x, k: x.sort(-1, descending=True).values[:, k - 1 : k + 1]
    scores = scores.detach() + getattr(router, "e_score_correction_bias", 0)
    groups = scores.view(len(scores), router.num_group, -1)
    worth, least = groups.topk(2, -1).values.sum(-1), float("inf")
    if router.topk_group < router.num_group:
        least = -best(worth, router.topk_group).diff().max().item()
        left_out = worth < worth.topk(router.topk_group).values[:, -1:]
        scores = groups.masked_fill(left_out[..., None], float("-inf")).flatten(1)
    return min(least, -best(scores, router.top_k).diff().max().item())


def balance_of(scores, ids):
    """Of a layer, E times the sum over experts of their share of all choices times their mean score (arXiv 2101.03961, equation 4)."""
    experts = scores.shape[1]
    return experts * (ids.flatten().bincount(minlength=experts) / ids.numel() * scores.mean(0)).sum()


# ---- Models ----------------------------------------------------------------------------------------------------------------------


class Published:
    """A model of transformers under its publisher's names."""

    def __init__(self, folder, family, classes):
        raw = json.load(open(folder / "config.json"))
        config = getattr(transformers, classes + "Config").from_dict(raw | {"model_type": family})
        softmax = raw.get("scoring_func") == "softmax"
        config._attn_implementation = "eager"
        self.family = family
        self.model = getattr(transformers, classes + "ForCausalLM").from_pretrained(folder, config=config, dtype=torch.float64, attn_implementation="eager", experts_implementation="eager").eval()
        self.model.get_input_embeddings().padding_idx = None  # PyTorch leaves this token's row without its gradient
        tensors = load_file(folder / "model.safetensors")
        draft = {n: t for n, t in tensors.items() if n.startswith("mtp.")}
        self.draft = Draft(draft, raw) if draft else None
        for name, p in self.model.named_parameters():
            p.requires_grad_("e_score_correction_bias" not in name)
        if softmax:
            with_softmax_routers(self.model)
        self.routed = {}  # router: the scores and the choices of each document
        for module in self.model.modules():
            if type(module).__name__.endswith("TopkRouter"):
                scores = (lambda logits: logits.softmax(-1)) if softmax else torch.sigmoid
                module.register_forward_hook(lambda router, _, out, scores=scores: self.routed.setdefault(router, []).append((scores(out[0]), out[2])))

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
        self.routed.clear()
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

    def balance(self):
        return sum(balance_of(*(torch.cat(parts) for parts in zip(*kept))) for kept in self.routed.values())

    def gap(self):
        return min((gap_of(router, scores) for router, kept in self.routed.items() for scores, _ in kept), default=1.0)


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
        self.gaps = []
        main, model = 0.0, self.model()  # anew each time: it computes with its tensors when it is made
        for one, w in zip(ids, weights):
            out = type(model).forward.__wrapped__(model, one)  # without its no_grad
            main = main + (F.cross_entropy(out.logits[:-1], one[1:], reduction="none") * w[:-1]).sum()
            self.gaps += [routing.gap.min().item() for routing in out.routers.values()]
        return main, 0.0, weights.sum(), 0.0

    def gap(self):
        return min(self.gaps)


# ---- Ten steps -------------------------------------------------------------------------------------------------------------------


def batch(vocab, rng):
    ids = torch.randint(0, vocab, (DOCUMENTS, LENGTH), generator=rng)
    weights = (torch.rand(ids.shape, generator=rng) > 0.25).double()
    weights[..., -1] = 0
    return ids, weights


def loss_of(model, vocab, rng, balance_factor):
    """The loss of a batch without near ties, and the batch."""
    while True:
        ids, weights = batch(vocab, rng)
        with float64():
            main, draft, n, m = model.losses(ids, weights)
            if model.gap() < GAP:
                continue
            total = main / n + (HYPER["draft_factor"] * draft / m if model.draft else 0.0)
            return total + (balance_factor * model.balance() if balance_factor else 0.0), ids, weights


def learn(model, vocab, balance_factor):
    rng = torch.Generator().manual_seed(11)
    named = list(model.parameters())
    groups = [{"params": [p for n, p in named if (p.dim() > 1) == matrix], "weight_decay": HYPER["decay"] if matrix else 0.0}
              for matrix in (True, False)]
    adam = torch.optim.AdamW(groups, lr=HYPER["rate"], betas=(HYPER["beta1"], HYPER["beta2"]), eps=HYPER["eps"])
    out = {"hyper": HYPER | {"balance_factor": balance_factor}, "ids": [], "weights": [], "loss": [], "norm": []}
    for step in range(STEPS):
        total, ids, weights = loss_of(model, vocab, rng, balance_factor)
        adam.zero_grad()
        total.backward()
        if not step:
            out["gradients"] = {k: sums(t) for name, p in named for k, t in model.published(name, torch.zeros_like(p) if p.grad is None else p.grad)}
        norm = torch.nn.utils.clip_grad_norm_([p for _, p in named], HYPER["clip"])
        for key, value in (("ids", ids), ("weights", weights.int()), ("loss", total), ("norm", norm)):
            out[key].append(value.tolist())
        adam.step()
    return out | {"final": {k: sums(t) for name, p in named for k, t in model.published(name, p)}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vaetki", help="reference implementation, a Python file")
    parser.add_argument("--only")
    parser.add_argument("--out", default=ROOT / "tests/vectors/train", type=pathlib.Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, (case, classes, balance_factor) in CASES.items():
        if (args.only and args.only != name) or (not classes and not args.vaetki):
            continue
        folder = ROOT / "tests/golden" / case
        model = Published(folder, case.split("/")[0], classes) if classes else Vaetki(folder, args.vaetki)
        out = {"case": case} | learn(model, json.load(open(folder / "config.json"))["vocab_size"], balance_factor)
        (args.out / f"{name}.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
        print(name, [round(x, 4) for x in out["loss"]])


if __name__ == "__main__":
    main()
