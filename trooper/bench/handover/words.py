"""
What names are made of: of files, functions, tables and services.
"""

# ruff: noqa: SIM905 (lists of words, as short as they can be written)

from __future__ import annotations

import random
from typing import Final

from attrs import define, field

_NOUNS: Final = """
account batch booking branch bucket buffer cache calendar cargo cart catalog channel charge checkout
claim client cluster column config contact country coupon credit currency cursor customer dataset
deadline delivery deposit device digest discount document driver entry event export extract feed
field filter fleet form format freight gateway grant group handler header history holiday image
import index inventory invoice item job journal key label lease ledger limit line list loader
location lock log mail mandate manifest map market member merge message meter metric mirror model
monitor notice number offer office order outlet owner packet page parcel parser partner party patch
payment payout period permit person pipeline plan policy pool portal price product profile project
quote rate reader receipt record refund region release reminder report request reserve resource
result retry review role room route row rule schedule schema scope season seat segment sender
sequence service session shard shelf shift shop signal site slot snapshot source stage state
statement station status step stock store stream subject summary supplier switch table tag target
tariff task tax team template tenant terminal ticket token tour trace track trade transfer trip
trunk unit update upload usage user value vehicle vendor version vessel view visit voucher wallet
warehouse wave week window worker writer zone
""".split()
_VERBS: Final = """
add apply assign attach bind build cancel check claim clean close collect commit compare compute
convert copy count create decode delete derive detect dispatch drain emit encode ensure expand
expire extract fetch fill find flush fold forward freeze gather group handle import index insert
inspect join list load lock map mark match measure merge move notify open order pack parse patch
pick plan post prepare publish pull push read rebuild record refresh register release reload remove
rename render repair replay report require reserve reset resolve restore retry revoke rotate route
scan schedule score seal select send settle sign sort split stage start stop store submit sum sync
tag take track transfer trim try unlock update validate verify visit wait wrap write
""".split()
_ADJECTIVES: Final = """
active annual bare blank broken cheap clean closed cold common current daily dead deep dirty double
early empty exact extra fast final first fixed flat foreign free fresh full global good half hard
heavy hidden hot idle inner joint known large last late lazy light local long loose main major
manual minor missing mixed monthly mutable narrow native new next normal odd old open outer paid
partial past plain primary public quick quiet rare raw ready real recent remote rough safe same
second secret short signed simple single slow small soft sorted spare stable stale strict tall thin
tidy total unique unused upper usual valid virtual weekly whole wide
""".split()


@define(eq=False)
class Words:
    """Names for one session: a vocabulary of its own, so that things come again as they do in a project."""

    rng: random.Random
    nouns: list[str] = field(init=False)
    verbs: list[str] = field(init=False)
    adjectives: list[str] = field(init=False)
    packages: list[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.nouns = self.rng.sample(_NOUNS, 60)
        self.verbs = self.rng.sample(_VERBS, 40)
        self.adjectives = self.rng.sample(_ADJECTIVES, 30)
        self.packages = [f"{self.noun()}_{self.noun()}" for _ in range(6)]

    def noun(self) -> str:
        """One word."""
        return self.rng.choice(self.nouns)

    def verb(self) -> str:
        """One word."""
        return self.rng.choice(self.verbs)

    def adjective(self) -> str:
        """One word."""
        return self.rng.choice(self.adjectives)

    def function(self) -> str:
        """`merge_stale_order`."""
        return f"{self.verb()}_{self.adjective()}_{self.noun()}"

    def kind(self) -> str:
        """`StaleOrderReader`."""
        return "".join(part.title() for part in (self.adjective(), self.noun(), self.noun()))

    def file(self, ending: str = "py") -> str:
        """A path in the project."""
        package = self.rng.choice(self.packages)
        return f"{package}/{self.adjective()}_{self.noun()}.{ending}"

    def digits(self, many: int) -> str:
        """A number of so many digits."""
        return str(self.rng.randrange(10 ** (many - 1), 10**many))

    def hexadecimal(self, many: int) -> str:
        """A piece of a digest."""
        return "".join(self.rng.choice("0123456789abcdef") for _ in range(many))

    def moment(self) -> str:
        """A time of day, to the millisecond."""
        r = self.rng.randrange
        return f"{r(24):02}:{r(60):02}:{r(60):02}.{r(1000):03}"

    def phrase(self) -> str:
        """Some words as they stand in comments and commit messages."""
        return (
            f"{self.verb()} the {self.adjective()} {self.noun()} before the {self.noun()} is {self.verb()}ed"
        )
