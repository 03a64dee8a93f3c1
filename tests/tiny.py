"""Builds tiny checkpoints with random weights, one per family, saved as a user would find them: folders on disk.

They have the real classes of model, processor and tokenizer, so the code under test takes its usual road.
"""
from __future__ import annotations

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from app.backends.processors import image_text_processor
from tests import tiny_families
from tests.tiny_parts import TEXT, byte_tokenizer, chat, ends, pil, rope

QWEN_MARKS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
QWEN_CHAT = chat("<|vision_start|><|image_pad|><|vision_end|>")
SWIN = dict(embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=4, image_size=64,
            out_features=["stage2", "stage3", "stage4"])


def save(kind: str, folder: Path) -> Path:
    """A checkpoint of that kind (a key of KINDS) in the folder, the same for the same kind."""
    torch.manual_seed(3)
    model, processor = KINDS[kind]()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_adapter(base: Path, folder: Path, name: str | None = None,
                 layers: str = r".*language_model.*\.(q|v|o|gate|up|down)_proj") -> Path:
    """A LoRA on the `layers` of `base`, strong enough to change every answer; it calls its base `name`."""
    import peft
    torch.manual_seed(7)
    model = transformers.AutoModelForImageTextToText.from_pretrained(base)
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=4, lora_alpha=64, target_modules=layers))
    for name_, weight in adapted.named_parameters():
        if "lora_B" in name_:
            torch.nn.init.normal_(weight, std=0.5)
    adapted.peft_config["default"].base_model_name_or_path = name or str(base)
    adapted.save_pretrained(folder, save_embedding_layers=False)
    return folder


def paligemma(text_type: str = "gemma"):
    tokenizer = byte_tokenizer(["<image>"], extra_special_tokens={"image_token": "<image>"})
    images = pil("SiglipImageProcessor")(size={"height": 28, "width": 28})
    images.image_seq_length = 4
    processor = transformers.PaliGemmaProcessor(images, tokenizer)
    config = transformers.PaliGemmaConfig(
        text_config=dict(TEXT, model_type=text_type, head_dim=8, vocab_size=len(tokenizer), **ends(tokenizer)),
        vision_config=dict(model_type="siglip_vision_model", hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                           num_attention_heads=2, image_size=28, patch_size=14, projection_dim=32),
        projection_dim=32, hidden_size=32, image_token_index=tokenizer.convert_tokens_to_ids("<image>"))
    return transformers.PaliGemmaForConditionalGeneration(config), processor


def qwen2_vl():
    tokenizer, processor, marks = _qwen(14, transformers.Qwen2VLProcessor)
    config = transformers.Qwen2VLConfig(
        text_config=dict(TEXT, vocab_size=len(tokenizer), rope_parameters=rope([1, 1, 2]), **ends(tokenizer)),
        vision_config=dict(depth=2, embed_dim=32, hidden_size=32, num_heads=2, patch_size=14, mlp_ratio=2), **marks)
    return transformers.Qwen2VLForConditionalGeneration(config), processor


def qwen2_5_vl():
    tokenizer, processor, marks = _qwen(14, transformers.Qwen2_5_VLProcessor)
    config = transformers.Qwen2_5_VLConfig(
        text_config=dict(TEXT, vocab_size=len(tokenizer), rope_parameters=rope([1, 1, 2]), **ends(tokenizer)),
        vision_config=dict(depth=2, hidden_size=32, out_hidden_size=32, intermediate_size=64, num_heads=2,
                           patch_size=14, fullatt_block_indexes=[1], window_size=56), **marks)
    return transformers.Qwen2_5_VLForConditionalGeneration(config), processor


def qwen3_vl():
    tokenizer, processor, marks = _qwen(16, transformers.Qwen3VLProcessor)
    config = transformers.Qwen3VLConfig(
        text_config=dict(TEXT, vocab_size=len(tokenizer), head_dim=8, rope_parameters=rope([2, 1, 1]),
                         **ends(tokenizer)),
        vision_config=dict(depth=2, hidden_size=32, out_hidden_size=32, intermediate_size=64, num_heads=2,
                           patch_size=16, num_position_embeddings=64, deepstack_visual_indexes=[0, 1]), **marks)
    return transformers.Qwen3VLForConditionalGeneration(config), processor


def qwen3_5():
    tokenizer, processor, marks = _qwen(16, transformers.Qwen3VLProcessor)
    config = transformers.Qwen3_5Config(
        text_config=dict(TEXT, vocab_size=len(tokenizer), head_dim=16, linear_key_head_dim=8, linear_value_head_dim=8,
                         linear_num_key_heads=2, linear_num_value_heads=4,
                         layer_types=["linear_attention", "full_attention"],
                         rope_parameters=dict(rope([1, 1, 0]), partial_rotary_factor=0.25), **ends(tokenizer)),
        vision_config=dict(depth=2, hidden_size=32, out_hidden_size=32, intermediate_size=64, num_heads=2,
                           patch_size=16, num_position_embeddings=64), **marks)
    return transformers.Qwen3_5ForConditionalGeneration(config), processor


def grounding_dino(name: str = "GroundingDino"):
    """Grounding DINO, or MM-Grounding-DINO, which is built the same way."""
    tokenizer = _bert_tokenizer()
    images = pil("GroundingDinoImageProcessor")(size={"shortest_edge": 64, "longest_edge": 96})
    config = getattr(transformers, f"{name}Config")(
        backbone_config=transformers.SwinConfig(**SWIN),
        text_config=transformers.BertConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1,
                                            num_attention_heads=2, intermediate_size=32, max_position_embeddings=64),
        d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=5, max_text_len=64, encoder_n_points=2, decoder_n_points=2,
        num_feature_levels=4, use_timm_backbone=False, disable_custom_kernels=True)
    return (getattr(transformers, f"{name}ForObjectDetection")(config),
            transformers.GroundingDinoProcessor(images, tokenizer))


def omdet_turbo():
    """Its processor cannot be built without torchvision: it is saved in its two halves, which is what is loaded."""
    start, end = "<|startoftext|>", "<|endoftext|>"
    tokenizer = byte_tokenizer([], pad="!", bos=start, eos=end)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", pair="$A $B",
        special_tokens=[(start, tokenizer.bos_token_id), (end, tokenizer.eos_token_id)])
    tokenizer.padding_side, tokenizer.model_max_length = "right", 32
    images = pil("DetrImageProcessor")(size={"height": 64, "width": 64}, do_pad=False)
    config = transformers.OmDetTurboConfig(
        text_config=dict(model_type="clip_text_model", vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1,
                         num_attention_heads=2, intermediate_size=16, max_position_embeddings=32, **ends(tokenizer)),
        backbone_config=dict(SWIN, model_type="swin", image_size=64, out_features=None, out_indices=(2, 3, 4)),
        use_timm_backbone=False, backbone=None, apply_layernorm_after_vision_backbone=False, decoder_num_layers=2,
        image_size=64, encoder_in_channels=(16, 32, 64), num_queries=20, encoder_layers=1,
        encoder_projection_indices=[2], encoder_attention_heads=2, decoder_num_heads=2, decoder_num_points=2,
        num_feature_levels=3, encoder_dim_feedforward=32, task_encoder_hidden_dim=32, decoder_dim_feedforward=32,
        class_embed_dim=16, text_projection_in_dim=16, text_projection_out_dim=16, encoder_hidden_dim=8,
        decoder_hidden_dim=8, vision_features_channels=[8, 8, 8])
    return transformers.OmDetTurboForObjectDetection(config), Parts(images, tokenizer)


def vitpose(experts: int = 1):
    """With COCO's joints as its makers spell them, and heatmaps of 12×16 for pictures of 48×64."""
    joints = ("Eye", "Ear", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")
    names = ["Nose", *(f"{side}_{joint}" for joint in joints for side in "LR")]
    config = transformers.VitPoseConfig(
        backbone_config=dict(model_type="vitpose_backbone", image_size=[64, 48], patch_size=[16, 16], hidden_size=32,
                             num_hidden_layers=2, num_attention_heads=2, num_experts=experts, part_features=8,
                             out_indices=[-1]),
        id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)})
    model = transformers.VitPoseForPoseEstimation(config)
    return model, pil("VitPoseImageProcessor")(size={"height": 64, "width": 48})


class Parts:
    """An image processor and a tokenizer without a processor around them."""

    def __init__(self, *parts) -> None:
        self.parts = parts

    def save_pretrained(self, folder: Path) -> None:
        for part in self.parts:
            part.save_pretrained(folder)


def owlv2():
    start, end = "<|startoftext|>", "<|endoftext|>"
    tokenizer = byte_tokenizer([], pad="!", bos=start, eos=end)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", pair="$A $B",
        special_tokens=[(start, tokenizer.bos_token_id), (end, tokenizer.eos_token_id)])
    tokenizer.padding_side, tokenizer.model_max_length = "right", 16
    config = transformers.Owlv2Config(
        text_config=dict(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=1,
                         num_attention_heads=2, max_position_embeddings=16, **ends(tokenizer)),
        vision_config=dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
                           image_size=64, patch_size=16), projection_dim=32)
    model = transformers.Owlv2ForObjectDetection(config)
    for weight in model.box_head.parameters():  # near its grid, as a trained one is, and not all over the padding
        weight.data *= 0.2
    return (model,
            transformers.Owlv2Processor(pil("Owlv2ImageProcessor")(size={"height": 64, "width": 64}), tokenizer))


KINDS = {"paligemma": paligemma, "paligemma2": lambda: paligemma("gemma2"), "qwen2_vl": qwen2_vl,
         "qwen2_5_vl": qwen2_5_vl, "qwen3_vl": qwen3_vl, "qwen3_5": qwen3_5, "grounding_dino": grounding_dino,
         "mm_grounding_dino": lambda: grounding_dino("MMGroundingDino"), "omdet_turbo": omdet_turbo, "owlv2": owlv2,
         "vitpose": vitpose, "vitpose_plus": lambda: vitpose(experts=2), **tiny_families.BUILDERS}


def _qwen(patch: int, processor_class: type):
    """With a budget of 4 to 32 merged patches, so that elongated pictures meet both ends of it."""
    tokenizer = byte_tokenizer(QWEN_MARKS, eos="<|im_end|>")
    side = 2 * patch
    images = pil("Qwen2VLImageProcessor")(patch_size=patch, merge_size=2,
                                          size={"shortest_edge": side**2 * 4, "longest_edge": side**2 * 32})
    processor = image_text_processor(processor_class, image_processor=images, tokenizer=tokenizer,
                                     chat_template=QWEN_CHAT)
    of = tokenizer.convert_tokens_to_ids
    return tokenizer, processor, dict(
        image_token_id=of("<|image_pad|>"), video_token_id=of("<|video_pad|>"),
        vision_start_token_id=of("<|vision_start|>"), vision_end_token_id=of("<|vision_end|>"))


def _bert_tokenizer():
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", ",", "cat", "dog", "remote", *letters]
    words += [f"##{letter}" for letter in letters]
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=64, model_input_names=["input_ids", "token_type_ids", "attention_mask"])
