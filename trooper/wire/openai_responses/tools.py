"""
The tools of a Responses request, as models of other wires are offered them.

    type                         is
    ---------------------------  --------------------------------------------
    function                     a function
    custom                       a function that takes one text (`core.freeform`)
    namespace                    its functions, each under both names joined
    any other                    left out: only its provider has it
    one that is to be loaded     left out, until a search of tools has found it,
                                 or the request forces it

Tools may stand in the input, too: what a search has found, and what an agent
adds to a request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import define, field

from trooper.core import freeform
from trooper.core.conversation import Tool, leaves_out
from trooper.core.names import joined, kinds_shown
from trooper.wire.decoding import grammar_of

#: Items of the input that have tools in them; those of the first kind were looked for, and are there to be used.
_FOUND: Final = "tool_search_output"
_WITH_TOOLS: Final = (_FOUND, "additional_tools")
_CALLABLE: Final = ("function", "custom")
#: What is told of one that was not looked for.
_TO_BE_LOADED: Final = "deferred"


@define
class Offered:
    """
    What a request offers.

    Attributes:
        tools: what models of other wires can be offered.
        foreign: the kinds of all others, each as the request calls it.
        choice: as a `Conversation` has it.
        forces_foreign: one of the others has to be called, or nothing else could be.
    """

    tools: list[Tool] = field(factory=list)
    foreign: list[str] = field(factory=list)
    choice: str = "auto"
    forces_foreign: bool = False
    _names: dict[tuple[str, str], str] = field(factory=dict, init=False)
    # Those that are to be loaded, each with what its namespace is for.
    _deferred: dict[tuple[str, str], tuple[Mapping[str, object], str]] = field(factory=dict, init=False)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The kinds of those that are left out, as they are told."""
        return kinds_shown(self.foreign)

    def called(self, item: Mapping[str, object]) -> str:
        """What models call the tool that a call in the input names."""
        own, namespace = str(item["name"]), str(item.get("namespace") or "")
        return self._names.get((namespace, own)) or joined(namespace, own)

    def add(self, tool: Mapping[str, object], namespace: str = "", about: str = "", *, found: bool) -> None:
        """One more tool, or all of a namespace."""
        kind = str(tool.get("type"))
        if kind == "namespace" and not namespace:
            for inner in _listed(tool.get("tools")):
                self.add(inner, str(tool["name"]), str(tool.get("description") or ""), found=found)
        elif kind not in _CALLABLE:
            self.foreign.append(kind)
        elif (namespace, str(tool["name"])) in self._names:
            pass
        elif tool.get("defer_loading") and not found:
            self._deferred[namespace, str(tool["name"])] = tool, about
        else:
            self._add(tool, namespace, about)

    def _add(self, tool: Mapping[str, object], namespace: str, about: str) -> None:
        own, strict = str(tool["name"]), tool.get("strict")
        name = joined(namespace, own, self._names.values())
        self._names[namespace, own] = name
        self._deferred.pop((namespace, own), None)
        description = str(tool.get("description") or "")
        parameters = tool.get("parameters") or {}
        is_freeform = tool.get("type") == "custom"
        if is_freeform:
            description = freeform.described(description, *grammar_of(tool.get("format")))
            parameters = freeform.PARAMETERS
        self.tools.append(
            Tool(
                name=name,
                # What a namespace is for is said of each of its tools that says nothing itself.
                description=description or about,
                parameters=parameters if isinstance(parameters, dict) else {},
                strict=strict if isinstance(strict, bool) and not is_freeform else None,
                is_freeform=is_freeform,
                namespace=namespace,
                own_name=own if namespace else "",
            )
        )

    def choose(self, choice: object) -> None:
        """Take in what the request says of what is to be called."""
        match choice:
            case None:
                pass
            case {"type": "allowed_tools", "mode": str(mode), "tools": list(allowed)}:
                self.choice = mode
                self._allow([one for one in allowed if isinstance(one, dict)])
            case str(word):
                self.choice = word
            case {"type": "function" | "custom", "name": str(own), **more}:
                self.choice = f"tool:{self._chosen(own, str(more.get('namespace') or ''))}"
            case _:
                # One of the provider's own tools.
                self.choice, self.forces_foreign = "required", True
        self.foreign += [_TO_BE_LOADED] if self._deferred else []
        if self.foreign and leaves_out(self.choice, self.tools):
            self.forces_foreign = True

    def _chosen(self, own: str, namespace: str) -> str:
        """What models call the one that has to be called; it is loaded, if it was left to be."""
        meant = _Meant((*self._names, *self._deferred)).by(own, namespace)
        if not meant:
            return joined(namespace, own)
        if meant[0] in self._deferred:
            tool, about = self._deferred[meant[0]]
            self._add(tool, meant[0][0], about)
        return self._names[meant[0]]

    def _allow(self, allowed: Sequence[Mapping[str, object]]) -> None:
        meant = _Meant(tuple(self._names))
        told = {
            (str(one.get("type")), str(one.get("name")), str(one.get("namespace") or "")) for one in allowed
        }
        spaces = {own for kind, own, _ in told if kind == "namespace"} - {""}
        named = {(own, namespace) for kind, own, namespace in told if kind in _CALLABLE}
        names = {self._names[key] for own, namespace in named for key in meant.by(own, namespace)}
        self.tools = [tool for tool in self.tools if tool.name in names or tool.namespace in spaces]


@define
class _Meant:
    """Which tools a choice means, of those with these namespaces and own names."""

    keys: Sequence[tuple[str, str]]
    _known: set[tuple[str, str]] = field(factory=set, init=False)
    _loose: dict[str, list[tuple[str, str]]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._known.update(self.keys)
        for key in self.keys:
            for name in {key[1], joined(*key)}:
                self._loose.setdefault(name, []).append(key)

    def by(self, own: str, namespace: str) -> Sequence[tuple[str, str]]:
        """A choice may leave the namespace out, or join both."""
        if (namespace, own) in self._known:
            return [(namespace, own)]
        return () if namespace else self._loose.get(own, ())


def read_tools(value: Mapping[str, object], items: Sequence[Mapping[str, object]]) -> Offered:
    """What a request with these items in its input offers."""
    offered = Offered()
    for tool in _listed(value.get("tools")):
        offered.add(tool, found=False)
    for tool, found in _in_input(items):
        offered.add(tool, found=found)
    offered.choose(value.get("tool_choice"))
    return offered


def _in_input(items: Sequence[Mapping[str, object]]) -> Iterator[tuple[Mapping[str, object], bool]]:
    for item in items:
        kind = item.get("type")
        if kind in _WITH_TOOLS:
            for tool in _listed(item.get("tools")):
                yield tool, kind == _FOUND


def _listed(tools: object) -> Sequence[Mapping[str, object]]:
    if not isinstance(tools, list | None):
        raise TypeError("tools")
    return tools or ()
