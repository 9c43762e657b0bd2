#!/usr/bin/env python3
# Golden figures of evals/set, by a program that shares nothing with the harness: prompts with Python's own strings and
# random numbers, a tokenizer and a network in numpy (float64) that read the GGUF files themselves.
#   python3 scripts/golden/evals.py          writes evals/set/golden.json (a few minutes)
# Definitions: lm-evaluation-harness, versions as in evals/tasks. Compared by test/golden/evals.test.ts.
import csv
import json
import math
import random
import re
import struct
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SET = ROOT / "evals/set"
MODELS = {
    "ryz-tales": ROOT / "demo/public/models/ryz-tales-tq2_0-embq8_0.gguf",
    "ryz-chat": ROOT / "demo/public/models/ryz-chat-tq2_0-embq8_0.gguf",
}


# --- the file -----------------------------------------------------------------------------------------------

def read_gguf(path):
    data = path.read_bytes()
    at = 0

    def take(form):
        nonlocal at
        size = struct.calcsize("<" + form)
        value = struct.unpack_from("<" + form, data, at)[0]
        at += size
        return value

    def text():
        nonlocal at
        n = take("Q")
        at += n
        return data[at - n : at].decode("utf8")

    forms = ["B", "b", "H", "h", "I", "i", "f", "?", None, None, "Q", "q", "d"]

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            inner, n = take("I"), take("Q")
            return [value(inner) for _ in range(n)]
        return take(forms[kind])

    assert data[:4] == b"GGUF"
    at = 8
    tensors, entries = take("Q"), take("Q")
    meta = {}
    for _ in range(entries):
        key = text()
        meta[key] = value(take("I"))
    infos = []
    for _ in range(tensors):
        name = text()
        dims = [take("Q") for _ in range(take("I"))]
        infos.append((name, dims, take("I"), take("Q")))
    align = meta.get("general.alignment", 32)
    base = (at + align - 1) // align * align
    return meta, {name: tensor(data, base + offset, dims, kind) for name, dims, kind, offset in infos}


def tensor(data, at, dims, kind):
    shape = dims[::-1]
    count = math.prod(dims)
    if kind == 0:
        flat = np.frombuffer(data, "<f4", count, at)
    elif kind == 1:
        flat = np.frombuffer(data, "<f2", count, at)
    elif kind == 8:  # Q8_0: f16 scale, 32 int8
        block = np.frombuffer(data, np.dtype([("d", "<f2"), ("q", "i1", 32)]), count // 32, at)
        flat = block["q"].astype(np.float64) * block["d"].astype(np.float64)[:, None]
    elif kind == 35:  # TQ2_0: 64 bytes of four 2-bit codes, f16 scale; byte j of a half holds j, j+32, j+64, j+96
        block = np.frombuffer(data, np.dtype([("q", "u1", 64), ("d", "<f2")]), count // 256, at)
        halves = block["q"].reshape(-1, 2, 32)
        codes = np.stack([(halves >> (2 * i)) & 3 for i in range(4)], axis=2)
        flat = (codes.astype(np.float64) - 1).reshape(-1, 256) * block["d"].astype(np.float64)[:, None]
    else:
        raise SystemExit(f"tensor type {kind} is not read here")
    return flat.astype(np.float64).reshape(shape)


# --- the tokenizer ------------------------------------------------------------------------------------------

PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def byte_letters():
    shown = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, more = {b: chr(b) for b in shown}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + more)
            more += 1
    return table


class Tokenizer:
    def __init__(self, meta):
        self.tokens = meta["tokenizer.ggml.tokens"]
        self.id = {t: i for i, t in enumerate(self.tokens)}
        self.rank = {tuple(m.split(" ")): i for i, m in enumerate(meta["tokenizer.ggml.merges"])}
        self.bos = meta["tokenizer.ggml.bos_token_id"]
        assert meta["tokenizer.ggml.add_bos_token"]
        self.letters = byte_letters()
        self.bytes = {c: b for b, c in self.letters.items()}
        kinds = meta["tokenizer.ggml.token_type"]
        self.special = {t for t, kind in zip(self.tokens, kinds) if kind != 1}
        self.ends = {self.id[t] for t in ("<|endoftext|>", "<|im_end|>") if t in self.id}
        self.known = {}

    def word(self, piece):
        if piece in self.known:
            return self.known[piece]
        parts = [self.letters[b] for b in piece.encode("utf8")]
        while len(parts) > 1:
            best = min(range(len(parts) - 1), key=lambda i: self.rank.get((parts[i], parts[i + 1]), 1 << 30))
            pair = (parts[best], parts[best + 1])
            if pair not in self.rank:
                break
            merged, i = [], 0
            while i < len(parts):
                if tuple(parts[i : i + 2]) == pair:
                    merged.append(pair[0] + pair[1])
                    i += 2
                else:
                    merged.append(parts[i])
                    i += 1
            parts = merged
        self.known[piece] = [self.id[p] for p in parts]
        return self.known[piece]

    def encode(self, text, bos=True):
        ids = [self.bos] if bos else []
        for piece in PIECES.findall(text):
            ids += self.word(piece)
        return ids

    def decode(self, ids):
        out = bytearray()
        for i in ids:
            if self.tokens[i] not in self.special:
                out += bytes(self.bytes[c] for c in self.tokens[i])
        return out.decode("utf8", "replace")


# --- the network --------------------------------------------------------------------------------------------

class Network:
    """BitNet b1.58: `float` leaves activations alone, `int8` rounds each row to 127 steps of its largest value."""

    def __init__(self, meta, tensors):
        arch = meta["general.architecture"]
        self.layers = meta[f"{arch}.block_count"]
        self.heads = meta[f"{arch}.attention.head_count"]
        self.kv_heads = meta.get(f"{arch}.attention.head_count_kv", self.heads)
        self.eps = meta[f"{arch}.attention.layer_norm_rms_epsilon"]
        self.theta = meta.get(f"{arch}.rope.freq_base", 10000.0)
        self.context = meta[f"{arch}.context_length"]
        self.t = tensors
        self.head = tensors.get("output.weight", tensors["token_embd.weight"])
        self.dim = tensors["token_embd.weight"].shape[1] // self.heads

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.t[name]

    def linear(self, x, name, mode):
        w = self.t[name]
        if mode == "float":
            return x @ w.T
        largest = np.maximum(np.abs(x).max(-1, keepdims=True), 1e-5)
        return (np.rint(x * (127 / largest)) @ w.T) * (largest / 127)

    def logits(self, ids, mode, past=None, last=0):
        """One row of logits a token, or of the `last` tokens only. `past`: what earlier calls left, by layer."""
        start = past[0][0].shape[1] if past and past[0] is not None else 0
        n, half = len(ids), self.dim // 2
        angle = np.arange(start, start + n)[:, None] * self.theta ** (-np.arange(half) / half)
        cos, sin = (f(angle).astype(self.head.dtype) for f in (np.cos, np.sin))

        def rope(v):
            a, b = v[..., :half], v[..., half:]
            return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

        x = self.t["token_embd.weight"][ids]
        hidden = np.arange(start + n)[None] > np.arange(start, start + n)[:, None]
        for layer in range(self.layers):
            p = f"blk.{layer}."
            a = self.norm(x, p + "attn_norm.weight")
            split = lambda name: self.linear(a, p + name, mode).reshape(n, -1, self.dim).transpose(1, 0, 2)
            q, k, v = rope(split("attn_q.weight")), rope(split("attn_k.weight")), split("attn_v.weight")
            if past is not None:
                if past[layer] is not None:
                    k = np.concatenate([past[layer][0], k], 1)
                    v = np.concatenate([past[layer][1], v], 1)
                past[layer] = (k, v)
                k, v = past[layer]
            k, v = (np.repeat(m, self.heads // self.kv_heads, 0) for m in (k, v))
            z = np.where(hidden, -np.inf, q @ k.transpose(0, 2, 1) / math.sqrt(self.dim))
            z = np.exp(z - z.max(-1, keepdims=True))
            out = (z / z.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(n, -1)
            x = x + self.linear(self.norm(out, p + "attn_sub_norm.weight"), p + "attn_output.weight", mode)
            a = self.norm(x, p + "ffn_norm.weight")
            g, u = self.linear(a, p + "ffn_gate.weight", mode), self.linear(a, p + "ffn_up.weight", mode)
            f = self.norm(g / (1 + np.exp(-g)) * u, p + "ffn_sub_norm.weight")
            x = x + self.linear(f, p + "ffn_down.weight", mode)
        return self.norm(x[-last:], "output_norm.weight") @ self.head.T


# --- the requests -------------------------------------------------------------------------------------------

class Model:
    def __init__(self, path, mode, longest):
        meta, tensors = read_gguf(path)
        self.tok, self.net, self.mode = Tokenizer(meta), Network(meta, tensors), mode
        self.max = longest or self.net.context
        self.seen = {}

    def rows(self, ids):
        key = tuple(ids)
        if key not in self.seen:
            z = self.net.logits(ids, self.mode)
            top = z.max(-1, keepdims=True)
            self.seen = {key: z - top - np.log(np.exp(z - top).sum(-1, keepdims=True))}
        return self.seen[key]

    def score(self, context, continuation):
        inputs = (context + continuation)[-(self.max + 1) :][:-1]
        rows = self.rows(inputs)[-len(continuation) :]
        each = rows[np.arange(len(continuation)), continuation]
        return float(each.sum()), bool((rows.argmax(-1) == continuation).all())

    def pair(self, context, continuation):
        spaces = len(context) - len(context.rstrip())
        if spaces:
            context, continuation = context[:-spaces], context[-spaces:] + continuation
        whole, before = self.tok.encode(context + continuation), self.tok.encode(context)
        return self.score(before, whole[len(before) :])

    def rolling(self, text):
        ids, total, done = self.tok.encode(text), 0.0, 0
        first = min(self.max, len(ids))
        total += self.score([self.tok.bos], ids[:first])[0]
        done = first
        while done < len(ids):
            count = min(len(ids) - done, self.max)
            end = done + count
            window = ids[end - self.max - 1 : end]
            total += self.score(window[: len(window) - count], window[-count:])[0]
            done = end
        return total

    def generate(self, context, until, most=256):
        ids = self.tok.encode(context)[-(self.max - most) :]
        past, out = [None] * self.net.layers, []
        row = self.net.logits(ids, self.mode, past)[-1]
        for _ in range(most):
            best = int(row.argmax())
            if best in self.tok.ends:
                break
            out.append(best)
            text = self.tok.decode(out)
            if any(stop in text for stop in until):
                break
            row = self.net.logits([best], self.mode, past)[-1]
        text = self.tok.decode(out)
        for stop in until:
            text = text.split(stop)[0]
        return text


# --- the tasks ----------------------------------------------------------------------------------------------

def lines(name):
    return [json.loads(line) for line in (SET / name).read_text("utf8").splitlines()]


def cells(name):
    return list(csv.reader((SET / name).open(encoding="utf8", newline="")))


def choose(model, context, choices, gold):
    """One question, its options behind one space."""
    answers = [model.pair(context, " " + choice) for choice in choices]
    sums = [a[0] for a in answers]
    by_length = [s / len(c) for s, c in zip(sums, choices)]
    return dict(
        logprobs=sums,
        greedy=[a[1] for a in answers],
        acc=int(np.argmax(sums) == gold),
        acc_norm=int(np.argmax(by_length) == gold),
    )


def preprocess(text):
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


def hellaswag(model):
    for d in lines("hellaswag.jsonl"):
        context = d["ctx_a"] + " " + d["ctx_b"].capitalize()
        query = preprocess(d["activity_label"] + ": " + context)
        yield choose(model, query, [preprocess(e) for e in d["endings"]], int(d["label"]))


def nested(d, stem):
    q = d["question"] if isinstance(d.get("question"), dict) else None
    if q:
        return q["stem"], [c["text"] for c in q["choices"]], [c["label"] for c in q["choices"]]
    return d[stem], d["choices"]["text"], d["choices"]["label"]


def arc(model):
    for d in lines("arc.jsonl"):
        stem, texts, labels = nested(d, "question")
        yield choose(model, f"Question: {stem}\nAnswer:", texts, labels.index(d["answerKey"]))


def commonsense_qa(model):
    for d in lines("commonsense_qa.jsonl"):
        stem, texts, _ = nested(d, "question")
        shown = "\n".join(f"{letter}. {text}" for letter, text in zip("ABCDE", texts))
        yield choose(model, f"Question: {stem.strip()}\n{shown}\nAnswer:", list("ABCDE"), "ABCDE".index(d["answerKey"]))


def piqa(model):
    labels = (SET / "piqa/valid-labels.lst").read_text().split()
    for d, label in zip(lines("piqa/valid.jsonl"), labels):
        yield choose(model, f"Question: {d['goal']}\nAnswer:", [d["sol1"], d["sol2"]], int(label))


def openbookqa(model):
    for d in lines("openbookqa.jsonl"):
        gold = d["choices"]["label"].index(d["answerKey"].lstrip())
        yield choose(model, d["question_stem"], d["choices"]["text"], gold)


def boolq(model):
    for d in lines("boolq.jsonl"):
        context = f"{d['passage']}\nQuestion: {d['question']}?\nAnswer:"
        yield choose(model, context, ["no", "yes"], int(d.get("label", d.get("answer"))))


def winogrande(model):
    for d in lines("winogrande.jsonl"):
        at = d["sentence"].index("_")
        rest = " " + d["sentence"][at + 1 :].strip()
        answers = [model.pair(d["sentence"][:at] + d[f"option{i}"], rest) for i in (1, 2)]
        sums = [a[0] for a in answers]
        yield dict(logprobs=sums, greedy=[a[1] for a in answers], acc=int(np.argmax(sums) == int(d["answer"]) - 1))


def lambada_openai(model):
    for d in lines("lambada.jsonl"):
        *context, last = d["text"].split(" ")
        logprob, greedy = model.pair(" ".join(context), " " + last)
        yield dict(logprobs=[logprob], greedy=[greedy], acc=int(greedy))


def mmlu_question(row):
    question, a, b, c, d, _ = row
    return f"{question.strip()}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\nAnswer:"


def mmlu(model, subject):
    about = subject.replace("_", " ")
    shots = f"The following are multiple choice questions (with answers) about {about}.\n\n"
    for row in cells(f"mmlu/dev/{subject}_dev.csv")[:5]:
        shots += f"{mmlu_question(row)} {row[5]}\n\n"
    for row in cells(f"mmlu/test/{subject}_test.csv"):
        yield choose(model, shots + mmlu_question(row), list("ABCD"), "ABCD".index(row[5]))


def gsm8k(model):
    train, draw = lines("gsm8k/train.jsonl"), random.Random(1234)
    until = ["Question:", "</s>", "<|im_end|>"]
    for d in lines("gsm8k/test.jsonl"):
        shots = "".join(f"Question: {s['question']}\nAnswer: {s['answer']}\n\n" for s in draw.sample(train, 5))
        text = model.generate(f"{shots}Question: {d['question']}\nAnswer:", until)
        strict = re.findall(r"#### (\-?[0-9\.\,]+)", text)
        loose = re.findall(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", text)
        found = [strict[0] if strict else "[invalid]", ([m for m in loose[-1] if m][0] if loose else "[invalid]").strip()]
        for ignored in (r",", r"\$", r"(?s).*#### ", r"\.$"):
            found = [re.sub(ignored, "", f) for f in found]
            d["answer"] = re.sub(ignored, "", d["answer"])
        right = [int(f.lower() == d["answer"].lower()) for f in found]
        yield dict(text=text, strict_match=right[0], flexible_extract=right[1])


def wikitext(model):
    pages, page = [], []
    for line in (SET / "wiki.raw").read_text("utf8").split("\n"):
        head = line.replace("= = =", "===").replace("= =", "==").strip()
        if head.startswith("= ") and head.endswith(" ="):
            pages.append("\n".join(page))
            page = []
        page.append(line)
    pages.append("\n".join(page))
    for raw in filter(str.strip, pages):
        yield dict(
            logprobs=[model.rolling(detokenize(raw))],
            words=len(re.split(r"\s+", raw)),
            bytes=len(raw.encode("utf8")),
        )


def detokenize(s):
    s = s.replace("s '", "s'")
    s = re.sub(r"/' [0-9]/", r"/'[0-9]/", s)
    for mark in "-,.":
        s = s.replace(f" @{mark}@ ", mark)
    for mark in ":;.!?,":
        s = s.replace(f" {mark} ", f"{mark} ")
    s = re.sub(r"\(\s*([^\)]*?)\s*\)", r"(\1)", s)
    s = re.sub(r"\[\s*([^\]]*?)\s*\]", r"[\1]", s)
    s = re.sub(r"{\s*([^}]*?)\s*}", r"{\1}", s)
    s = re.sub(r"\"\s*([^\"]*?)\s*\"", r'"\1"', s)
    s = re.sub(r"'\s*([^']*?)\s*'", r"'\1'", s)
    s = s.replace("= = = =", "====").replace("= = =", "===").replace("= =", "==")
    s = s.replace(" \u00b0 ", "\u00b0").replace(" \n", "\n").replace("\n ", "\n")
    return s.replace(" N ", " 1 ").replace(" 's", "'s")


TASKS = dict(
    hellaswag=hellaswag, arc_easy=arc, commonsense_qa=commonsense_qa, piqa=piqa, openbookqa=openbookqa, boolq=boolq,
    winogrande=winogrande, lambada_openai=lambada_openai, gsm8k=gsm8k, wikitext=wikitext,
    mmlu_farm_animals=lambda m: mmlu(m, "farm_animals"), mmlu_weather_signs=lambda m: mmlu(m, "weather_signs"),
)


def spread(values):
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))


def figures(name, docs):
    out = {}
    for metric in ("acc", "acc_norm", "strict_match", "flexible_extract"):
        values = [d[metric] for d in docs if metric in d]
        if values:
            out[metric] = [sum(values) / len(values), spread(values)]
    if name == "lambada_openai":
        out["perplexity"] = math.exp(-sum(d["logprobs"][0] for d in docs) / len(docs))
    if name == "wikitext":
        total = sum(d["logprobs"][0] for d in docs)
        out["word_perplexity"] = math.exp(-total / sum(d["words"] for d in docs))
        out["byte_perplexity"] = math.exp(-total / sum(d["bytes"] for d in docs))
        out["bits_per_byte"] = -total / sum(d["bytes"] for d in docs) / math.log(2)
    return out


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def main():
    runs = []
    # The short context makes texts lose their beginning and rolling windows follow each other.
    for name, mode, context in [(n, m, None) for n in MODELS for m in ("float", "int8")] + [("ryz-tales", "float", 48)]:
        model = Model(MODELS[name], mode, context)
        tasks = {}
        for task, run in TASKS.items():
            if context and task == "gsm8k":
                continue
            docs = list(run(model))
            tasks[task] = dict(figures=figures(task, docs), documents=docs)
            print(name, mode, context or model.max, task, tasks[task]["figures"], flush=True)
        runs.append(dict(model=name, mode=mode, context=model.max, tasks=tasks))
    (SET / "golden.json").write_text(json.dumps(rounded(runs), ensure_ascii=False, separators=(",", ":")) + "\n", "utf8")


if __name__ == "__main__":
    main()
