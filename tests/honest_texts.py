"""
Texts that repeat themselves, as people and models write them: songs, prayers,
law, lists, tables, logs, code, talk. Cut anywhere, their rest may say again
what stood before the cut.

`KEPT` are those of which nothing is ever left out, `EATEN` those that look like a
model which stammers: the rule cuts there, and says how much at most.
"""

from __future__ import annotations

from typing import Final

KEPT: Final = {
    "happy birthday": (
        "Happy birthday to you,\nHappy birthday to you,\nHappy birthday, dear reader,\nHappy birthday to you!\n"
    ),
    "row": (
        "Row, row, row your boat,\nGently down the stream.\nMerrily, merrily, merrily, merrily,\nLife is but a dream.\n"
        "\nRow, row, row your boat,\nGently down the brook.\nIf you see a little fish,\nDon't forget to look!\n"
    ),
    "london bridge": (
        "London Bridge is falling down,\nFalling down, falling down,\nLondon Bridge is falling down,\nMy fair lady.\n\n"
        "Take a key and lock her up,\nLock her up, lock her up,\nTake a key and lock her up,\nMy fair lady.\n"
    ),
    "frere jacques": (
        "Frère Jacques, Frère Jacques,\nDormez-vous ? Dormez-vous ?\nSonnez les matines ! Sonnez les matines !\n"
        "Ding, dang, dong. Ding, dang, dong.\n"
    ),
    "bottles": "".join(
        f"{n} bottles of beer on the wall, {n} bottles of beer.\nTake one down and pass it around,"
        f" {n - 1} bottles of beer on the wall.\n\n"
        for n in range(6, 3, -1)
    ),
    "refrain": (
        "The ship went out at early light,\nthe gulls cried over the foam,\nand O the wind was in the west,\n"
        "and O the wind was in the west,\nand never a sail came home.\n\n"
        "The lamp burned on the whole night long,\nthe gulls cried over the foam,\nand O the wind was in the west,\n"
        "and O the wind was in the west,\nand never a sail came home.\n"
    ),
    "chorus first": (
        "Oh bring me the lantern and bring me the rope,\nthe tide and the evening are falling,\n\n"
        "The captain stood up on the bridge of his ship\nand heard the far voices calling.\n\n"
        "Oh bring me the lantern and bring me the rope,\nthe tide and the evening are falling,\n\n"
        "The cook in the galley went on with his soup.\n"
    ),
    "kyrie": "Kyrie eleison. Kyrie eleison. Kyrie eleison.\nChriste eleison. Christe eleison. Christe eleison.\n",
    "bruder jakob": (
        "Bruder Jakob, Bruder Jakob,\nschläfst du noch? Schläfst du noch?\nHörst du nicht die Glocken?"
        "\nHörst du nicht die Glocken?\nDing, dang, dong. Ding, dang, dong.\n"
    ),
    "german": (
        "Er lief und lief und lief und lief, bis es nicht mehr weiterging. Schritt für Schritt für Schritt kam er"
        " voran, immer weiter, immer weiter. Wenn Fliegen hinter Fliegen fliegen, fliegen Fliegen Fliegen nach."
    ),
    "birthday in chinese": "祝你生日快乐，祝你生日快乐，祝你生日快乐，祝你生日快乐！",
    "two tigers": "两只老虎，两只老虎，跑得快，跑得快。一只没有耳朵，一只没有尾巴，真奇怪，真奇怪。",
    "chinese": "好不好？好不好？说来说去，他还是研究研究再研究。一步一步，一步一步，慢慢来，慢慢来。",
    "again": (
        "He tried again and again and again, over and over and over, until it went round and round and round."
        " She said no, no, no, and no again. It was a long, long, long way home, and very, very, very cold."
    ),
    "rose": "A rose is a rose is a rose is a rose, she wrote, and what it is is what it is, no more.",
    "had had": "All the faith he had had had had no effect on the outcome, and that that is is that that is not not is.",
    "anaphora": (
        "We shall fight on the beaches, we shall fight on the landing grounds, we shall fight in the fields and in"
        " the streets, we shall fight in the hills; we shall never surrender. We shall fight on."
    ),
    "creed": (
        "I believe that it can be done. I believe that it will be done. I believe that we do it. Every day we begin,"
        " and every day we end, and every day we begin anew."
    ),
    "counting": "Breathe with me: one, two, three, one, two, three, one, two, three. And 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4.",
    "waltz": "The waltz goes one two three one two three one two three, and then it stops: one two three.",
    "colours": "The light blinks red, green, blue, red, green, blue, red, green, blue, and then it is dark for a while.",
    "laughs": "Ha ha ha ha ha! Ho ho ho ho! La la la la, la la la la, na na na na, hey hey hey, goodbye.",
    "echo": "A ship. A ship. A ship. A ship, a ship, a ship, a ship! We go, we go, we go.",
    "emoji": "Great work 🎉🎉🎉🎉🎉🎉 and thanks 🙏🙏🙏 to all 🚢🚢🚢🚢🚢🚢🚢🚢🚢🚢 of you 👍🏽👍🏽👍🏽!",
    "rules": "Title\n=====\n\n----------\n\n* * * * * * * *\n\nText = = = = = = and . . . . . . . . more\n\n==========\n",
    "table": (
        "| Day | Morning | Evening |\n| --- | --- | --- |\n| Mon | open all day | open all day |\n"
        "| Tue | open all day | open all day |\n| Wed | closed | closed |\n| Thu | closed | closed |\n"
        "| Fri | open all day | open all day |\n"
    ),
    "columns": "name     kind of it   kind of it\nfirst    a small one  a small one\nsecond   a small one  a small one\n",
    "csv": "id,state,note\n1,done,all is well here\n2,done,all is well here\n3,open,all is well here\n",
    "tabs": "a\tall of it is\tall of it is\tall of it is\nb\tall of it is\tall of it is\n",
    "list": (
        "Buy:\n\n- bread from the shop\n- milk\n- bread from the shop\n- bread from the shop\n\nThen:\n\n"
        "1. Wait for the bus.\n2. Wait for the bus.\n3. Wait for the bus.\n"
    ),
    "log": (
        "09:00:01 INFO connection opened by client\n09:00:01 INFO connection closed by client\n"
        "09:00:02 WARN connection reset by peer\nWARN connection reset by peer\nWARN connection reset by peer\n"
        "INFO all is well again\nINFO all is well again\n"
    ),
    "chat": (
        "Ann: are you there now\nBob: are you there now\nAnn: very funny\nBob: very funny\nAnn: stop it please\n"
        "Bob: stop it please\nBob: stop it please\n"
    ),
    "law": (
        "The Seller shall deliver the goods to the Buyer, and the Buyer shall pay the price to the Seller. The Seller"
        " shall bear the risk until the goods are handed over; the Buyer shall bear the risk from then on.\n\n"
        "1. The Licensee may copy the Software.\n2. The Licensee may copy the Documentation.\n"
        "3. The Licensee may not copy the Software for others.\n"
    ),
    "clauses": "".join(
        f"The parties agree that neither of them shall be liable to the other for any loss that arises from clause"
        f" {n} of this agreement. "
        for n in range(1, 5)
    ),
    "code": (
        "```python\nprint('one more line')\nprint('one more line')\nprint('one more line')\n\nfor x in range(3):\n"
        "    a = b = c = 0\n    a = b = c = 0\nassert x == y and x == y\nvalues = [0, 0, 0, 0, 0, 0, 0, 0]\n"
        "rows = [[1, 2], [1, 2], [1, 2]]\nnames = ['a b c', 'a b c', 'a b c']\n```\n"
    ),
    "shell": "```sh\necho one two three one two three\ncat a.txt a.txt a.txt\nmake test && make test && make test\n```\n",
    "html": (
        '```html\n<ul>\n  <li class="item">one of them</li>\n  <li class="item">one of them</li>\n'
        '  <li class="item">one of them</li>\n</ul>\n<td> </td> <td> </td> <td> </td>\n```\n'
    ),
    "sql": (
        "```sql\nINSERT INTO places (name) VALUES ('Kiel');\nINSERT INTO places (name) VALUES ('Kiel');\n"
        "SELECT name FROM places WHERE name = 'Kiel' OR name = 'Bonn' OR name = 'Bonn';\n```\n"
    ),
    "no fence": "x = 1\ny = 2\nx = 1\ny = 2\nx = 1\nprint(x, y)\nprint(x, y)\nprint(x, y)\n",
    "markdown in a block": (
        "A README may look like this:\n\n````markdown\n# Title\n\n```python\nimport title\n```\n\n```python\nimport"
        " title\n```\n````\n\nAnd this:\n\n```markdown\nUse it:\n\n```sh\ntitle\n```\n"
    ),
    "fence in a string": '```python\nPROMPT = """Answer with code:\n```python\nprint(1)\n"""\ntext = "```python\\n"\n```\n',
    "json": '[{"name": "a b c", "kind": "x"}, {"name": "a b c", "kind": "x"}, {"name": "a b c", "kind": "x"}]',
    "bare fences": "```\nfirst block\n```\n\n```\nsecond block\n```\n\n```\n\n```\n",
    "sure": (
        "He asked whether it would hold. Of course, ropes like this one hold a ship. Sure, some break. Certainly, the"
        " old ones do. Okay, so we buy new ones.\n\nContinuing the work is what counts. Here is the rest of the story."
        " Yes. Here it is."
    ),
    "dialogue": (
        '"Can you hear me?" he asked. "Sure! Here is the rest of it." She laughed. "Of course!" he said.\n\n'
        "Q: Can I bring my dog? Of course! We love dogs.\n\nQ: May I go on? Certainly! Go on.\n\n"
        "Ann: ready?\nBob: Sure! Let me continue.\n"
    ),
    "faq": (
        "Can I pay later? Yes. Can I pay now? Yes. Can I come back? Yes, you can.\n\nIs it open on Monday? No. Is it"
        " open on Tuesday? No. Is it open at night? Natürlich nicht.\n"
    ),
    "agent": (
        "I have looked at three of the five files. Here is the rest of the plan:\n\n1. Fix the parser.\n2. Run the tests.\n"
        "\nI will continue with the parser. Let me continue: the parser comes first.\n\nContinued:\n\nDone.\n"
    ),
    "names": (
        "Johann Sebastian Bach was born in Eisenach. His sons are known as well, but it is Johann Sebastian Bach"
        " who is played most, and Johann Sebastian Bach himself would wonder."
    ),
    "sections": "".join(
        f"## Day {n}\n\n- Breakfast at the hotel\n- A walk around the old town\n- Dinner at the hotel\n\n"
        for n in (1, 2, 3)
    ),
    "two blanks": "It is done.  It is good.  Nobody saw it.  We go home now.  All of us do, as one says.  So it is.\n",
    "chinese with blanks": "我们 今天 去 海边 看 灯塔 ，然后 回家 。你们 也 去 吗 ？\n",
}
#: Text, and what is cut of its rest at most at one of the places.
EATEN: Final = {
    "a slogan": ("Never give in now. Never give in now. Go on.", "Never give in now."),
    "a wish": ("Let us go home. Let us go home. It is late.", "Let us go home."),
    "a clause without a sign": ("they said we can do it we can do it we can", "we can do it"),
}
