"""
The tools that every session offers, as an agent for code has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_TEXT: Final = "string"
_NUMBER: Final = "integer"


def _tool(
    name: str, description: str, properties: Mapping[str, tuple[str, str]], required: tuple[str, ...]
) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {
            key: {"type": kind, "description": words} for key, (kind, words) in properties.items()
        },
        "required": list(required),
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


TOOLS: Final = (
    _tool(
        "list_files",
        "List the files of a folder with size and owner. Hidden files are left out. Use it before you read files whose"
        " names you do not know; a depth above 3 is slow in large projects.",
        {
            "path": (_TEXT, "The folder, relative to the root of the project."),
            "depth": (_NUMBER, "How many folders deep to look. The default is 1."),
        },
        ("path",),
    ),
    _tool(
        "read_file",
        "Read a text file. Long files are cut: give `offset` and `limit` to read them in pieces. Never guess what a file"
        " holds when you can read it.",
        {
            "path": (_TEXT, "The file, relative to the root of the project."),
            "offset": (_NUMBER, "The first line to read, from 1."),
            "limit": (_NUMBER, "How many lines to read. The default is 400."),
        },
        ("path",),
    ),
    _tool(
        "edit_file",
        "Replace one piece of a file by another. The piece has to stand in the file exactly once; give more lines around"
        " it if it does not.",
        {
            "path": (_TEXT, "The file, relative to the root of the project."),
            "find": (_TEXT, "What stands there now, with its indentation."),
            "replace": (_TEXT, "What shall stand there."),
        },
        ("path", "find", "replace"),
    ),
    _tool(
        "search",
        "Search the project for a regular expression. The answer has file, line and text of each match, at most 200.",
        {
            "pattern": (_TEXT, "The regular expression."),
            "path": (_TEXT, "Where to search. The default is all of the project."),
        },
        ("pattern",),
    ),
    _tool(
        "run_command",
        "Run a command in the shell, at the root of the project, and return what it prints. Commands that wait for input"
        " hang until their time is over. Do not use it to read or to edit files.",
        {
            "command": (_TEXT, "The command line."),
            "timeout_s": (_NUMBER, "After so many seconds it is ended. The default is 120."),
        },
        ("command",),
    ),
    _tool(
        "run_tests",
        "Run tests and return the report of the runner. Without a filter all tests below the path are run, which may"
        " take minutes.",
        {
            "path": (_TEXT, "A folder or a file of tests."),
            "filter": (_TEXT, "Only tests whose name has this in it."),
        },
        ("path",),
    ),
    _tool(
        "git_diff",
        "Show what has changed since a commit, in all files or in one.",
        {"ref": (_TEXT, "The commit, a branch or a tag."), "path": (_TEXT, "Only this file or folder.")},
        ("ref",),
    ),
    _tool(
        "query_database",
        "Run a statement on the copy of the database for developers, read only. Rows come as JSON, one a line.",
        {"sql": (_TEXT, "One SELECT statement.")},
        ("sql",),
    ),
    _tool(
        "fetch_url",
        "Fetch a page from the web and return its text as Markdown.",
        {"url": (_TEXT, "The address, with https.")},
        ("url",),
    ),
)
