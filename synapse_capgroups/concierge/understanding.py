"""What somebody means who does not know the commands. No Synapse, no I/O."""

import re
from collections import Counter
from collections.abc import Iterator

import attrs

from synapse_capgroups.concierge.parsing import code_wish
from synapse_capgroups.words.phrases import (
    beginning,
    ending,
    everywhere,
    is_start,
    plain,
    same_width,
)

LONGEST = 300
"""How many characters of a line are looked at."""
_MOST_FILLERS = 8
_WRAPPERS = "*_~`\"'\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d"
_LEADING = re.compile(rf"[\s/!\-\u2022\u00b7{re.escape(_WRAPPERS)}]+(?=\w)")
_END_MARKS = ".,;:!?\u2026\u3002\u3001"
_HARMLESS = frozenset({"help", "groups", "code", "codes", "me", "who", "requests", "series"})
"""What may be carried out although its word stands last."""
_WHOLE_LINE = frozenset({"help", "groups", "courtesy"})
"""What its everyday words mean only if nothing else is said."""
_CLOSE = 0.74  # `difflib`'s ratio: one wrong letter in a word of four.
_USUAL = ("code", "groups")
_NUMBER = re.compile(r"#?\s*([0-9]{1,5})")


@attrs.frozen
class Understood:
    """One line.

    Attributes:
        word: the command; empty if it is not clear.
        rest: what follows it.
        perhaps: if it is not clear, the likeliest one or two commands, as they would be written.
        language: in which it is written, if its phrases say it.
    """

    word: str
    rest: str = ""
    perhaps: tuple[str, ...] = ()
    language: str | None = attrs.field(default=None, eq=False)


def understood(line: str) -> Understood:
    """What a line means."""
    meant = _understood(line)
    return attrs.evolve(meant, language=_language(line, meant))


def _understood(line: str) -> Understood:
    said, marks = _unwrapped(line)
    head = plain(said[:LONGEST])
    for start in _starts(head):
        end = beginning(head, start, everywhere().commands)
        if end is not None:
            found = _meant(head[start:end], said[end:].lstrip(marks))
            if found is not None:
                return found
    return _elsewhere(said[:LONGEST].strip())


def _language(line: str, meant: Understood) -> str | None:
    """The language of most phrases in a line, without what it is about: that is somebody's name."""
    text, rest = plain(line[:LONGEST]), plain(meant.rest[:LONGEST])
    if meant.word and rest and (start := text.rfind(rest)) > 0:
        link = beginning(rest, 0, everywhere().links)
        text = text[: start + (link or 0)]
    languages = everywhere().languages
    said: Counter[str] = Counter()
    start = 0
    while start < len(text):
        end = beginning(text, start, languages) if is_start(text, start) else None
        if end is not None and (language := languages[text[start:end]]) is not None:
            said[language] += end - start
        start = end or start + 1
    (first, most), (_, second) = [*said.most_common(2), ("", 0), ("", 0)][:2]
    if most > second:
        return first
    return "zh-Hans" if not meant.word and _is_chinese(text) else None


def _is_chinese(text: str) -> bool:
    """Whether all letters are Chinese characters, without Japanese ones."""
    letters = [c for c in text if c.isalpha()]
    return bool(letters) and all("\u3400" <= c <= "\u9fff" for c in letters)


def _unwrapped(text: str) -> tuple[str, str]:
    """A text without the marks that clients and habits put around it, and these.

    `/code`, `**code**`.
    """
    text = text.strip()
    if (leading := _LEADING.match(text)) is None:
        return text, ""
    text = text[leading.end() :]
    marks = _WRAPPERS if set(leading[0]) & set(_WRAPPERS) else ""
    return text.rstrip(marks) if marks else text, marks


def about(said: str) -> str:
    """What is left if the words are taken away that only lead to it: `for my group 3, please`."""
    nothing = everywhere().fillers | everywhere().links
    text = same_width(said[:LONGEST]).strip().strip(_WRAPPERS + _END_MARKS).strip()
    for _ in range(_MOST_FILLERS):
        before = text
        if (end := beginning(plain(text), 0, nothing)) is not None:
            text = text[end:].lstrip(_END_MARKS + " #")
        if text and (start := ending(plain(text), nothing)) is not None:
            text = text[:start].rstrip(_END_MARKS + " ")
        if text == before:
            break
    text = text.strip(_WRAPPERS)
    number = _NUMBER.fullmatch(text)
    return number[1] if number else text


def _starts(text: str) -> Iterator[int]:
    """Where a command may begin: at the start, and after each of the words that mean nothing."""
    start: int | None = 0
    for _ in range(_MOST_FILLERS):
        if start is None:
            return
        yield start
        start = beginning(text, start, everywhere().fillers)
        while start is not None and start < len(text) and text[start] in _END_MARKS + " ":
            start += 1


def _meant(phrase: str, rest: str) -> Understood | None:
    word = everywhere().commands[phrase]
    rest = rest.lstrip(_END_MARKS + "\uff1a\uff0c ").strip()
    if phrase != word and word in _WHOLE_LINE and about(rest):
        return None
    if phrase != word and word == "me" and about(code_wish(rest).group):
        word = "code"  # "My code for chess" is none of theirs.
    return Understood(word, rest)


def _elsewhere(text: str) -> Understood:
    for start, end, word in _phrases_in(plain(text)):
        before, after = about(text[:start]), about(text[end:])
        if before.isdecimal() and not after and word in _HARMLESS:
            return Understood(word, before)
        if word not in _WHOLE_LINE:
            return Understood("", text, (f"{word} {after or before}".strip(),))
    return Understood("", text, _likeliest(text))


def _phrases_in(text: str) -> Iterator[tuple[int, int, str]]:
    """The phrases in a text that do not overlap, each with its place and its command."""
    commands = everywhere().commands
    start = 0
    while start < len(text):
        end = beginning(text, start, commands) if is_start(text, start) else None
        if end is not None and end - start > 1:
            yield start, end, commands[text[start:end]]
        start = end or start + 1


def _likeliest(text: str) -> tuple[str, ...]:
    """What somebody may have meant, by mistyped words, or else by words that fit a little."""
    import difflib  # Many processes never meet such a line.

    phrases = everywhere()
    words = plain(text).strip(_END_MARKS).split()
    single = [phrase for phrase in phrases.commands if " " not in phrase]
    for place, word in enumerate(words[:2]):
        close = difflib.get_close_matches(word, single, n=6, cutoff=_CLOSE)
        if len(word) >= 3 and word not in phrases.fillers and close:
            rest = about(" ".join(text.split()[place + 1 :]))
            commands = dict.fromkeys(phrases.commands[phrase] for phrase in close)
            return tuple(f"{command} {rest}".strip() for command in list(commands)[:2])
    said = set(words) - set(phrases.fillers) - set(phrases.links)
    fits: dict[str, int] = {}
    for phrase, command in phrases.commands.items():
        common = len(said & set(phrase.split()))
        fits[command] = max(fits.get(command, 0), common)
    best = sorted((command for command in fits if fits[command]), key=lambda c: -fits[c])
    return tuple(dict.fromkeys([*best, *_USUAL]))[:2]
