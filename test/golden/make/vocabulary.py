# Small but complete tokenizers: byte-level BPE (GGUF "gpt2" and tokenizer.json) and SentencePiece with
# byte fallback (GGUF "llama"). Every id of a model is a token, so any id can be fed and printed.
import json
from containers import I32

MERGES = ['Ġ t', 'h e', 'Ġ a', 'Ġt he', 'i n', 'r e', 'o n', 'e r', 'n d', 'Ġ s', 'Ġ w', 'a t', 'o u',
          'Ġa nd', 'in g', 'Ġw a', 'Ġwa s', 'Ġ c', 'Ġ o', 'e n', 'i t', 'l l']
PIECES = ['▁', 'e', 't', 'a', 'o', 'n', 'h', 's', 'r', 'd', 'th', 'the', '▁the', 'an', 'and', '▁and', 'er',
          'in', '▁a', '▁s', 'on']


def byte_chars():
    """GPT-2's printable stand-in for each byte value, in byte order."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra = (chr(256 + i) for i in range(256))
    return [chr(b) if b in keep else next(extra) for b in range(256)]


def bpe(vocab):
    """tokens, types, merges: eos 0, bos 1, 256 bytes, then merges, then unused tokens."""
    tokens = ['<|end|>', '<|bos|>', *byte_chars()]
    merges = MERGES[:vocab - len(tokens)]
    tokens += [m.replace(' ', '') for m in merges]
    types = [3, 3] + [1] * (len(tokens) - 2)
    spare = vocab - len(tokens)
    return tokens + [f'<|spare_{i}|>' for i in range(spare)], types + [3] * spare, merges


def gguf_bpe(vocab, pre):
    tokens, types, merges = bpe(vocab)
    kv = {'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.tokens': tokens,
          'tokenizer.ggml.token_type': [I32(t) for t in types], 'tokenizer.ggml.merges': merges,
          'tokenizer.ggml.bos_token_id': 1, 'tokenizer.ggml.eos_token_id': 0,
          'tokenizer.ggml.add_bos_token': True, 'tokenizer.ggml.add_eos_token': False}
    if pre:
        kv['tokenizer.ggml.pre'] = pre
    return kv


def gguf_spm(vocab):
    tokens = ['<unk>', '<s>', '</s>', *(f'<0x{b:02X}>' for b in range(256)), *PIECES]
    types = [2, 3, 3] + [6] * 256 + [1] * len(PIECES)
    scores = [0.0] * 259 + [-float(i) for i in range(len(PIECES))]
    assert len(tokens) == vocab, len(tokens)
    return {'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.pre': 'default', 'tokenizer.ggml.tokens': tokens,
            'tokenizer.ggml.scores': scores, 'tokenizer.ggml.token_type': [I32(t) for t in types],
            'tokenizer.ggml.bos_token_id': 1, 'tokenizer.ggml.eos_token_id': 2,
            'tokenizer.ggml.unknown_token_id': 0, 'tokenizer.ggml.add_bos_token': True,
            'tokenizer.ggml.add_eos_token': False, 'tokenizer.ggml.add_space_prefix': True}


def hf_files(vocab):
    """(tokenizer.json, tokenizer_config.json) texts of the same byte-level BPE."""
    tokens, types, merges = bpe(vocab)
    added = [dict(id=i, content=t, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
             for i, t in enumerate(tokens) if types[i] == 3]
    level = dict(type='ByteLevel', add_prefix_space=False, trim_offsets=True, use_regex=True)
    post = dict(type='TemplateProcessing',
                single=[dict(SpecialToken=dict(id='<|bos|>', type_id=0)), dict(Sequence=dict(id='A', type_id=0))],
                pair=[dict(Sequence=dict(id='A', type_id=0)), dict(Sequence=dict(id='B', type_id=1))],
                special_tokens={'<|bos|>': dict(id='<|bos|>', ids=[1], tokens=['<|bos|>'])})
    tokenizer = dict(version='1.0', truncation=None, padding=None, added_tokens=added, normalizer=None,
                     pre_tokenizer=level, post_processor=post, decoder=level,
                     model=dict(type='BPE', dropout=None, unk_token=None, continuing_subword_prefix=None,
                                end_of_word_suffix=None, fuse_unk=False, byte_fallback=False, ignore_merges=False,
                                vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    config = dict(tokenizer_class='PreTrainedTokenizerFast', bos_token='<|bos|>', eos_token='<|end|>',
                  add_bos_token=True, add_eos_token=False, clean_up_tokenization_spaces=False)
    return (json.dumps(tokenizer, ensure_ascii=False, separators=(',', ':')) + '\n', json.dumps(config, indent=1) + '\n')
