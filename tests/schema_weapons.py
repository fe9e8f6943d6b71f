"""
Schemas as weapons, and a document that each of them is held against.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LONG = "a" * 40 + "!"
DOCUMENT = json.dumps({"name": LONG, LONG: 1, "list": [1] * 3, "number": 1e308})


def nested(depth: int, key: str, leaf: str) -> Mapping[str, Any]:
    """A schema that doubles the work at each level."""
    levels = {f"d{n}": {key: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(depth)}
    return {"$defs": {**levels, f"d{depth}": {"type": leaf}}, "$ref": "#/$defs/d0"}


#: Those that take for ever, without limits.
WEAPONS: dict[str, Mapping[str, Any]] = {
    "pattern": {"properties": {"name": {"pattern": "^(a+)+$"}}},
    "patternProperties": {"patternProperties": {"^(a|a)*$": {}}},
    "anyOf": nested(25, "anyOf", "string"),
    "allOf": nested(25, "allOf", "object"),
}
#: Those that end by themselves, one way or another.
ODDITIES: dict[str, Mapping[str, Any]] = {
    "loop": {"$ref": "#"},
    "loop of two": {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "elsewhere": {"$ref": "http://127.0.0.1:9/schema.json"},
    "a file": {"$ref": "file:///etc/hostname"},
    "small steps": {"properties": {"number": {"multipleOf": 1e-308}}},
    "no steps": {"properties": {"number": {"multipleOf": 0}}},
    "large numbers": {"properties": {"number": {"maximum": -(10**400)}}},
    "no schema": {"properties": 7},
    "no list": {"required": 5},
    "no dialect": {"$schema": 5, "required": ["missing"]},
    "no pattern": {"properties": {"name": {"pattern": "("}}},
    "a long enumeration": {"enum": list(range(20_000))},
    "many alternatives": {"anyOf": [{"required": [f"k{n}"]} for n in range(1_000)]},
}
