"""Lets a model write only what its answer's form allows, and writes itself what the form leaves no choice about.

    guide = guided(form, checkpoint)          # of app/families/forms.py
    model.generate(…, custom_generate=guide.writing(rows))

A step of the model costs the same whether it decides or not. Of `{"bbox_2d": [12, 40, 99, 180], "label": "cat"}` it
decides digits and the label; the rest goes in together with the last thing it decided, in one step. Each token's
log-probability is that of the model's own logits, before anything is forbidden: what was forced says how much the model
would have written it, and a score under a form means the same as one without.
"""
from __future__ import annotations

import json
import queue
import re
from collections.abc import Callable

import torch

from app.families.forms import JsonForm, LocForm


def guided(form: JsonForm | LocForm, checkpoint, ends: frozenset[int]) -> Guide:
    """A guide through one answer. `ends` are the tokens that end it."""
    if isinstance(form, LocForm):
        return LocGuide(form, checkpoint.processor.tokenizer, ends)
    return JsonGuide(checkpoint.grammars(ends).compiled(form), checkpoint.processor.tokenizer)


class Guide:
    """What may come next in an answer."""

    def mask(self, scores: torch.Tensor) -> torch.Tensor:
        """(1, vocabulary) scores with what may not come next at minus infinity."""
        raise NotImplementedError

    def accept(self, token: int) -> list[int]:
        """Takes a token that was written, and gives the tokens that can only follow it."""
        raise NotImplementedError

    def writing(self, rows: queue.SimpleQueue) -> Callable:
        """A decoding loop for `generate`, which puts each token with its own log-probability into `rows`."""
        def write(model, input_ids, logits_processor, stopping_criteria, generation_config, **model_kwargs):
            return _write(self, rows, model, input_ids, logits_processor, stopping_criteria, generation_config,
                          model_kwargs)
        return write


class JsonGuide(Guide):
    """By xgrammar."""

    def __init__(self, grammar, tokenizer) -> None:
        import xgrammar
        self.tokenizer, self.matcher = tokenizer, xgrammar.GrammarMatcher(grammar)
        self.fill, self.apply = xgrammar.allocate_token_bitmask, xgrammar.apply_token_bitmask_inplace

    def mask(self, scores: torch.Tensor) -> torch.Tensor:
        bits = self.fill(1, scores.shape[-1])
        self.matcher.fill_next_token_bitmask(bits)
        scores = scores.clone()
        self.apply(scores, bits.to(scores.device))
        return scores

    def accept(self, token: int) -> list[int]:
        self.matcher.accept_token(token)
        if self.matcher.is_terminated():
            return []
        forced = self.matcher.find_jump_forward_string()
        # The last one is left to the model: what comes next may be part of its token (`},` behind a `}`), and a token
        # that it would not write itself leads its answer astray.
        ids = self.tokenizer(forced, add_special_tokens=False)["input_ids"][:-1] if forced else []
        for place, each in enumerate(ids):
            if not self.matcher.accept_token(each):
                return ids[:place]
        return ids


class Grammars:
    """xgrammar's compiled forms for one tokenizer; the last ones are kept by its compiler."""

    def __init__(self, tokenizer, vocabulary: int, ends: frozenset[int]) -> None:
        import xgrammar  # brings its own runtime, which takes seconds the first time
        self.xgrammar = xgrammar
        self.compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo.from_huggingface(
            tokenizer, vocab_size=vocabulary, stop_token_ids=sorted(ends)), max_threads=1)

    def compiled(self, form: JsonForm):
        return self.compiler.compile_grammar(self.xgrammar.Grammar.from_ebnf(self._rules(form)))

    def _rules(self, form: JsonForm) -> str:
        """EBNF of the whole answer, around xgrammar's own of the JSON in it."""
        schema = form.schema["items"] if form.opening else form.schema
        json_rules = str(self.xgrammar.Grammar.from_json_schema(json.dumps(schema), any_whitespace=False))
        if not form.opening:
            return json_rules
        opening, between, closing, nothing = map(json.dumps, (form.opening, form.between, form.closing, form.nothing))
        return (re.sub(r"(?m)^root ::=", "item ::=", json_rules)
                + f"\nroot ::= {opening} item ({between} item)* {closing} | {nothing}\n")


class LocGuide(Guide):
    """PaliGemma's objects, token by token: the location tokens have no letters, so no grammar of letters has them."""

    def __init__(self, form: LocForm, tokenizer, ends: frozenset[int]) -> None:
        self.form, self.ends = form, sorted(ends)
        self.locs = tokenizer.convert_tokens_to_ids([f"<loc{number:04d}>" for number in range(1024)])

        def written(words: str) -> tuple[int, ...]:
            return tuple(tokenizer(words, add_special_tokens=False)["input_ids"])
        self.labels = [written(f" {label}") for label in form.labels]
        self.separator = written(form.separator)
        self.left: list[int] = []  # of the separator
        self.places, self.word, self.begun = 0, (), False  # what is written of the object; whether one is before it

    def mask(self, scores: torch.Tensor) -> torch.Tensor:
        allowed = torch.full_like(scores, -torch.inf)
        allowed[:, self._next()] = 0
        return scores + allowed

    def accept(self, token: int) -> list[int]:
        self._take(token)
        forced: list[int] = []
        while len(following := self._next()) == 1 and following[0] not in self.ends:
            forced += following
            self._take(following[0])
        return forced

    def _next(self) -> list[int]:
        if self.left:
            return self.left[:1]
        if self.places < self.form.places:
            return [*self.locs, *(self.ends if self._nothing_yet() else ())]
        longer = sorted({label[len(self.word)] for label in self.labels
                         if len(label) > len(self.word) and label[:len(self.word)] == self.word})
        whole = self.word in self.labels
        return [*longer, *((*self.separator[:1], *self.ends) if whole else ())]

    def _nothing_yet(self) -> bool:
        return not self.places and not self.begun

    def _take(self, token: int) -> None:
        if token in self.ends:
            return
        if self.left:
            self.left = self.left[1:]
        elif self.places < self.form.places:
            self.places += 1
        elif any(label[:len(self.word) + 1] == (*self.word, token) for label in self.labels):
            self.word = (*self.word, token)
        else:
            self.left, self.places, self.word, self.begun = list(self.separator[1:]), 0, (), True


def _write(guide: Guide, rows: queue.SimpleQueue, model, input_ids: torch.Tensor, logits_processor, stopping_criteria,
           generation_config, model_kwargs: dict) -> torch.Tensor:
    """One answer: the model decides, and what can only follow goes in together with what it decided."""
    jumps = not getattr(model, "_is_stateful", False)  # a linear attention takes one token at a time (Qwen3.5)
    outputs = model._prefill(input_ids, generation_config, model_kwargs)
    beside: list[int] = []  # went in behind the last decision, so the same step says how likely each was
    waiting: list[int] = []  # where they cannot go in together
    while True:
        logits = outputs.logits[:, -1 - len(beside):]
        for place, token in enumerate(beside):
            rows.put([(token, _log_probability(logits[:, place], token))])
        own = logits[:, -1]
        if waiting:
            token = waiting.pop(0)
        else:
            scores = guide.mask(logits_processor(input_ids, own.to(copy=True, dtype=torch.float32)))
            token = int(torch.multinomial(scores.softmax(-1), 1) if generation_config.do_sample else scores.argmax(-1))
            waiting = guide.accept(token)
        rows.put([(token, _log_probability(own, token))])
        input_ids = torch.cat([input_ids, input_ids.new_tensor([[token]])], dim=-1)
        if bool(stopping_criteria(input_ids, None).all()):
            return input_ids
        beside, waiting = (waiting[:generation_config.max_length - input_ids.shape[1]], []) if jumps else ([], waiting)
        if beside:
            input_ids = torch.cat([input_ids, input_ids.new_tensor([beside])], dim=-1)
        new = 1 + len(beside)
        model_kwargs = model._update_model_kwargs_for_generation(outputs, model_kwargs, num_new_tokens=new)
        inputs = model.prepare_inputs_for_generation(input_ids, next_sequence_length=new, **model_kwargs)
        if "logits_to_keep" in inputs:
            inputs["logits_to_keep"] = new
        outputs = model(**inputs, return_dict=True)
        if beside and input_ids.shape[1] >= generation_config.max_length:
            for place, token in enumerate(beside):
                rows.put([(token, _log_probability(outputs.logits[:, place - new], token))])
            return input_ids


def _log_probability(logits: torch.Tensor, token: int) -> float:
    return float(torch.log_softmax(logits[0].float(), dim=-1)[token])
