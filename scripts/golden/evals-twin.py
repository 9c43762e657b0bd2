#!/usr/bin/env python3
# A model's unrounded twin: log-likelihoods with activations as they are and keys and values in f16, in numpy, where
# the kernels have no fast path for it. In float32: in float64 a log-likelihood moves by 0.001, as f16 rounds the other
# way. Reads and writes lines of evals/benchmarks.ts; goes on where it was cut.
#   python3 scripts/golden/evals-twin.py MODEL.gguf REQUESTS.jsonl ANSWERS.jsonl
# A request: {"key": ..., "pairs": [{"tokens": [...], "from": n}]}; its answer: {"key": ..., "logprobs": [...]}.
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

spec = importlib.util.spec_from_file_location("evals", Path(__file__).with_name("evals.py"))
evals = importlib.util.module_from_spec(spec)
spec.loader.exec_module(evals)


class Kept(list):
    """Keys and values by layer, rounded to f16 when they are put there."""

    def __setitem__(self, layer, pair):
        super().__setitem__(layer, tuple(m.astype(np.float16).astype(np.float32) for m in pair))


class Twin:
    def __init__(self, path):
        meta, tensors = evals.read_gguf(Path(path))
        self.net = evals.Network(meta, {name: t.astype(np.float32) for name, t in tensors.items()})
        self.ids, self.past = [], Kept([None] * self.net.layers)

    def score(self, tokens, start):
        """Sum of log-probabilities of tokens[start:], reading only what the last call did not read."""
        ids = tokens[:-1]
        same = 0
        while same < min(len(ids), len(self.ids), start - 1) and ids[same] == self.ids[same]:
            same += 1
        for layer, pair in enumerate(self.past):
            list.__setitem__(self.past, layer, tuple(m[:, :same] for m in pair) if same else None)
        z = self.net.logits(ids[same:], "float", self.past, len(tokens) - start).astype(np.float64)
        self.ids = ids
        top = z.max(-1, keepdims=True)
        logs = z - top - np.log(np.exp(z - top).sum(-1, keepdims=True))
        return float(logs[np.arange(len(tokens) - start), tokens[start:]].sum())


def main():
    model, requests, answers = sys.argv[1:]
    done = set()
    if Path(answers).exists():
        done = {json.loads(line)["key"] for line in Path(answers).read_text().splitlines()}
    twin = Twin(model)
    with open(answers, "a") as out:
        for line in Path(requests).read_text().splitlines():
            request = json.loads(line)
            if request["key"] in done:
                continue
            logprobs = [twin.score(pair["tokens"], pair["from"]) for pair in request["pairs"]]
            print(json.dumps({"key": request["key"], "logprobs": logprobs}), file=out, flush=True)


if __name__ == "__main__":
    main()
