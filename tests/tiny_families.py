"""Tiny checkpoints of the families beyond PaliGemma and Qwen: each with the smallest model of its real classes.

Settings that are not sizes are those of its usual checkpoints, so that a processor takes its usual road: Gemma's
tokenizer begins with <bos>, InternVL and Idefics3 cut tiles, Florence-2 pads on the right.
"""
from __future__ import annotations

import json
from pathlib import Path

import transformers

from app.backends.processors import image_text_processor
from tests.tiny_parts import TEXT, VISION, byte_tokenizer, chat, ends, pil, rope

GEMMA = dict(TEXT, head_dim=8)
TILES = [f"<row_{i + 1}_col_{j + 1}>" for i in range(6) for j in range(6)]
FLORENCE = ["od", "ocr", "cap", "ncap", "dcap", "grounding", "seg", "region_cap", "proposal", "poly"]
KOSMOS = ["<image>", "</image>", "</doc>", "</chunk>", "</line>", "<phrase>", "</phrase>", "<object>", "</object>",
          "</delimiter_of_multi_objects/>", "<grounding>", *(f"<patch_index_{i:04d}>" for i in range(1024))]


def florence2():
    tokenizer = byte_tokenizer(
        ["<image>"], bos="<s>", eos="</s>", unk_token="<unk>", padding_side="right",
        words=(*(f"<loc_{i}>" for i in range(1000)), *(f"<{mark}{word}>" for word in FLORENCE for mark in ("", "/")),
               "<sep>", "<and>"), extra_special_tokens={"image_token": "<image>"})
    side = {"height": 64, "width": 64}
    images = pil("CLIPImageProcessor")(size=side, crop_size=side, do_center_crop=False)
    images.image_seq_length = 5
    processor = transformers.Florence2Processor(images, tokenizer, num_additional_image_tokens=1)
    config = transformers.Florence2Config(
        text_config=dict(model_type="bart", vocab_size=len(tokenizer), d_model=32, encoder_layers=2, decoder_layers=2,
                         encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
                         max_position_embeddings=4096, decoder_start_token_id=tokenizer.eos_token_id,
                         forced_eos_token_id=None, **ends(tokenizer)),
        vision_config=dict(depths=(1, 1, 1, 1), embed_dim=(8, 8, 8, 8), num_heads=(1, 1, 1, 1),
                           num_groups=(1, 1, 1, 1), window_size=2, projection_dim=32),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"))
    return transformers.Florence2ForConditionalGeneration(config), processor


def kosmos2():
    """With its 64 places for a picture, which its processor has built in."""
    tokenizer = byte_tokenizer(KOSMOS, bos="<s>", eos="</s>", unk_token="<unk>")
    side = {"height": 28, "width": 28}
    images = pil("CLIPImageProcessor")(size=side, crop_size=side, do_center_crop=False)
    processor = transformers.Kosmos2Processor(images, tokenizer)
    config = transformers.Kosmos2Config(
        text_config=dict(vocab_size=len(processor.tokenizer), embed_dim=32, layers=2, ffn_dim=64, attention_heads=2,
                         max_position_embeddings=4096, **ends(tokenizer)),
        vision_config=dict(VISION, image_size=28, patch_size=14), latent_query_num=64)
    return transformers.Kosmos2ForConditionalGeneration(config), processor


def internvl():
    tokenizer = byte_tokenizer(
        ["<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>"], eos="<|im_end|>",
        words=("<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>"),
        extra_special_tokens=dict(start_image_token="<img>", end_image_token="</img>",
                                  context_image_token="<IMG_CONTEXT>", video_token="<video>"))
    images = pil("GotOcr2ImageProcessor")(size={"height": 28, "width": 28}, max_patches=4)
    processor = image_text_processor(transformers.InternVLProcessor, image_processor=images, tokenizer=tokenizer,
                                     image_seq_length=4, chat_template=chat("<IMG_CONTEXT>\n"))
    config = transformers.InternVLConfig(
        text_config=dict(TEXT, model_type="qwen2", vocab_size=len(tokenizer), **ends(tokenizer)),
        vision_config=dict(VISION, image_size=[28, 28], patch_size=[7, 7]), image_seq_length=4,
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"))
    return transformers.InternVLForConditionalGeneration(config), processor


def idefics3(name: str = "Idefics3"):
    """Idefics3, or SmolVLM, which is built the same way."""
    tokenizer = byte_tokenizer(["<|im_start|>", "<image>", "<fake_token_around_image>", "<end_of_utterance>",
                                "<global-img>", "<video>", *TILES], eos="<end_of_utterance>")
    images = pil(f"{name}ImageProcessor")(size={"longest_edge": 56}, max_image_size={"longest_edge": 28})
    processor = image_text_processor(
        getattr(transformers, f"{name}Processor"), image_processor=images, tokenizer=tokenizer, image_seq_len=1,
        chat_template=chat("<image>", "<|im_start|>", "<end_of_utterance>\n"))
    config = getattr(transformers, f"{name}Config")(
        text_config=dict(TEXT, model_type="llama", vocab_size=len(tokenizer), **ends(tokenizer)),
        vision_config=dict(VISION, image_size=28, patch_size=14), scale_factor=2, pad_token_id=tokenizer.pad_token_id,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"))
    return getattr(transformers, f"{name}ForConditionalGeneration")(config), processor


def gemma3():
    begin, end, soft = "<start_of_image>", "<end_of_image>", "<image_soft_token>"
    tokenizer = byte_tokenizer(["<start_of_turn>", "<end_of_turn>", begin, end, soft], begins=True,
                               extra_special_tokens=dict(image_token=soft, boi_token=begin, eoi_token=end))
    processor = transformers.Gemma3Processor(
        pil("Gemma3ImageProcessor")(size={"height": 28, "width": 28}), tokenizer, image_seq_length=4,
        chat_template=chat(begin, "<start_of_turn>", "<end_of_turn>\n", first="{{ bos_token }}"))
    of = tokenizer.convert_tokens_to_ids
    config = transformers.Gemma3Config(
        text_config=dict(GEMMA, vocab_size=len(tokenizer), sliding_window=64, **ends(tokenizer)),
        vision_config=dict(VISION, image_size=28, patch_size=7), mm_tokens_per_image=4,
        boi_token_index=of(begin), eoi_token_index=of(end), image_token_index=of(soft))
    return transformers.Gemma3ForConditionalGeneration(config), processor


def gemma4():
    begin, end, soft = "<|image>", "<image|>", "<|image|>"
    tokenizer = byte_tokenizer(["<|turn>", "<turn|>", begin, end, soft, "<|audio>", "<audio|>", "<|audio|>",
                                "<|video|>"], begins=True, extra_special_tokens=dict(
        image_token=soft, boi_token=begin, eoi_token=end, audio_token="<|audio|>", boa_token="<|audio>",
        eoa_token="<audio|>"))
    processor = image_text_processor(
        transformers.Gemma4Processor, image_processor=pil("Gemma4ImageProcessor")(max_soft_tokens=140),
        tokenizer=tokenizer, chat_template=chat(soft, "<|turn>", "<turn|>\n", first="{{ bos_token }}"))
    of = tokenizer.convert_tokens_to_ids
    config = transformers.Gemma4Config(
        text_config=dict(GEMMA, vocab_size=len(tokenizer), vocab_size_per_layer_input=len(tokenizer),
                         hidden_size_per_layer_input=4, sliding_window=512,
                         layer_types=["sliding_attention", "full_attention"], **ends(tokenizer)),
        vision_config=dict(VISION, num_key_value_heads=2, head_dim=16, patch_size=16, position_embedding_size=512),
        boi_token_id=of(begin), eoi_token_id=of(end), image_token_id=of(soft), video_token_id=of("<|video|>"),
        audio_config=None)
    return transformers.Gemma4ForConditionalGeneration(config), processor


def glm46v():
    """With a budget of 4 to 32 merged patches, each counted twice."""
    marks = ["<|image|>", "<|video|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>",
             "<|end_of_video|>"]
    tokenizer = byte_tokenizer(["[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<|begin_of_box|>",
                                "<|end_of_box|>", *marks], eos="<|user|>")
    images = pil("Glm46VImageProcessor")(patch_size=14, merge_size=2,
                                         size={"shortest_edge": 28**2 * 8, "longest_edge": 28**2 * 64})
    processor = image_text_processor(
        transformers.Glm46VProcessor, image_processor=images, tokenizer=tokenizer,
        chat_template=chat("<|begin_of_image|><|image|><|end_of_image|>", "<|user|>", "\n", first="[gMASK]<sop>"))
    names = ("image_token_id", "video_token_id", "image_start_token_id", "image_end_token_id", "video_start_token_id",
             "video_end_token_id")
    config = transformers.Glm46VConfig(
        text_config=dict(TEXT, model_type="glm4v_text", vocab_size=len(tokenizer), rope_parameters=rope([1, 1, 2]),
                         **ends(tokenizer)),
        vision_config=dict(model_type="glm4v_vision", depth=2, hidden_size=32, out_hidden_size=32,
                           intermediate_size=64, num_heads=2, patch_size=14, image_size=56),
        **dict(zip(names, map(tokenizer.convert_tokens_to_ids, marks), strict=True)))
    return transformers.Glm46VForConditionalGeneration(config), processor


def lfm2_vl():
    tokenizer = byte_tokenizer(
        ["<|im_start|>", "<|im_end|>", "<image>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>",
         *(f"<|img_row_{i + 1}_col_{j + 1}|>" for i in range(10) for j in range(10))], eos="<|im_end|>", begins=True)
    processor = Written("Lfm2Vl", tokenizer, chat("<image>", first="{{ bos_token }}"), tile_size=64, max_tiles=4,
                        min_image_tokens=4, max_image_tokens=16, encoder_patch_size=16, downsample_factor=2)
    config = transformers.Lfm2VlConfig(
        text_config=dict(TEXT, model_type="lfm2", vocab_size=len(tokenizer), layer_types=["conv", "full_attention"],
                         block_auto_adjust_ff_dim=False, **ends(tokenizer)),
        vision_config=dict(VISION, model_type="siglip2_vision_model", patch_size=16, num_patches=64),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"), projector_hidden_size=32)
    return transformers.Lfm2VlForConditionalGeneration(config), processor


def molmo2():
    marks = ["<im_start>", "<low_res_im_start>", "<im_end>", "<im_patch>", "<frame_start>", "<frame_end>"]
    tokenizer = byte_tokenizer(
        ["<|im_start|>", "<|im_end|>", *marks, "<im_col>", "<|image|>", "<im_low>", "<|video|>", "<|points|>"],
        eos="<|im_end|>", extra_special_tokens=dict(image_token="<|image|>", video_token="<|video|>"))
    processor = Written("Molmo2", tokenizer, chat("<|image|>"), size={"height": 28, "width": 28}, patch_size=7,
                        max_crops=2, overlap_margins=[1, 1], pooling_size=[2, 2])
    names = ("image_start_token_id", "low_res_image_start_token_id", "image_end_token_id", "image_patch_id",
             "frame_start_token_id", "frame_end_token_id")
    heads = dict(num_attention_heads=2, num_key_value_heads=2, head_dim=16)
    config = transformers.Molmo2Config(
        text_config=dict(TEXT, head_dim=8, vocab_size=len(tokenizer), additional_vocab_size=16, **ends(tokenizer)),
        adapter_config=dict(heads, vision_feature_layer=[-1, -2], hidden_size=32, intermediate_size=64,
                            text_hidden_size=32),
        vision_config=dict(heads, hidden_size=32, intermediate_size=64, num_hidden_layers=3, image_size=[28, 28],
                           patch_size=7, num_position_embeddings=16),
        **dict(zip(names, map(tokenizer.convert_tokens_to_ids, marks), strict=True)))
    return transformers.Molmo2ForConditionalGeneration(config), processor


class Written:
    """A processor that cannot be built without torchvision, as the files it leaves in a checkpoint."""

    def __init__(self, name: str, tokenizer, template: str, **settings) -> None:
        self.tokenizer, self.template = tokenizer, template
        self.settings = {"image_processor_type": f"{name}ImageProcessor", "processor_class": f"{name}Processor",
                         **settings}

    def save_pretrained(self, folder: Path) -> None:
        self.tokenizer.save_pretrained(folder)
        (folder / "chat_template.jinja").write_text(self.template, encoding="utf-8")
        (folder / "preprocessor_config.json").write_text(json.dumps(self.settings), encoding="utf-8")


BUILDERS = {"florence2": florence2, "kosmos2": kosmos2, "internvl": internvl, "idefics3": idefics3,
            "smolvlm": lambda: idefics3("SmolVLM"), "gemma3": gemma3, "gemma4": gemma4, "glm46v": glm46v,
            "lfm2_vl": lfm2_vl, "molmo2": molmo2}
