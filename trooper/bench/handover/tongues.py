"""
What user and assistant say around the facts, in five languages.

`{file}`, `{function}`, `{noun}` and `{other}` are names of the project, which no language changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen


@frozen
class Tongue:
    """
    One language.

    Attributes:
        opening: what the user begins with, behind the facts of the first turn.
        asks: what the user asks for.
        chat: what the user says beside that.
        before: what the assistant says before it calls a tool.
        explains: what the assistant makes of what it has seen.
        last: what the user says last: the answer to it is the one that the local model has to give.
    """

    opening: str
    asks: tuple[str, ...]
    chat: tuple[str, ...]
    before: tuple[str, ...]
    explains: tuple[str, ...]
    last: str


ENGLISH: Final = Tongue(
    "Have a look around first and tell me how the {noun} code hangs together.",
    (
        "Can you check what {function} does with an empty {noun}?",
        "Next: the {noun} in {file} looks odd to me, please have a look.",
        "Why is {function} so slow? I had the feeling that it got worse this week.",
        "Please run the tests around the {noun} again, I do not trust them.",
        "Could you clean up {file} a little, without changing what it does?",
        "What would break if we dropped {function}?",
        "Show me where the {noun} is read, I can never find it.",
        "There is a ticket about the {noun} and the {other}, can you see what they mean?",
    ),
    (
        "I have a meeting in ten minutes, so be quick if you can.",
        "Sorry for the many questions, I did not write this part.",
        "Take your time, coffee is on.",
        "By the way the builds are slow today, everybody complains.",
        "That was helpful, thanks.",
        "Hm, that is not what I expected, but fine.",
    ),
    (
        "Let me look at that.",
        "I will check {file} first.",
        "One moment, I want to see who calls {function}.",
        "I will run it and see what comes out.",
    ),
    (
        "The {noun} is read in one place only, and {function} does not look at the {other} at all.",
        "As far as I can see this is harmless: {function} returns early where there is no {noun}.",
        "What you see comes from the order in which the {noun} and the {other} are closed.",
        "I would leave {file} as it is. The name is odd, but three callers rely on it.",
        "The slow part is not the {noun} itself but that {function} asks for each {other} one by one.",
        "It behaves the same before and after, so the change is safe; the {noun} is only renamed.",
        "There are two ways to do this, and the one with the {other} needs fewer changes.",
        "The output is long, but in short: everything that touches the {noun} goes through {function}.",
    ),
    "Good. Please sum up where we are and go on with what is still to be done.",
)

GERMAN: Final = Tongue(
    "Schau dich zuerst um und sag mir, wie der Code für {noun} zusammenhängt.",
    (
        "Kannst du prüfen, was {function} mit einem leeren {noun} macht?",
        "Als Nächstes: {noun} in {file} sieht seltsam aus, bitte schau dir das an.",
        "Warum ist {function} so langsam? Diese Woche ist es gefühlt schlimmer geworden.",
        "Lass bitte die Tests rund um {noun} noch einmal laufen, ich traue ihnen nicht.",
        "Räum {file} bitte ein wenig auf, ohne dass sich etwas ändert.",
        "Was ginge kaputt, wenn wir {function} entfernen?",
        "Zeig mir, wo {noun} gelesen wird, ich finde das nie.",
    ),
    (
        "Ich habe in zehn Minuten einen Termin, also gern kurz.",
        "Entschuldige die vielen Fragen, diesen Teil habe ich nicht geschrieben.",
        "Lass dir Zeit, ich hole Kaffee.",
        "Danke, das hat geholfen.",
        "Hm, das hatte ich anders erwartet, aber gut.",
    ),
    (
        "Ich sehe mir das an.",
        "Zuerst prüfe ich {file}.",
        "Einen Moment, ich will sehen, wer {function} aufruft.",
    ),
    (
        "{noun} wird nur an einer Stelle gelesen, und {function} beachtet {other} gar nicht.",
        "Soweit ich sehe, ist das harmlos: {function} kehrt früh zurück, wenn es kein {noun} gibt.",
        "Was du siehst, kommt von der Reihenfolge, in der {noun} und {other} geschlossen werden.",
        "Ich würde {file} so lassen. Der Name ist seltsam, aber drei Aufrufer verlassen sich darauf.",
        "Langsam ist nicht {noun} selbst, sondern dass {function} jedes {other} einzeln abfragt.",
        "Die Ausgabe ist lang, aber kurz gesagt läuft alles, was {noun} berührt, durch {function}.",
    ),
    "Gut. Fass bitte zusammen, wo wir stehen, und mach mit dem weiter, was noch offen ist.",
)

FRENCH: Final = Tongue(
    "Regarde d'abord un peu partout et dis-moi comment le code de {noun} est organisé.",
    (
        "Peux-tu vérifier ce que {function} fait d'un {noun} vide ?",
        "Ensuite : {noun} dans {file} me paraît bizarre, jette un œil s'il te plaît.",
        "Pourquoi {function} est-il si lent ? J'ai l'impression que c'est pire cette semaine.",
        "Relance les tests autour de {noun}, je ne leur fais pas confiance.",
        "Nettoie un peu {file}, sans rien changer au comportement.",
        "Qu'est-ce qui casserait si on supprimait {function} ?",
    ),
    (
        "J'ai une réunion dans dix minutes, fais vite si tu peux.",
        "Désolé pour toutes ces questions, je n'ai pas écrit cette partie.",
        "Prends ton temps.",
        "Merci, ça m'aide beaucoup.",
    ),
    (
        "Je regarde ça.",
        "Je vérifie d'abord {file}.",
        "Un instant, je veux voir qui appelle {function}.",
    ),
    (
        "{noun} n'est lu qu'à un seul endroit, et {function} ne regarde pas du tout {other}.",
        "D'après ce que je vois, c'est sans danger : {function} s'arrête tôt quand il n'y a pas de {noun}.",
        "Ce que tu vois vient de l'ordre dans lequel {noun} et {other} sont fermés.",
        "Je laisserais {file} tel quel. Le nom est étrange, mais trois appelants en dépendent.",
        "La sortie est longue, mais en bref tout ce qui touche à {noun} passe par {function}.",
    ),
    "Bien. Résume où nous en sommes et continue avec ce qui reste à faire.",
)

SPANISH: Final = Tongue(
    "Primero échale un vistazo a todo y dime cómo está organizado el código de {noun}.",
    (
        "¿Puedes comprobar qué hace {function} con un {noun} vacío?",
        "Ahora: {noun} en {file} me parece raro, míralo por favor.",
        "¿Por qué es tan lento {function}? Creo que esta semana ha empeorado.",
        "Vuelve a ejecutar las pruebas de {noun}, no me fío de ellas.",
        "Limpia un poco {file}, sin cambiar lo que hace.",
        "¿Qué se rompería si quitamos {function}?",
    ),
    (
        "Tengo una reunión en diez minutos, así que sé breve si puedes.",
        "Perdona tantas preguntas, esta parte no la escribí yo.",
        "Tómate tu tiempo.",
        "Gracias, me ha servido mucho.",
    ),
    (
        "Voy a mirarlo.",
        "Primero compruebo {file}.",
        "Un momento, quiero ver quién llama a {function}.",
    ),
    (
        "{noun} solo se lee en un sitio, y {function} no mira {other} para nada.",
        "Por lo que veo no hay peligro: {function} termina antes si no hay {noun}.",
        "Lo que ves viene del orden en que se cierran {noun} y {other}.",
        "Yo dejaría {file} como está. El nombre es raro, pero tres partes dependen de él.",
        "La salida es larga, pero en resumen todo lo que toca {noun} pasa por {function}.",
    ),
    "Bien. Resume dónde estamos y sigue con lo que queda por hacer.",
)

CHINESE: Final = Tongue(
    "请先大致看一下，告诉我 {noun} 的代码是怎么组织的。",
    (
        "能不能看一下 {function} 遇到空的 {noun} 会怎么处理？",
        "接下来：{file} 里的 {noun} 看起来有点奇怪，请检查一下。",
        "为什么 {function} 这么慢？我感觉这周更慢了。",
        "请把 {noun} 相关的测试再跑一遍，我不太相信它们。",
        "请稍微整理一下 {file}，不要改变它的行为。",
        "如果删掉 {function}，会有什么东西坏掉？",
    ),
    (
        "我十分钟后有个会，请尽量简短。",
        "不好意思问了这么多，这部分不是我写的。",
        "不着急，慢慢来。",
        "谢谢，很有帮助。",
    ),
    (
        "我来看一下。",
        "我先检查 {file}。",
        "稍等，我想看看谁调用了 {function}。",
    ),
    (
        "{noun} 只在一个地方被读取，{function} 根本不看 {other}。",
        "在我看来这没有问题：没有 {noun} 的时候 {function} 会提前返回。",
        "你看到的现象是因为 {noun} 和 {other} 的关闭顺序。",
        "我建议保留 {file}。名字有点怪，但是有三处调用依赖它。",
        "输出很长，简单来说，所有涉及 {noun} 的操作都要经过 {function}。",
    ),
    "好的。请总结一下我们现在的进度，然后继续做还没有完成的部分。",
)

#: Name → the language. English is that of most sessions.
TONGUES: Final[Mapping[str, Tongue]] = {
    "en": ENGLISH,
    "de": GERMAN,
    "fr": FRENCH,
    "es": SPANISH,
    "zh": CHINESE,
}
