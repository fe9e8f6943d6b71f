"""
Names that the kinds of `kinds_apart` are made of.
"""

# ruff: noqa: SIM905 (lists of words, as short as they can be written)

from __future__ import annotations

from trooper.bench.handover.planted import Place

TONGUES = ("en", "de", "fr", "es")
FIRST = """Wiebke Anselm Thandiwe Radoslav Ines Oisin Marit Koffi Leocadia Tamsin Bertil Yusra Casimir Nerea
Ludovic Hedda Zoltan Paloma Emeka Sunniva Gaspard Ilse Renzo Aoife Jorinde Mateusz Solveig Baptiste Xiomara
Torben Ottilie Farid Maelle Iker Ragnhild Dorian Pilar Henrike Lazlo Noor""".split()
LAST = [
    start + end
    for start in """Achter Brenn Colver Dunk Eising Ferring Galt Hester Ister Joll Kolder Lind
Mever Norr Oster Penn Quill Rams Sander Tolver Ulm Vander Wester Yarr Zell Okon Mbel Sabol Etxe""".split()
    for end in """wick mann sen berg hoff stad ley court feld quist more gaard dale vila riaga""".split()
]
WORDS = """heron quartz osprey tarn marlin bramble sorrel kestrel basalt lichen juniper otter plover tansy
curlew garnet minnow alder thistle dunlin cobble ferrule wicket sextant halyard gannet mullein petrel yarrow
shale teasel gudgeon larch siskin hawser burdock fathom lapwing pumice medlar tench rowan whimbrel""".split()
PARTS = """intake relay ledger sifter mirror courier rollup gatekeeper splitter replay digest stitcher billing
catalog notifier quota refund tagger export planner dedup archive router sampler webhook""".split()
CODES = """Halberd Quillon Bluefin Cormorant Saltmarsh Fennimore Tourmaline Windlass Peregrin Marzipan Redwing
Galliard Bellwether Snowgoose Lodestar Farthing Cinnabar Palisade Driftwood Mooncalf Vermeil""".split()
FIRMS = [
    f"{house} {trade}"
    for house in """Brauneck Solvinter Lagarde Moncayo Tidewell Kestrop Vallombre
Ostrava Pinhurst Rautalahti Ferrocal Nordholz Castellane Wexmoor Belvaux Zubieta""".split()
    for trade in "Optik Logistics Santé Assurances Foods Textil Rail Seguros Labs Energie".split()
]
MONTHS = {
    "en": "January February March April May June July August September October November December".split(),
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(),
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split(),
}
SERVICES = [f"{word}-{part}" for word in WORDS for part in PARTS]


Phrase = tuple[Place, str, str]


def phrases(block: str) -> list[Phrase]:
    """One phrasing a line: place, language, text; a line that is indented goes on with the one before."""
    places = {"U": Place.USER, "A": Place.ASSISTANT, "C": Place.CALL, "R": Place.RESULT}
    rows = [line.split(" ", 2) for line in block.strip().replace("\n  ", " ").split("\n")]
    return [(places[place], tongue, text.replace("\\n", "\n")) for place, tongue, text in rows]


def table(block: str) -> list[list[str]]:
    """One row a line."""
    return [line.split(" / ") for line in block.strip().split("\n")]


def number_forms(value: str) -> tuple[str, ...]:
    """How people write a number."""
    if not value.isdigit():
        return tuple(dict.fromkeys((value, value.replace(".", ","))))
    grouped = f"{int(value):,}"
    return (value, *(grouped.replace(",", mark) for mark in (",", ".", " ", "'", "_", "\u202f")))
