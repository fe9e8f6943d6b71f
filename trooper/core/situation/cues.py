"""
Words by which people say that something matters, in the languages that most conversations are in.

A cue is a hint and no more: it raises what a sentence is worth, and what stands around it is kept. So a word that is
missing here costs little, and one that also means something else costs a line that could have been another.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Final


class Cue(enum.Enum):
    """What a word hints at."""

    DECIDED = "decided"
    BOUND = "bound"  # What has to be, or must not be.
    FAILED = "failed"
    OPEN = "open"
    CORRECTED = "corrected"
    PERSONAL = "personal"  # Who somebody is, and what he likes.
    ENDED = "ended"  # How something went.
    OURS = "ours"  # It is about us, and not about the world.


#: What the first cue of its kind in a sentence is worth.
CUE_WORTH: Final[Mapping[Cue, float]] = {
    Cue.DECIDED: 2.5,
    Cue.BOUND: 2.5,
    Cue.FAILED: 2.2,
    Cue.OPEN: 2.5,
    Cue.CORRECTED: 2.5,
    Cue.PERSONAL: 2.0,
    Cue.ENDED: 1.0,
    Cue.OURS: 1.0,
}

#: Languages with blanks between their words: each of these is a whole word, in small letters.
_WORDS: Final[Mapping[Cue, str]] = {
    Cue.DECIDED: """
        decided decide decision agreed agree choose chose chosen picked settled ruled prefer preferred instead rather switch
        switched assume assuming assumption conclude concluded conclusion therefore approved rejected adopt adopted cause caused culprit reason
        entschieden entscheidung beschlossen einigen geeinigt gewählt stattdessen statt lieber annahme nehmen vereinbart ursache grund
        décidé décision convenu choisi choix plutôt retenu hypothèse
        decidido decidimos decisión acordado acordamos elegido elegimos mejor suposición
        deciso decisione concordato scelto scegliamo invece piuttosto anziché ipotesi
        decisão combinado escolhido escolhemos melhor vez suposição
        besloten besluit afgesproken gekozen kiezen liever aanname
        zdecydowano zdecydowaliśmy decyzja ustalono ustaliliśmy wybrano wybieramy zamiast raczej założenie
        решили решено решение выбрали договорились вместо лучше предположение
        вирішили вирішено рішення обрали домовились замість краще припущення
        karar kararlaştırdık seçtik yerine tercih varsayım
        قررنا القرار قرار اتفقنا اخترنا بدلا بدلاً
        तय फैसला निर्णय चुना बजाय""",
    Cue.BOUND: """
        must mustn't never always only forbidden required requirement don't dont cannot can't deadline due until limit
        limited maximum minimum max min most least freeze frozen budget cap capped ensure careful important remember
        note beware warning allowed disallowed strictly avoid except unless before after shall expires expired expiry notice
        muss müssen musst darf dürfen niemals nie immer nur frist spätestens höchstens mindestens verboten wichtig
        achtung budget grenze bis keinesfalls nicht soll
        doit doivent jamais toujours seulement interdit limite échéance maximum important attention pas faut avant
        debe deben nunca siempre solo sólo prohibido límite plazo máximo mínimo importante cuidado hay antes
        deve devono mai sempre soltanto vietato scadenza massimo minimo attenzione bisogna entro
        devem proibido prazo limite cuidado apenas sempre
        moet moeten nooit altijd alleen verboden uiterlijk maximaal minimaal belangrijk mag niet
        musi muszą nigdy zawsze tylko zabronione termin najpóźniej maksymalnie minimum ważne wolno
        должен должны нельзя никогда всегда только запрещено срок максимум минимум важно обязательно надо
        повинен повинні ніколи завжди тільки лише заборонено термін важливо треба не
        asla hiçbir daima sadece yalnızca yasak zorunlu gerekli gerekir son önemli dikkat sınır
        يجب أبدا أبداً دائما دائماً فقط ممنوع مهم الموعد
        ज़रूरी जरूरी कभी हमेशा केवल सिर्फ मना सीमा चाहिए""",
    Cue.FAILED: """
        error errors err failed fail fails failure failing fatal exception traceback panic panicked crash crashed broken
        denied refused timeout timed warn warning critical rejected unreachable aborted killed oom segfault invalid
        missing mismatch unexpected deprecated conflict corrupt corrupted expired bug leak deadlock
        fehler fehlgeschlagen gescheitert absturz abgestürzt kaputt verweigert
        erreur erreurs échoué échec panne refusé cause
        fallo falló fallado fracasó roto rechazado causa
        errore errori fallito guasto rifiutato
        erro erros falhou falha quebrado recusado
        fout fouten mislukt kapot geweigerd oorzaak
        błąd błędy nieudane awaria odmowa przyczyna
        ошибка ошибки ошибку сбой упал упала отказ причина
        помилка помилки збій впав відмова причина
        hata hatası başarısız çöktü reddedildi sebep
        خطأ فشل فشلت تعطل
        त्रुटि गलती विफल असफल""",
    Cue.OPEN: """
        todo fixme open pending remaining remains left unresolved undecided unclear later next tbd blocked waiting
        followup follow-up outstanding still need needs want wants goal aim task plan ticket issue investigate
        offen offene noch später aufgabe ziel ungeklärt ausstehend brauchen brauche will möchte
        reste restant tâche objectif ouvert encore besoin veux voudrais
        pendiente falta tarea objetivo abierto todavía necesito quiero
        rimane resta compito obiettivo aperto ancora serve voglio
        pendente tarefa objetivo aberto ainda preciso quero
        openstaand taak doel nog nodig wil
        zostało zadanie cel otwarte jeszcze trzeba potrzebuję chcę
        осталось задача цель открыто ещё нужно хочу позже
        залишилось завдання ціль відкрито ще потрібно хочу
        kalan görev hedef açık henüz lazım istiyorum
        متبقي مهمة هدف مطلوب أريد
        बाकी काम लक्ष्य अधूरा""",
    Cue.CORRECTED: """
        actually correction sorry meant wrong mistake oops wait nope longer changed renamed moved
        eigentlich korrektur meinte falsch irrtum doch umbenannt
        voulais erreur plutôt correction faux renommé
        corrección perdón quería equivocado
        correzione scusa intendevo sbagliato
        correção desculpa errado
        correctie bedoelde verkeerd
        poprawka pomyłka miałem źle
        исправление имел имела ошибся точнее неверно
        виправлення помилився точніше
        düzeltme yanlış aslında
        تصحيح قصدت
        गलत दरअसल""",
    Cue.PERSONAL: """
        i'm my mine name called prefer hate love favorite favourite colleague boss manager owner owns maintainer
        responsible contact ask reach lead team role joined works speak address
        bin mein meine heiße heißt zuständig ansprechpartner chef chefin kollege kollegin mag
        suis m'appelle mon appelle préfère collègue responsable chef
        soy llamo mi prefiero colega responsable jefe jefa
        sono chiamo mio mia preferisco collega responsabile capo
        sou chamo meu minha prefiro colega responsável chefe
        ben mijn heet collega verantwoordelijk baas
        jestem nazywam mój moja wolę kolega odpowiedzialny szef
        меня зовут мой моя предпочитаю коллега отвечает начальник
        мене звати мій моя віддаю колега відповідає
        benim adım tercih sorumlu
        اسمي أنا أفضل مسؤول
        मेरा मेरी नाम पसंद जिम्मेदार""",
    Cue.ENDED: """
        passed pass succeeded success successful done completed finished created deleted removed wrote written updated
        applied merged deployed installed committed pushed exit exited returned result results total summary released
        found confirmed measured fixed workaround
        erledigt fertig erfolgreich erstellt gelöscht ergebnis bestanden
        réussi terminé créé supprimé résultat
        listo terminado creado borrado resultado éxito
        fatto finito creato cancellato risultato
        feito pronto criado apagado resultado
        klaar gelukt gemaakt verwijderd resultaat
        gotowe zakończono utworzono usunięto wynik
        готово завершено создан удалён результат успешно
        готово завершено створено видалено результат
        bitti tamamlandı oluşturuldu silindi sonuç
        تم نجح اكتمل النتيجة
        पूरा सफल बना परिणाम""",
    Cue.OURS: """
        i we our us i'll i've i'd we'll we've we're
        ich wir uns unser unsere unserem unseren je j'ai nous notre nos yo nosotros nuestro nuestra hemos he
        io noi nostro nostra abbiamo ho eu nós nosso nossa ik wij we ons onze ja nasz nasza mamy
        я мы нас наш наша наши ми нас наші ben biz bizim نحن لدينا हम हमारा हमारे""",
}
#: Without blanks, or with endings that grow on words: looked for anywhere.
_PARTS: Final[Mapping[Cue, str]] = {
    Cue.DECIDED: "决定 決定 選択 选择 選擇 采用 採用 改用 而不是 结论 にします にする ことにし 代わりに 前提 결정 선택 대신 하기로 합의",
    Cue.BOUND: "必须 必須 不要 不能 禁止 绝不 千万 务必 只能 最多 至少 截止 期限 上限 注意 重要 しないで ないで 絶対 "
    "だけ までに してはいけ なければ 반드시 절대 금지 마세요 하지 마감 최대 최소 까지 중요",
    Cue.FAILED: "错误 錯誤 失败 失敗 异常 報錯 报错 崩溃 超时 拒绝 原因 エラー 異常 落ち 오류 에러 실패 예외 원인 거부",
    Cue.OPEN: "待办 待辦 未完成 还没 尚未 剩下 接下来 任务 目标 需要 未対応 残り まだ 課題 目標 次に 남은 아직 과제 목표 필요 다음",
    Cue.CORRECTED: "其实 更正 不对 我的意思 应该是 訂正 間違え ではなく じゃなくて 実は 정정 아니라 사실 잘못",
    Cue.PERSONAL: "我叫 我是 我的 负责 喜欢 偏好 私は 名前 担当 好み 저는 제가 이름 담당 선호",
    Cue.ENDED: "完成 成功 结果 通过 创建 删除 結果 作成 削除 合格 완료 성공 결과 생성 삭제 통과",
}

#: Which cue a word is.
CUES: Final[Mapping[str, Cue]] = {
    word: cue for cue, words in reversed(list(_WORDS.items())) for word in words.split()
}
_CUE_OF_PART: Final = {part: cue for cue, parts in _PARTS.items() for part in parts.split()}
#: Any of the cues that are no words of their own.
CUE_PARTS: Final = re.compile("|".join(sorted(_CUE_OF_PART, key=len, reverse=True)))


def cue_of_part(part: str) -> Cue:
    """What a match of `CUE_PARTS` hints at."""
    return _CUE_OF_PART[part]
