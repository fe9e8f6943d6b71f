"""
Who writes situation reports, by the configuration: the rules, nobody, a function of the user's, or a local model.

The rules cost nothing more than themselves. All others write ahead of need, and what they have written is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import structlog
import trio
from attrs import define, field

from trooper.core.known_reports import KnownReports
from trooper.core.reported import Reported
from trooper.core.shortening import WriteReport, no_report
from trooper.core.situation.writing import written
from trooper.targets.idle_writer import IdleWriter
from trooper.targets.report_hook import Hook, NoReport, Unwritten, found_hook, is_hook
from trooper.targets.standby import Standby

log = structlog.get_logger("trooper.reports")

#: How long the user's function is waited for while the client waits, and while a cloud still answers.
SWITCH_S: Final = 2.0
AHEAD_S: Final = 30.0
#: At the switch a report on so many of the turns will do, with the rules' on the others.
_ENOUGH: Final = 0.5


@define
class Reports:
    """
    The writing of reports, for all requests.

    Attributes:
        write: writes one at once, for whoever makes a prompt.
        hook: the user's function.
        writers: who writes with the models of each local target, by its name.
        switch_s: how long the function may take at a switch.
    """

    write: WriteReport
    known: KnownReports = field(factory=KnownReports)
    hook: Hook | None = None
    writers: Mapping[str, IdleWriter] = field(factory=dict)
    switch_s: float = SWITCH_S

    @property
    def is_ahead(self) -> bool:
        """Whether somebody writes reports before they are needed."""
        return self.hook is not None or bool(self.writers)

    async def catch_up(self, reports: Sequence[Reported]) -> bool:
        """At a switch: have the user's function write what is not there; whether there is anything new."""
        if self.hook is None:
            return False
        wanted = [one for one in reports if self.known.share(one) < _ENOUGH]
        return await self._have_written(self.hook, wanted, self.switch_s)

    async def ahead(self, reports: Sequence[Reported]) -> None:
        """While a cloud still answers: have the user's function write what is not there."""
        if self.hook is not None:
            wanted = [one for one in reports if self.known.share(one) < 1]
            await self._have_written(self.hook, wanted, AHEAD_S)

    async def _have_written(self, hook: Hook, reports: Sequence[Reported], limit_s: float) -> bool:
        is_new, ends = False, trio.current_time() + limit_s
        for reported in reports:
            began = trio.current_time()
            if self.known.is_refused(reported.dropped) or began >= ends:
                continue
            given = await hook.write(reported, ends - began)
            words = {"by": "hook", "seconds": round(trio.current_time() - began, 3)}
            if isinstance(given, str):
                self.known.keep(reported.dropped, given)
                is_new = True
                log.info("report_written", **words, turns=len(reported.dropped.turns))
                continue
            self._note(given, reported, words)
        return is_new

    def _note(self, given: Unwritten, reported: Reported, words: Mapping[str, object]) -> None:
        if given.why is not NoReport.BUSY:
            # For the same turns it would do the same, and somebody would wait for it again.
            self.known.refuse(reported.dropped)
        if given.why is not NoReport.EMPTY:
            error = {} if given.error is None else {"error": given.error}
            log.warning("report_not_written", **words, reason=given.why.value, **error)


def reports_of(report: str, standbys: Mapping[str, Standby]) -> Reports:
    """
    Who writes reports where the configuration says `report`.

    Raises:
        ConfigError: it names a function that there is not.
    """
    if report == "none":
        return Reports(no_report)
    if report == "rules":
        return Reports(written)
    known = KnownReports()
    if is_hook(report):
        return Reports(known.write, known, Hook(found_hook(report)))
    writers = {name: IdleWriter(known, standby.idle) for name, standby in standbys.items()}
    return Reports(known.write, known, writers=writers)
