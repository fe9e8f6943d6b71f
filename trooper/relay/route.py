"""
Who answers one request: the links of its chain, who of them is left, who is
fit, and which step comes next.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, evolve, field

from trooper.config import Target
from trooper.core import local_model
from trooper.core.continuing import CloudWay, unfit_to_go_on
from trooper.core.conversation import Conversation
from trooper.core.outcome import Failed, FailureKind, Outcome
from trooper.core.plan import (
    Candidate,
    GiveUp,
    Restart,
    Step,
    cooled,
    could_go_on,
    could_start_over,
    first_step,
    first_to_cool,
    next_step,
    passed_by,
)
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit
from trooper.relay.failure_answers import to_mend, why_failed, why_unfit
from trooper.relay.request import Incoming
from trooper.services import Services
from trooper.targets.chain import Link
from trooper.targets.ways import cloud_way
from trooper.wire.client_side import Unreadable
from trooper.wire.target_side import TargetSide


@define
class Route:
    """The chain of one request. Each link is taken once, in order."""

    services: Services
    incoming: Incoming
    links: tuple[Link, ...] = field(init=False)
    #: Targets that were not asked, and why they could not have taken it; by its name the
    #: client's wire, where none of its clouds could be asked.
    passed_by: dict[str, Unfit] = field(factory=dict, init=False)
    _left: list[Link] = field(init=False)
    # Who was asked first, and how that failed.
    _began: Link | None = field(default=None, init=False)
    _first: tuple[Failed, str] | None = field(default=None, init=False)
    # How every leg has failed, and whose it was, in order.
    _failed: list[tuple[Failed, Target]] = field(factory=list, init=False)
    # The leg that failed last was a local model's whose server may be back in a moment.
    _comes_back: bool = field(default=False, init=False)
    # It could go on from its own half answer without saying that twice.
    _goes_on: bool = field(default=False, init=False)
    # What was said of one that is to be left alone, and who that is.
    _cooled: tuple[Failed, str] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.links = self.services.chain(self.incoming.routing.model, self.incoming.wire)
        if self._lacks_cloud():
            self.passed_by[self.incoming.wire.name] = Unfit.NO_PROVIDER
        if not self.incoming.wants_failover:
            self.links = self.links[:1]
        self._left = list(self.links)

    def first(self, now: float) -> Restart[Link] | GiveUp:
        """
        Where the request goes first: the chain's first target, unless that
        one asked to be left alone; nowhere, where nobody else can take it.
        """
        first = self._left[0]
        if self.begins_at_once(now):
            return Restart(first)
        candidates = self._candidates(now)
        step = first_step(candidates, otherwise=first)
        soonest = first_to_cool(candidates)
        if isinstance(step, GiveUp) and soonest is not None:
            self._cooled = (step.failed, soonest.name)
        self.passed_by |= passed_by(step, candidates, Transcript(0))
        return step

    def begins_at_once(self, now: float) -> bool:
        """Whether nobody has to read the conversation to say who is first: nearly always."""
        first = self._left[0]
        return self.is_native(first) and not self._is_cooling(first, now)

    @property
    def stand_in_reason(self) -> str:
        """
        Why somebody was passed by who could have been meant, the first one in a word; empty where nobody was.

        Who has no such model never was meant.
        """
        reasons = (reason.value for reason in self.passed_by.values() if reason is not Unfit.NO_MODEL)
        return next(reasons, "")

    def take(self, link: Link, now: float) -> None:
        """`link` is asked; those before it had their chance, unless they only wanted to be left alone for now."""
        self._began = self._began or link
        if link in self._left:
            at = self._left.index(link)
            passed_over = [before for before in self._left[:at] if self._is_cooling(before, now)]
            self._left = passed_over + self._left[at + 1 :]
            self.passed_by.pop(link.target.name, None)

    def after(
        self,
        outcome: Outcome,
        transcript: Transcript,
        *,
        now: float,
        tried: Link,
        may_retry: bool,
        can_heal: bool,
        tokens_left: int | None,
    ) -> Step[Link]:
        """The step after a leg at `tried` has ended; see `core.plan.next_step`."""
        # A healthy answer needs no second look at the request it answers.
        candidates = self._candidates(now) if isinstance(outcome, Failed) else ()
        cooling_s = self._cooling_s(tried, now)
        if cooling_s and can_heal:
            # While this one was asked, another request was told to leave its target alone.
            outcome = cooled(Candidate(tried, tried.target.name, cooling_s=cooling_s))
        step = next_step(
            outcome,
            transcript,
            candidates,
            tried=tried,
            first=self._first_failure(outcome, transcript, candidates),
            may_retry=may_retry and not cooling_s,
            failover=self.incoming.wants_failover,
            tokens_left=tokens_left,
            can_heal=can_heal,
            once_more=self._once_more(tried) if self._comes_back else None,
        )
        self.passed_by |= passed_by(step, candidates, transcript)
        return step

    def _once_more(self, tried: Link) -> Candidate[Link]:
        candidate = self._candidate(tried)
        return candidate if self._goes_on else evolve(candidate, cannot_go_on=Unfit.NO_OTHER_WAY)

    def could_go_on(self, speaks: Link | None = None) -> bool:
        """Whether somebody is left who is there and could continue a half answer; `speaks` may be asked again."""
        return could_go_on(self._present(speaks))

    def could_start_over(self, speaks: Link | None = None) -> bool:
        """Whether somebody is left who is there and could give the whole answer; `speaks` may be asked again."""
        return could_start_over(self._present(speaks))

    def whose(self, failed: Failed, otherwise: Link) -> str:
        """By its name, the target whose failure is told; that of `otherwise` where no other is known."""
        known = (told for told in (self._cooled, self._first) if told is not None and told[0] is failed)
        return next(known, (failed, otherwise.target.name))[1]

    def others(self, told: Failed) -> tuple[str, ...]:
        """Why each of the others could not, who failed or was not even asked; `told` is said already, of its own."""
        whose = self.whose(told, self.links[0]) if self.links else ""
        mend = next((to_mend(told, target) for other, target in self._failed if other is told), ())
        failed = {target.name: (other, target) for other, target in self._failed if target.name != whose}
        said = (whose, self.incoming.wire.name, *failed)
        return (
            *mend,
            *(why_failed(other, target) for other, target in failed.values()),
            *(why_unfit(name, why) for name, why in self.passed_by.items() if name not in said),
        )

    def forgive(self) -> None:
        """The first failure was none to be told: the same target is asked once more."""
        self._first = None
        self._failed.clear()

    def _first_failure(
        self, outcome: Outcome, transcript: Transcript, candidates: Sequence[Candidate[Link]]
    ) -> Failed | None:
        """
        The failure that is told in place of `outcome`, if there is one: the request's first.

        While nothing was said that is the wish of the one it was meant for, to be
        left alone: what others failed at in its place is no news to the client.
        """
        began = self.links.index(self._began) if self._began in self.links else 0
        before = [c for c in candidates if c.link in self.links[:began] and c.cannot_restart is None]
        if before and not transcript.has_content:
            soonest = min(before, key=lambda candidate: candidate.cooling_s)
            self._cooled = (cooled(soonest), soonest.name)
            return self._cooled[0]
        return None if self._first is None or self._first[0] is outcome else self._first[0]

    def observe(self, link: Link, failed: Failed, now: float) -> None:
        """Remember how a leg has failed, and that a target asked to be left alone."""
        self._failed.append((failed, link.target))
        standby = self.services.standbys.get(link.target.name)
        self._goes_on = standby is not None and standby.tells_echoes(link.model)
        self._comes_back = standby is not None and standby.broke_off(link.model, failed)
        if self._first is None:
            self._first = (failed, link.target.name)
        if failed.kind is FailureKind.RATE_LIMIT:
            self.services.cooldowns.observe(self._cooldown_key(link), failed.retry_after_s, now)

    def is_native(self, link: Link) -> bool:
        """Whether the target speaks the client's wire, so that it can have the client's own request."""
        return link.target.wire == self.incoming.wire

    def may_forward(self, speaks: Link, now: float) -> bool:
        """
        Whether `speaks` answers in the client's wire, or somebody behind it who is left and may be asked.

        Who stands before it asked to be left alone. Should his time come all the
        same, he is spoken anew: to wait for him would cost the client its patience.
        """
        at = self.links.index(speaks)
        left = (
            link for link in self.links[at + 1 :] if link in self._left and not self._is_cooling(link, now)
        )
        return any(map(self.is_native, (speaks, *left)))

    def is_first_native(self, link: Link) -> bool:
        """Whether it is the one that the client's request is meant for."""
        return link == next(filter(self.is_native, self.links), None)

    def target_side(self, link: Link) -> TargetSide:
        """How the link's provider is asked; `LookupError` for a local target."""
        return self.services.wires.target_side(link.target.wire)

    def way(self, link: Link) -> CloudWay:
        """How the link's provider goes on from a half answer, as far as is known."""
        instruction = self.services.config.server.continue_instruction
        return cloud_way(link.target, self.target_side(link), link.model or "", instruction).way

    def unsayable(self, link: Link, conversation: Conversation) -> Unfit | None:
        """Why `conversation` cannot be asked anew of a cloud; `None` if it can."""
        if not link.target.knows_model_for(self.incoming.routing.model, self.incoming.wire):
            return Unfit.NO_MODEL
        return Unfit.SHORTENED if conversation.left_out else self.target_side(link).unfit(conversation)

    def _lacks_cloud(self) -> bool:
        """Whether a local model answers in a cloud's place although nobody has asked for it by its name."""
        model, first = self.incoming.routing.model, next(iter(self.links), None)
        if first is not None and first.target.is_local and first.model == model:
            return False
        return self.services.config.lacks_cloud(model, self.incoming.wire)

    def _candidates(self, now: float) -> tuple[Candidate[Link], ...]:
        return tuple(self._candidate(link, cooling_s=self._cooling_s(link, now)) for link in self._left)

    def _present(self, speaks: Link | None) -> list[Candidate[Link]]:
        """Who is there of those that are left, and the local model that speaks, if it may be asked again."""
        again = [speaks] if speaks is not None and speaks.target.is_local else []
        return [c for c in map(self._candidate, [*self._left, *again]) if not c.is_absent]

    def _candidate(self, link: Link, *, cooling_s: float = 0.0) -> Candidate[Link]:
        name = link.target.name
        conversation, standby = self.incoming.conversation, self.services.standbys.get(name)
        if self.incoming.is_unread:
            # Whoever is there could take it, for all that is known before somebody needs to know.
            absent = standby is not None and standby.is_gone
            return Candidate(link, name, cooling_s=cooling_s, is_absent=absent)
        if isinstance(conversation, Unreadable):
            # In its own wire a provider can say for itself what is wrong.
            restart = None if self.is_native(link) else conversation.reason
            return Candidate(link, name, restart, conversation.reason, cooling_s=cooling_s)
        if standby is None:
            unsayable = self.unsayable(link, conversation)
            return Candidate(
                link,
                name,
                cannot_restart=None if self.is_native(link) else unsayable,
                cannot_go_on=unsayable or unfit_to_go_on(conversation, self.way(link)),
                cooling_s=cooling_s,
            )
        model = standby.known(link.model)
        if model is None or not standby.is_probed(link.model):
            # Not looked at yet: the leg waits for the standby and finds out.
            model = local_model.LocalModel("", way=local_model.Way.PREFILL)
        return Candidate(
            link,
            name,
            cannot_restart=local_model.unfit(model, conversation),
            cannot_go_on=local_model.unfit_to_go_on(model, conversation),
            cannot_finish_call=local_model.unfit_to_finish_call(model, conversation),
            cooling_s=cooling_s,
            is_absent=standby.is_gone,
        )

    def _is_cooling(self, link: Link, now: float) -> bool:
        return self._cooling_s(link, now) > 0

    def _cooling_s(self, link: Link, now: float) -> float:
        return self.services.cooldowns.left_s(self._cooldown_key(link), now)

    def _cooldown_key(self, link: Link) -> tuple[str, str, str]:
        """One target, one model, one credential: a limit on one says nothing of another."""
        credential = ""
        if link.target.key.kind == "client":
            request = self.incoming.request
            credential = self.services.credentials(request.headers, request.query)
        return (link.target.name, link.model or "", credential)
