"""What tiny checkpoints of all families are put together from: a byte tokenizer, a chat template, sizes."""
from __future__ import annotations

import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

TEXT = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=4096)
VISION = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)


def byte_tokenizer(marks: list[str], pad: str = "<pad>", bos: str = "<bos>", eos: str = "<eos>",
                   begins: bool = False, words: tuple[str, ...] = (), **kwargs):
    """Byte-level, without merges: every byte is a token, so a random model splits UTF-8 characters all the time.

    `begins`: it puts `bos` before each text, as Gemma's does. `words`: added tokens that are not special.
    """
    base = list(dict.fromkeys([pad, bos, eos, *filter(None, [kwargs.get("unk_token")])]))
    vocabulary = list(dict.fromkeys([*base, *sorted(pre_tokenizers.ByteLevel.alphabet())]))
    tokenizer = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(vocabulary)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False)
                                  for mark in dict.fromkeys([*base, *marks])])
    tokenizer.add_tokens([AddedToken(word, special=False, normalized=False) for word in words])
    if begins:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, tokenizer.token_to_id(bos))])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=pad, bos_token=bos,
                                                eos_token=eos, **{"padding_side": "left", **kwargs})


def chat(image: str, start: str = "<|im_start|>", end: str = "<|im_end|>\n", first: str = "") -> str:
    """A chat template in which `image` stands for each picture, and `first` before everything."""
    return (first + "{% for m in messages %}" + start + "{{ m['role'] }}\n{% if m['content'] is string %}"
            "{{ m['content'] }}{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}" + image +
            "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}" + end + "{% endfor %}"
            "{% if add_generation_prompt %}" + start + "assistant\n{% endif %}")


def pil(name: str) -> type:
    """The form of an image processor that needs no torchvision."""
    return getattr(transformers, name + "Pil", None) or getattr(transformers, name)


def rope(sections: list[int]) -> dict:
    return {"rope_type": "default", "mrope_section": sections, "rope_theta": 1e4}


def ends(tokenizer) -> dict:
    return dict(pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id)
