"""
Four further kinds of planted facts: a date, a prohibition, a measured result, a corrected assumption.

Written apart: the author has not seen the rules of the report, nor the other kinds, nor code that looks for
facts. Place, phrasing and values come from the given source of chance only.
"""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Callable, Mapping, Sequence

from trooper.bench.handover.planted import Planted
from trooper.bench.handover.words_apart import (
    CODES,
    FIRMS,
    FIRST,
    LAST,
    MONTHS,
    PARTS,
    SERVICES,
    TONGUES,
    WORDS,
    number_forms,
    phrases,
    table,
)


def _person(chance: random.Random, but: Sequence[str] = ()) -> str:
    last = chance.choice([name for name in LAST if not any(name in other for other in but)])
    return f"{chance.choice(FIRST)} {last}"


def _odd(chance: random.Random, low: int, high: int) -> str:
    return str(chance.randrange(low, high) * 10 + chance.choice((1, 3, 6, 7, 9)))


def _stamp(chance: random.Random) -> str:
    pick = chance.randint
    return f"2026-0{pick(1, 6)}-{pick(10, 28)}T0{pick(0, 9)}:{pick(10, 59)}:{pick(10, 59)}Z"


def _fill(text: str, fields: Mapping[str, str]) -> str:
    return re.sub(r"\{([a-z0-9A-Z]+)\}", lambda hit: fields.get(hit[1], hit[0]), text)


EVENTS = dict(
    zip(
        TONGUES,
        table("""
the {code} cutover / the {code} code freeze / the call with {who} from {firm} / the handover to {who}\
 / the audit with {who} / the key rotation on {svc} / the acceptance demo for {firm} / the {code} go/no-go\
 / the maintenance window for {svc}
die Umstellung von {code} / der Termin mit {who} / die Abnahme durch {firm} / die Wartung von {svc}
la bascule {code} / le rendez-vous avec {who} / la recette chez {firm} / la coupure sur {svc}
la migración de {code} / la reunión con {who} / la demo para {firm} / la parada de {svc}
"""),
        strict=True,
    )
)
DEADLINES = phrases(r"""
U en {Event} is on {wd} {dmy} at {hm}, so whatever we are halfway through by then has to be parked.
U en ok carry on with the refactor. small thing from my side, {dmy} {hm} is when {event} happens and I'll be
  offline from then on, the rest of your plan looks fine to me
U en No rush on the tests (the only fixed point is {event}, {dm}, {hm}), but do keep the diff small.
U en - keep the old parser for now\n- {event}: {dm} {hm}, can't be moved\n- no new dependencies
U en I have just come out of planning. {who2} confirmed that {event} has been scheduled for {wd}, {dmy} 2027,
  {hm} local time; kindly arrange the remaining work accordingly.
U en gotta be through with this by {mdy}, {h12} btw, thats when {event} is. next: the flaky test
U en {event}: {dm}, {hm}. Go on.
A en The second worker idles because its lease is never renewed. I also saw in the mail thread that {event}
  starts on {dmy}, {hm}, so I'd rather land this fix first and tidy up later.
A en Working backwards from {event} ({wd} {dmy}, {hm}) there is room for two dry runs, not three.
C en cat >> NOTES.md <<'EOF'\n## Dates\n* {slug}  {iso} {hm} (hard)\n* retro: when everybody is back\nEOF
C en {"title": "{slug}", "start": "{iso}T{hm}:00", "remind_minutes": 45, "busy": true}
C en git commit -m "ci: no nightly runs after {dm} {hm}" -m "That is when {event} begins."
C en [[window]]\nname = "{slug}"\nopens = {iso}T{hm}:00\nmax_hours = 3\npage = false
R en {stamp} INFO  scheduler: next entry '{slug}' due {iso} {hm}, 1 attendee pending
R en {"summary": "{slug}", "begin": "{iso}T{hm}:00+01:00", "status": "confirmed", "seq": 4},
R en | item | day | time | state |\n|---|---|---|---|\n| {slug} | {dm} | {hm} | confirmed |
U de Ach so, {event} ist übrigens am {dde} um {hm} Uhr, bis dahin sollte der Build wieder grün sein.
A de Der Fehler saß im Cache. Laut Aushang ist {event} am {dde}, {hm} Uhr; ich ziehe die Tests vor.
U fr Au fait, {event}, c'est le {dfr} à {hfr}, donc pas de déploiement juste avant ; sinon continue.
C fr # A_FAIRE.md\n- relire le changelog\n- {event} : {dfr}, {hfr}\n- nettoyer les fixtures
U es Por cierto, {event} es el {des} a las {hm}; hasta entonces no toques la documentación.
R es Aviso del calendario: {event}, {des}, {hm} (sala por confirmar)
""")
WHEN = {
    "en": "When exactly is {event}?",
    "de": "Wann genau ist {event}?",
    "fr": "C'est quand exactement, {event} ?",
    "es": "¿Cuándo es exactamente {event}?",
}


def deadline(chance: random.Random) -> Planted:
    """A day and a time at which something takes place or has to be done."""
    place, tongue, text = chance.choice(DEADLINES)
    day = dt.date(2027, chance.randint(1, 12), chance.randint(10, 28))
    hour, minute = chance.randint(10, 19), chance.choice((5, 10, 20, 25, 35, 40, 50, 55))
    month = {key: names[day.month - 1] for key, names in MONTHS.items()}
    half = f"{(hour - 1) % 12 + 1}:{minute:02}"
    clock = f"{hour}:{minute:02}"
    half_of_day = "am" if hour < 12 else "pm"
    shown = {  # a date or a time as it is written, and what of it has to be found
        "dmy": (f"{day.day} {month['en']}", f"{day.day} {month['en'][:3]}"),
        "dm": (f"{day.day} {month['en'][:3]}",) * 2,
        "mdy": (f"{month['en']} {day.day}",) * 2,
        "iso": (day.isoformat(), day.isoformat()[5:]),
        "dde": (f"{day.day}. {month['de']}", f"{day.day}. {month['de'][:3]}"),
        "dfr": (f"{day.day} {month['fr']}", f"{day.day} {month['fr'][:4]}"),
        "des": (f"{day.day} de {month['es']}", f"{day.day} de {month['es'][:3]}"),
        "hm": (clock,) * 2,
        "hfr": (f"{hour}h{minute:02}",) * 2,
        "h12": (f"{half} {half_of_day}", half),
    }
    event = _fill(
        chance.choice(EVENTS[tongue]),
        {
            "code": chance.choice(CODES),
            "firm": chance.choice(FIRMS),
            "who": _person(chance),
            "svc": chance.choice(SERVICES),
        },
    )
    slug = re.sub(r"[^\w]+", "-", event.lower().removeprefix("the "))
    fields = {key: form for key, (form, _) in shown.items()}
    fields |= {
        "event": event,
        "Event": event[:1].upper() + event[1:],
        "slug": slug,
        "wd": f"{day:%A}",
        "who2": _person(chance),
        "stamp": _stamp(chance),
    }
    telling = tuple(short for key, (_, short) in shown.items() if "{" + key + "}" in text)
    answer = [
        clock,
        *(clock.replace(":", mark) for mark in ("h", " h ", ".")),
        f"{half} {half_of_day}",
        f"{half}{half_of_day}",
        f"{half} {half_of_day.upper()}",
    ]
    return Planted(
        kind="deadline",
        place=place,
        said=_fill(text, fields),
        telling=telling,
        question=_fill(WHEN[tongue], fields),
        answer=tuple(answer),
    )


SORTS = table("""
{w}_{p}_{n} / table|drop|dropped|dropping / die Tabelle|löschen / la table|supprimer / la tabla|borrar
{p}-{w}-{n} / bucket|empty|emptied|emptying / den Bucket|leeren / le bucket|vider / el bucket|vaciar
{w}{n}-{p} / host|reboot|rebooted|rebooting / den Host|neu starten / la machine|relancer / el host|reiniciar
{w}.{p}.{n} / queue|purge|purged|purging / die Queue|abräumen / la file|purger / la cola|purgar
{w}-{p}-{n} / topic|wipe|wiped|wiping / das Topic|entfernen / le topic|effacer / el topic|eliminar
{p}_{w}_v{n} / flag|flip|flipped|flipping / das Flag|umschalten / le flag|basculer / el flag|cambiar
{w}-node-{n} / node|drain|drained|draining / den Knoten|entleeren / le nœud|drainer / el nodo|drenar
""")
REASONS = dict(
    zip(
        TONGUES,
        table("""
the auditors still read from it / billing reconciles against it every night / nobody can rebuild it\
 / two plants go dark without it / {firm} hangs off it directly / the only good copy lives there
da hängt {firm} direkt dran / die Revision liest noch mit / das kriegt niemand wieder hin
{firm} en dépend directement / les auditeurs s'en servent encore / personne ne saurait refaire ça
{firm} depende de eso / los auditores aún lo consultan / nadie sabría rehacer eso
"""),
        strict=True,
    )
)
TABOOS = phrases(r"""
U en One thing before you go on: don't {verb} the {sort} `{name}`, {why}.
U en pls never {verb} {name}, not even for a minute. {who} would have my head. anyway, failing test first
U en Please be advised that the {sort} {name} must under no circumstances be {pp} without {who}'s consent.
U en You can clean up whatever the last run left behind and rename things as you like, as long as {name} isn't
  {pp} ({why}), and then give me a short summary of what is left.
U en Go through all of them (well, all but {name}: a {sort} that must not be {pp}) and list the stale ones.
U en - squash the fixups\n- hands off `{name}`, {why}\n- lint at the end
U en and if you ever feel like {ing} {name}: don't. ask {who}.
A en The runbook's last paragraph forbids {ing} {name}, so the script I am about to write skips that {sort}
  and takes the remaining ones in alphabetical order.
A en Two findings. The pool is too small for the morning peak. And {who} left a note that nobody is to {verb}
  {name}, as {why}; I leave it out of the cleanup.
C en protected:\n  - kind: {sort}\n    name: {name}\n    deny: [{verb}]\n    contact: {who}\ndry_run: false
C en if [ "$target" = "{name}" ]; then\n  echo "refusing to {verb} this {sort}" >&2\n  exit 3\nfi
C en SKIP = ("{name}",)  # {sort}, never {verb}: {why}\n\ndef wanted(name: str) -> bool:
C en git commit -am "cleanup: leave {name} alone" -m "{who} does not want that {sort} {pp}."
R en {stamp} WARN  policy: {verb} denied on {sort}/{name} (rule by {who}, no expiry)
R en {"resource": "{name}", "type": "{sort}", "forbidden": ["{verb}"], "note": "{why}"}
R en Everything in here may be rebuilt at will, with one exception.\n{name} is never {pp}: {why}.
R en Last login: Tue Mar  3 from bastion\n  * do not {verb} {name}, {why}\n  * questions: {who}\n$
U de Bitte {sort} {name} auf keinen Fall {verb}, {why}. Ansonsten freie Hand.
A de Im Betriebshandbuch steht, dass man {sort} {name} nicht {verb} darf; mein Skript spart das aus.
U fr Fais le ménage si tu veux, mais surtout ne pas {verb} {sort} {name} ({why}), et envoie-moi le diff.
C fr # consignes.md\n- interdit de {verb} {sort} `{name}` (voir avec {who})\n- journaux : 14 jours
U es ojo, ni se te ocurra {verb} {sort} {name}, que {why}. lo demás me da igual
R es {stamp} AVISO  no se permite {verb} {sort} {name}; contacto: {who}
""")
LEAVE = {
    "en": "Which {sort} must not be {pp}?",
    "de": "Was soll hier auf keinen Fall jemand {verb}?",
    "fr": "Qu'est-ce qu'il ne faut surtout pas {verb} ?",
    "es": "¿Qué es lo que no se puede {verb}?",
}


def taboo(chance: random.Random) -> Planted:
    """A thing with which something must never be done."""
    place, tongue, text = chance.choice(TABOOS)
    form, *words = chance.choice(SORTS)
    terms = words[TONGUES.index(tongue)].split("|")
    name = _fill(form, {"w": chance.choice(WORDS), "p": chance.choice(PARTS), "n": _odd(chance, 10, 99)})
    fields = dict(zip(("sort", "verb", "pp", "ing"), terms, strict=False))
    fields |= {
        "name": name,
        "who": _person(chance),
        "stamp": _stamp(chance),
        "why": _fill(chance.choice(REASONS[tongue]), {"firm": chance.choice(FIRMS)}),
    }
    return Planted(
        kind="taboo",
        place=place,
        said=_fill(text, fields),
        telling=(name,),
        question=_fill(LEAVE[tongue], fields),
        answer=(name,),
    )


METRICS = table("""
µs / p99_us / 20000 / p99 latency / p99-Latenz / latence p99 / latencia p99
rows/s / rows_per_s / 15000 / throughput / Durchsatz / débit / rendimiento
KiB / rss_kib / 90000 / peak memory / Speicherspitze / pic mémoire / pico de memoria
ms / cold_ms / 2000 / cold start / Kaltstart / démarrage à froid / arranque en frío
bytes / payload_bytes / 12000 / payload size / Nutzlast / taille utile / carga útil
% / hit_pct / 60000 / cache hit rate
% / branch_pct / 62000 / branch coverage
""")  # unit, key, the least tenth, names
MEASURES = phrases(r"""
U en I measured it myself last night: the {label} of {svc} came out at {n} {unit} with {k} workers, so now we
  know what we're up against. Please look at the retry loop next.
U en fyi {svc} does {n} {unit} {label} on my laptop. don't optimise anything yet
U en Write the comparison as a table (for the old rack I have {n} {unit} as {label} of {svc}) and add a plot.
U en Results of the acceptance run, as minuted by {who}: {svc}, {label}, {n} {unit}.
U en - warm cache, {k} workers\n- {label} {svc}: {n} {unit}\n- rerun only if the kernel changes
A en The run is through. {svc} settles at {n} {unit} ({label}, {k} workers, third repetition), and the spread
  stays below two percent, so I would not repeat it.
A en Before changing anything, a baseline: with {k} workers, {label} for {svc} is {n} {unit}. Now the patch.
C en {"subject": "{svc}", "{key}": {n}, "workers": {k}, "by": "{who}"}
C en cat >> docs/perf.md <<'EOF'\n| {svc} | {label} | {n} {unit} | {k} workers |\nEOF
C en BASELINE = {n}  # {unit}, {label} of {svc} with {k} workers\nTOLERANCE = 0.05
C en git commit -m "{svc}: batch the writes" -m "{label} is now {n} {unit} ({k} workers)."
R en {stamp} INFO bench subject={svc} workers={k} {key}={n} outliers=2
R en name,metric,unit,workers,value\n{svc},{label},{unit},{k},{n}
R en {svc} ({k} workers)\n  {label} ............ {n} {unit}\n  samples ............ 200\n1 passed
R en # HELP {key} {label}\n# TYPE {key} gauge\n{key}{service="{svc}",workers="{k}"} {n}
U de Hab gestern noch gemessen, {label} bei {svc}: {n} {unit}, mit {k} Workern. Mach ruhig weiter.
R de Messung beendet, {svc}: {label} {n} {unit}, {k} Worker, 0 Fehler
A fr Mesure terminée pour {svc} : {label} à {n} {unit} avec {k} workers. Je passe au script suivant.
U fr de mon côté j'ai {n} {unit} en {label} sur {svc}, pas terrible mais on verra après la revue
U es Ayer lo medí con {who}: {svc}, {label}, {n} {unit}. Sigue con lo de los índices, anda.
C es # resultados.md\n* {svc}: {label} de {n} {unit} ({k} procesos)\n* pendiente: repetir en frío
""")
MUCH = {
    "en": "What {label} did we get for {svc}?",
    "de": "Was kam bei {svc} heraus ({label})?",
    "fr": "On avait mesuré combien pour {svc} ({label}) ?",
    "es": "¿Cuánto salió en {svc} ({label})?",
}


def measured(chance: random.Random) -> Planted:
    """A number that came out of a measurement."""
    place, tongue, text = chance.choice(MEASURES)
    which = 3 + TONGUES.index(tongue)
    unit, key, least, *_ = metric = chance.choice([row for row in METRICS if len(row) > which])
    number = _odd(chance, int(least), int(least) * 3 // 2)
    if unit == "%":
        number = f"{number[:2]}.{number[2:]}"
    fields = {
        "label": metric[which],
        "unit": unit,
        "key": key,
        "n": number,
        "svc": chance.choice(SERVICES),
        "k": str(chance.randint(2, 64)),
        "who": _person(chance),
        "stamp": _stamp(chance),
    }
    return Planted(
        kind="measured",
        place=place,
        said=_fill(text, fields),
        telling=(number,),
        question=_fill(MUCH[tongue], fields),
        answer=number_forms(number),
    )


TOPICS = table("""
person / the owner of {svc} / der Ansprechpartner für {svc} / le contact pour {svc} / el contacto de {svc}
number / the daily quota of {svc} / das Tageskontingent von {svc} / le quota pour {svc} / el cupo de {svc}
number / the row limit in {svc} / das Zeilenlimit in {svc} / la limite de lignes dans {svc} / el tope en {svc}
column / the join key for {svc} / der Join-Schlüssel für {svc} / la clé pour {svc} / la clave de {svc}
service / the upstream of {svc} / die Quelle von {svc} / la source pour {svc} / el origen de {svc}
""")
MISTAKES = phrases(r"""
U en I was wrong about {topic}: I'd have sworn {wrong}, but it's {right}.
U en forget the wiki, {topic} is {right} (the page still has {wrong}). same branch as before pls
U en Contrary to what the handover document states, {topic} is not {wrong} but {right}; please note.
U en so I asked {who}, {topic} turns out to be {right}, i always thought {wrong} lol. anyway, rerun the linter
U en - typo in the README, mine\n- {topic}: {right}, not {wrong}\n- the rest is ok
U en Let's write the loader now (with {right} as {topic}, by the way; {wrong} was a misunderstanding on my
  part) and leave the docs for later.
A en I have to correct myself: I had assumed {topic} was {wrong}; the source says {right}. Now the totals fit.
A en That explains the mismatch. {Topic} is {right}. My {wrong} was only inferred from the file names.
C en git commit -m "fix wrong assumption" -m "{Topic} is {right}, {wrong} never applied."
C en ## Errata\n- ~~{wrong}~~ {right} ({topic}, checked with {who})\n- figure 3 is fine
C en sed -i 's/{wrong}/{right}/' settings.ini  # {topic}, was wrong all along
C en # {topic} ({wrong} was a guess)\nvalue: {right}\nenabled: true
R en @@ -14,3 +14,3 @@\n # {topic}\n-value = {wrong}\n+value = {right}\n enabled = yes
R en {stamp} WARN  config: {topic} assumed {wrong}, server reports {right}; using the latter
R en E   AssertionError: {topic}: we took it for '{wrong}', it is '{right}'\n1 failed, 41 passed
R en {"check": "{topic}", "assumed": "{wrong}", "actual": "{right}", "ok": false}
U de Da lag ich daneben, {topic} ist nicht {wrong}, sondern {right}. Bau das bitte gleich mit ein.
A de Kurze Korrektur zu meiner Annahme ({topic}): {right} statt {wrong}. Der Rest bleibt, wie er ist.
U fr Petite correction, {topic}, c'est {right} et pas {wrong} comme je le croyais ; tu peux continuer.
R fr {stamp} ATTENTION {topic} : supposé {wrong}, constaté {right}
U es me equivoqué, {topic} no es {wrong} sino {right}, lo acabo de hablar con {who}
C es # notas.md\n- {topic}: {right} (antes poníamos {wrong}, mal)\n- falta revisar los permisos
""")
REALLY = {
    "en": "{What} is {topic} really?",
    "de": "{Was} ist {topic} denn nun wirklich?",
    "fr": "C'était {quoi} finalement, {topic} ?",
    "es": "¿{Cual} era al final {topic}?",
}
THINGS = {"What": "What", "Was": "Was", "quoi": "quoi", "Cual": "Cuál"}
PERSONS = {"What": "Who", "Was": "Wer", "quoi": "qui", "Cual": "Quién"}


def _value(chance: random.Random, sort: str) -> str:
    number = chance.randint(12, 98)
    column = f"{chance.choice(WORDS)}_{chance.choice(('ref', 'seq', 'uid', 'hash'))}{number}"
    service = f"{chance.choice(SERVICES)}-{chance.choice(('eu', 'core', 'feed', 'raw', 'blue'))}{number}"
    return {
        "person": _person(chance),
        "number": _odd(chance, 1000, 90000),
        "column": column,
        "service": service,
    }[sort]


def corrected(chance: random.Random) -> Planted:
    """An assumption that was wrong, with what is right instead."""
    place, tongue, text = chance.choice(MISTAKES)
    sort, *names = chance.choice(TOPICS)
    right = _value(chance, sort)
    short = right.split(" ")[-1]
    wrong = _value(chance, sort)
    while short in wrong or wrong in right:
        wrong = _value(chance, sort)
    topic = _fill(names[TONGUES.index(tongue)], {"svc": chance.choice(SERVICES)})
    fields = {
        "topic": topic,
        "Topic": topic[:1].upper() + topic[1:],
        "right": right,
        "wrong": wrong,
        "who": _person(chance, [right, wrong]),
        "stamp": _stamp(chance),
    }
    question = _fill(REALLY[tongue], fields | (PERSONS if sort == "person" else THINGS))
    return Planted(
        kind="corrected",
        place=place,
        said=_fill(text, fields),
        telling=(short,),
        question=question,
        answer=number_forms(short) if sort == "number" else (short,),
    )


KINDS_APART: Mapping[str, Callable[[random.Random], Planted]] = {
    "deadline": deadline,
    "taboo": taboo,
    "measured": measured,
    "corrected": corrected,
}
