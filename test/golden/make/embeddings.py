#!/usr/bin/env python3
# Vectors of texts from the embedded model with its Q8_0 table: ../ryz-tales/embeddings.{json,safetensors}. Hidden
# states after the last norm, pooled (last, mean, first), of length 1; the texts are prompts of ../ryz-tales/golden.json,
# whose ids another program made. `python3 test/golden/make/embeddings.py`, from anywhere.
import json
import sys
sys.dont_write_bytecode = True
import numpy as np
from containers import write_safetensors
from tales import TALES, load

POOLED = dict(last=lambda x: x[-1], mean=lambda x: x.mean(0), cls=lambda x: x[0])


def unit(v):
    return (v / np.sqrt(v @ v)).astype(np.float32)


def main():
    net = load()
    cases, tensors = [], {}
    for given in json.load(open(TALES + 'golden.json'))['generation'][:4]:
        name = f'text.{len(cases)}'
        for mode in ('float', 'int8'):
            states = net.states(given['ids'], mode)
            for pooling, pool in POOLED.items():
                tensors[f'{name}.{mode}.{pooling}'] = unit(pool(states))
        cases.append(dict(text=given['prompt'], ids=given['ids']))
    with open(TALES + 'embeddings.json', 'w') as f:
        json.dump(dict(reference='numpy float64, test/golden/make/embeddings.py', cases=cases), f, indent=1)
        f.write('\n')
    write_safetensors(TALES + 'embeddings.safetensors', tensors)
    for i, case in enumerate(cases):
        cos = [round(float(tensors[f'text.{i}.float.{p}'] @ tensors[f'text.{i}.int8.{p}']), 5) for p in POOLED]
        print(len(case['ids']), 'tokens; cosine of float and int8:', cos)


main()
