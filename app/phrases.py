"""The noun phrases of an English caption, so that each can be found: “a red shirt” → the name “red shirt”, by rules.

There is no tagger to download at first start, so lists of words decide, and endings where the lists end. A
determiner, a possessive or a number begins a phrase; a preposition, conjunction, pronoun, auxiliary or verb ends it;
adjectives stay. Nouns without a determiner ("people with umbrellas", "a knife and fork") count where their place says
that they are nouns.

A name has the caption's words without its leading article: detectors are trained on bare class names, and the
models that like "a man" read the caption itself. "his dog" and "two bicycles" stay what the caption says.

What it cannot do: other languages; rare verbs that look like nouns ("the crowd roars" is one phrase); what "it" or
"the former" refers to; phrases inside phrases ("the man's hat" is one, its man is not). It leaves out what is no thing
("the left", "the background", "a photo of") and what is said not to be there ("no dogs", "without a hat").
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.types import Parsed, Request

MOST_PHRASES = 20  # more names than most detectors read at once
MOST_WORDS = 8  # a longer run is words that no rule knows, not a noun phrase
LONGEST_WORD = 40
NONE = ("no phrase such as “a red shirt” was found in this caption, and only English captions are read; "
        "choose Detect and separate the names by ;")

# Combining marks belong to the letter before them: \w leaves them out, and a decomposed "é" would split its word.
WORD = re.compile(r"[0-9]+(?:[.,][0-9]+)+|[^\W_][^\W_\u0300-\u036f]*(?:[-'’\u0300-\u036f]+[^\W_]+)*[\u0300-\u036f]*|&")
NUMBER = re.compile(r"[0-9]{1,4}|[0-9]+(?:[.,][0-9]+)+")


@dataclass(frozen=True)
class Phrase:
    """`name` is what to look for; caption[slice(*span)] is the phrase as it stands, with its article."""
    name: str
    span: tuple[int, int]


@dataclass(frozen=True)
class Word:
    text: str  # in lower case, with a straight apostrophe
    start: int
    end: int
    after: str  # punctuation between the word before and this one; "" is only space

    @property
    def plural(self) -> bool:
        return self.text in PLURALS or _ends_in_s(self.text)


def of(caption: str) -> tuple[Phrase, ...]:
    """Its phrases in their order, each name once, at most MOST_PHRASES. Raises ValueError, one sentence, for none."""
    words = _words(caption)
    found: dict[str, Phrase] = {}
    for run in _runs(words) if _english(words) else ():
        rest = run[1:] if run[0].text in ARTICLES else run
        name = " ".join(caption[word.start:word.end] for word in rest)
        found.setdefault(name.casefold(), Phrase(name, (run[0].start, run[-1].end)))
    if not found:
        raise ValueError(NONE)
    return tuple(found.values())[:MOST_PHRASES]


def renamed(parsed: Parsed, request: Request) -> Parsed:
    """An answer in the words of the caption, its boxes under the names of the phrases: "A man" is "man"."""
    names = {_bare(name): name for name in request.names}
    return replace(parsed, annotations=tuple(replace(each, label=names.get(_bare(each.label), each.label))
                                             for each in parsed.annotations))


def _bare(label: str) -> str:
    words = label.casefold().replace(",", " ").split()  # "a small, fluffy dog" is "small fluffy dog"
    return " ".join(words[1:] if words and words[0] in ARTICLES else words)


def _words(caption: str) -> list[Word]:
    words, end = [], 0
    for match in WORD.finditer(caption):
        text = "and" if match.group() == "&" else match.group().casefold().replace("’", "'")
        words.append(Word(text, match.start(), match.end(), caption[end:match.start()].strip()))
        end = match.end()
    return words


def _english(words: list[Word]) -> bool:
    """Whether this is no other language: "Ein Hund an der Wand" and "va a la playa" hold English words too."""
    ours = sum(word.text not in SHARED and (word.text in STARTS or word.text in BREAKS) for word in words)
    theirs = sum(word.text in FOREIGN for word in words)
    return ours >= theirs and (ours > 0 or any(word.text in ARTICLES for word in words))


def _runs(words: list[Word]) -> Iterator[list[Word]]:
    """The words of each phrase, from the first to the last."""
    i = 0
    while i < len(words):
        first = i
        while i < len(words) and (i == first or not words[i].after) and _starts(words, i):
            i += 1
        end = _end(words, first, i)
        if end > i and _is_thing(words, first, i, end):
            yield words[first:end]
        ended = end > i and end < len(words) and not words[end].after and not _starts(words, end)
        i = max(end + ended, first + 1)  # the verb that ends a phrase begins none: "a dog | juggles"


def _starts(words: list[Word], i: int) -> bool:
    """Whether a determiner or a number stands here; "a red one" and "a dog that barks" have none after the first."""
    text, before = words[i].text, words[i - 1].text if i else ""
    if text == "one":
        return not _adjective(before)
    if text == "that":
        return not i or bool(words[i].after) or before in PREPOSITIONS
    return text in STARTS or bool(NUMBER.fullmatch(text))


def _end(words: list[Word], first: int, start: int) -> int:
    """Where the phrase ends that has its determiners at words[first:start], and nouns and adjectives from there."""
    i, one = start, any(word.text in ONE for word in words[first:start])
    if i == first and i < len(words) and _is_verbal(words[i].text):
        return i
    while i < len(words) and len(words[i].text) <= LONGEST_WORD:
        if words[i].after and i > first and not _goes_on(words, start, i):
            break
        if inside := _measured(words, start, i):
            start = i = inside
            one = False
        elif _stops(words, start, i, one) and not (words[i].text == "and" and _goes_on(words, start, i + 1)):
            break
        i += 1
    return i


def _measured(words: list[Word], start: int, i: int) -> int:
    """After "of" in "a group of people", where "people" stands; 0 where this is another "of", or none."""
    if words[i].text != "of" or i == start or words[i - 1].text.removesuffix("s") not in AMOUNTS:
        return 0
    i += 1
    while i < len(words) and not words[i].after and _starts(words, i):
        i += 1
    return i if i < len(words) and not words[i].after and not _stops(words, i, i, False) else 0


def _goes_on(words: list[Word], start: int, i: int) -> bool:
    """Whether an adjective follows adjectives here: "black and white dog", "a small, fluffy dog"."""
    listed = words[start:i - 1] if words[i - 1].text == "and" else words[start:i]
    if i >= len(words) or words[i].after not in ("", ",") or not 0 < len(listed) < MOST_WORDS:
        return False
    return all(_adjective(word.text) for word in (*listed, words[i]))


def _stops(words: list[Word], start: int, i: int, one: bool) -> bool:
    """Whether words[i] is outside the phrase whose nouns begin at `start`; `one`: it speaks of one thing."""
    text = words[i].text
    if text in BREAKS or text.split("'")[0] in PRONOUNS or text.endswith("n't"):
        return True
    if _starts(words, i) and not text[0].isdigit():  # "bus 42" goes on
        return True
    last = i + 1 == len(words) or bool(words[i + 1].after)
    starts = not last and _starts(words, i + 1)
    if i == start:  # "a smiling woman" goes on, "the dog behind her wearing a hat" does not
        return _gerund(text) and starts
    noun = not all(_adjective(word.text) for word in words[max(start, i - MOST_WORDS):i])
    ends = last or starts or words[i + 1].text in BREAKS or _ly(words[i + 1].text)
    if text in THIRD:
        return noun or ends
    if _gerund(text) or _ly(text) or (starts and text.endswith("ing")):  # "railway crossing", "crossing a street"
        return noun or starts or (not last and words[i + 1].text in PREPOSITIONS - {"of"})  # "an orange lying on"
    if _ends_in_s(text) and noun:
        return one or words[i - 1].text in PEOPLE or starts
    if _past(text) or text in ADJECTIVES:
        return noun and ends
    return text in VERBS and words[i - 1].plural


def _is_thing(words: list[Word], first: int, start: int, end: int) -> bool:
    run, last = words[first:end], words[end - 1].text
    before, after = words[first - 1].text if first else "", words[end].text if end < len(words) else ""
    if len(run) > MOST_WORDS or last.removesuffix("s") in NO_THINGS:
        return False
    if before in ("no", "not", "without") or any(word.text == "no" for word in run):
        return False
    if last.removesuffix("s") in SHOWN and after in ("of", "showing"):
        return False
    if start > first:
        return not (_gerund(last) and run[0].text in ("her", "that"))
    return _is_bare(words, first, end)


def _is_bare(words: list[Word], first: int, end: int) -> bool:
    """Whether words without a determiner are a thing: not only adjectives, no verb, in a place for nouns."""
    begin, last, before = words[first], words[end - 1], words[first - 1].text if first else ""
    after = "" if end == len(words) else words[end].after or words[end].text
    if _adjective(last.text) or (after and not words[end].after and _starts(words, end)):  # "inspects the engine"
        return False
    if before == "to" and not _adjective(begin.text):  # "next to cars", but "to serve customers"
        return first > 1 and words[first - 2].text in ("next", "close", "closest", "nearest")
    if last.plural or last.text in BARE or first == 0:
        return True
    if begin.after:  # "a toilet, sink and shower"
        return begin.after == "," and after in (",", "and", "or")
    return before in PREPOSITIONS or (before in ("and", "or") and first > 1 and not _is_verbal(words[first - 2].text))


def _is_verbal(text: str) -> bool:
    """Whether no noun without a determiner begins so."""
    return text in VERBS or text in THIRD or text in SHOWN or text == "look" or _gerund(text) or _ly(text)


def _adjective(text: str) -> bool:
    return text in ADJECTIVES or _past(text) or _gerund(text) or _ly(text) or (
        len(text) > 5 and text.endswith(("ful", "ous", "less", "-old")))


def _gerund(text: str) -> bool:
    return len(text) > 4 and text.endswith("ing") and text not in ING_NOUNS and text.removesuffix("s") not in ING_NOUNS


def _past(text: str) -> bool:
    return text in PAST or (len(text) > 4 and text.endswith("ed")
                            and not text.endswith(("bed", "seed", "weed", "moped")))


def _ly(text: str) -> bool:
    return len(text) > 4 and text.endswith("ly") and text not in LY_NOUNS


def _ends_in_s(text: str) -> bool:
    return len(text) > 2 and text.endswith("s") and not text.endswith(("ss", "us", "is", "'s")) and text not in S_NOUNS


def _third(verb: str) -> str:
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("s", "sh", "ch", "x", "z", "o")) else "s")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ARTICLES = _set("a an the")
ONE = _set("a an one this another each every")
STARTS = ARTICLES | ONE | _set("""these those some any several many few both all no its his her their my your our two
    three four five six seven eight nine ten eleven twelve twenty thirty dozen dozens hundred hundreds""")
PREPOSITIONS = _set("""about above across after against along alongside amid among amongst around as at atop before
    behind below beneath beside besides between beyond by despite down during for from in inside into like near nearby
    next of off on onto opposite out outside over past per than through throughout to toward towards under underneath
    until up upon via with within without""")
PRONOUNS = _set("""i you he she it we they me him us them himself herself itself themselves who whom whose which what
    that there here someone somebody something anyone anything everyone everything nobody nothing none hers theirs
    where when how why let""")
AUXILIARIES = _set("""is are was were be been being am has have had having do does did done can could will would shall
    should may might must seem seems appear appears become becomes get gets got getting""")
OTHERS = _set("""and or but nor yet so while if because although though since whereas plus then also not never just only
    too again away together apart ahead aside forward backward backwards upside sideways today now still already almost
    ready alone asleep awake able please versus vs""")
BREAKS = PREPOSITIONS | PRONOUNS | AUXILIARIES | OTHERS
VERBS = _set("""sit stand walk run ride hold look wear play eat lie lay jump fly drive carry catch throw swing hit pull
    push lean rest hang show feature contain watch wait talk smile work sleep drink swim stare gaze pose reach climb
    cross enter leap kick chase graze feed cook cut make take give use read write race perform prepare try begin start
    shine travel move go come follow face include lick float sail pass approach gather laugh dance sing speak listen
    roll bend kneel crouch touch greet hug kiss open serve return attempt celebrate enjoy share put set bring keep
    belong overlook surround fill line say see find detect locate identify describe want tell ask bark cheer""")
THIRD = frozenset(map(_third, VERBS))
PAST = _set("""sat stood ran rode held threw caught wore ate drove flew lay laid hung lit shown seen made worn taken
    built bent drawn written left kept spread""")
ADJECTIVES = _set("""red blue green yellow orange purple pink brown black white grey gray silver golden beige tan teal
    maroon turquoise dark light bright pale big small little large huge tiny tall short long wide narrow thin thick fat
    giant old young new modern vintage antique wooden plastic leather metallic empty full round rectangular oval
    clear clean dirty wet dry hot cold fresh ripe raw happy sad cute pretty beautiful nice fluffy furry hairy shiny
    fancy busy dusty rusty sandy snowy grassy rocky rainy cloudy sunny foggy high low deep shallow heavy soft hard flat
    sharp steep male female elderly bald blonde blond brunette asian african american european indian chinese different
    various other same similar multiple single double very quite left right upper lower front rear outdoor indoor
    public floral plaid whole own main broken frozen more most close closest nearest farthest
    first second third fourth fifth last adult curly ugly friendly""")
LY_NOUNS = _set("family jelly butterfly dragonfly belly lily bully assembly")
ING_NOUNS = _set("""building ceiling railing painting clothing evening morning awning pudding wedding icing swing spring
    string drawing earring frosting crossing landing lighting dressing parking dining living topping stuffing duckling
    bedding wing king ring thing sling siding carving meeting seating sibling housing fencing opening""")
S_NOUNS = _set("gas lens canvas christmas sports series species news")  # one thing, in spite of its s
PLURALS = _set("people men women children sheep geese feet mice teeth deer fish cattle police firemen policemen")
PEOPLE = _set("man woman boy girl person guy lady player surfer skier skateboarder batter pitcher catcher child")
BARE = _set("""grass snow water sand food pizza coffee tea wine beer bread cheese fruit hay luggage traffic furniture
    graffiti broccoli lettuce rice pasta cake meat salad soup bacon ice rain fire smoke man woman boy girl person dog
    cat child baby""")
AMOUNTS = _set("""group bunch pair couple number lot row herd flock pack pile stack crowd team set piece slice kind type
    variety cup glas glass bottle bowl plate bouquet vase box basket bag can jar line school swarm collection array loaf
    assortment handful dozen hundred""")  # "glas" is what is left of "glass" without its s
SHOWN = _set("""photo picture image photograph shot view scene painting drawing close-up closeup portrait
    top""")  # no things before "of"; else "a picture" and "a black top" are
NO_THINGS = _set("""front back side bottom left right middle center centre background foreground distance edge end
    corner rear part day night morning evening afternoon time dinner lunch breakfast way motion flight sale display use
    air other one something action mid-air midair rest order case addition place color colour sunset dusk close""")
# English words that other languages write too: they are no sign of English.
SHARED = _set("a an in am was so as at by has me no us all he i one or can is of for over to dozen")
FOREIGN = _set("""der das ein eine einen einem einer den dem des und mit auf ist im vor neben zwei unter sitzt le la les
    un une et dans avec sur est du deux el los las una con y en dos il lo gli e di su nel della o os um uma com na da
    het een van op ett och som på og""")
