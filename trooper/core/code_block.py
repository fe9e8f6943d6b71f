"""
The code block that is open at the end of a text, and whether another fence can
stand in it.

A closing fence has no words behind it (CommonMark), so inside a block one with
words, ```` ```python ````, closes nothing: somebody has opened the block again. A bare
one is the block's end, also where its model meant a beginning: nobody can
tell, and it is kept. A block of Markdown, or a text in quotes inside the
block, may honestly have fences in it.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from trooper.core.whole_text import is_in_code

_FENCE: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_OPENS: Final = re.compile(r"\s*?(?P<sign>`{3,}|~{3,}) ?(?P<words>[A-Za-z][^`\n]*)\n")
_MAY_OPEN: Final = re.compile(r"\s*(?:`*|~*|(?:`{3,}|~{3,}) ?(?:[A-Za-z][^`\n]*)?)")
#: Blocks of these have blocks in them.
_HAVE_BLOCKS: Final = frozenset({"markdown", "md", "mdx", "rmd", "qmd", "text", "txt", "plaintext"})
#: Blocks of these, and of nothing, are read by people.
_PROSE: Final = _HAVE_BLOCKS | {""}


@frozen
class Block:
    """
    A code block without an end.

    Attributes:
        at: where its fence begins.
        code_at: where the line behind that begins.
        sign: the fence itself.
        language: the first word behind it, in lower case.
    """

    at: int
    code_at: int
    sign: str
    language: str

    @property
    def has_blocks(self) -> bool:
        """Whether a fence may honestly stand in it, or cannot be told from its end."""
        return self.language in _HAVE_BLOCKS or not self.language

    @property
    def is_prose(self) -> bool:
        """Whether what stands in it may be a text for people."""
        return self.language in _PROSE


def open_block(text: str) -> Block | None:
    """The block that is open at the end of `text`."""
    if not is_in_code(text):
        return None
    found: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if found is None:
            found = fence
        elif fence[1].startswith(found[1]) and not fence[2].strip():
            found = None
    if found is None or found.end() == len(text):
        # The two do not agree, or the line that opens it is not at its end.
        return None
    words = found[2].split()
    return Block(found.start(1), found.end() + 1, found[1], words[0].lower() if words else "")


def opened_again(text: str, block: Block, said: str, *, final: bool) -> int | None:
    """
    How many characters at the beginning of `said` open `block` again, the one
    that is open at the end of `text`. `None`: it takes more to know.
    """
    code = text[block.code_at :]
    if block.language in _HAVE_BLOCKS or _is_quoted(code):
        return 0
    opened = _OPENS.match(said)
    if opened is None:
        return 0 if final or _MAY_OPEN.fullmatch(said) is None else None
    sign = opened["sign"]
    if sign[0] != block.sign[0] or len(sign) < len(block.sign):
        return 0
    return opened.end()


def with_line(code: str, said: str) -> str:
    """`said` behind `code`, on a line of its own where it cannot go on with the last one."""
    if not said or not code or code[-1] in "\n \t" or said[0] == "\n":
        return said
    ended = code[-1].isalnum() or code[-1] in "_)]};:\"'"
    begins = said[0].isalnum() or said[0] == "_" or said.startswith(("  ", "\t"))
    return "\n" + said if ended and begins else said


def _is_quoted(code: str) -> bool:
    """Whether a text in quotes is open at the end of `code`, that may have fences in it."""
    if code.count('"""') % 2 or code.count("'''") % 2:
        return True
    line = code.rpartition("\n")[2]
    return code.count("`") % 2 == 1 or any(line.replace("\\" + q, "").count(q) % 2 for q in "\"'")
