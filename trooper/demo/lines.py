"""
What is asked in the demo, and what the cloud would say if it lived.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from trooper.testing import DEFAULT_ANSWER


@frozen
class Lines:
    """A question, and the cloud's whole answer to it."""

    question: str
    answer: str


#: For the stand-in, which knows it by heart: full of what is hard to join.
SCRIPTED: Final = Lines("What does a lighthouse teach?", DEFAULT_ANSWER)

#: For real models, the smallest included: plain English that can be gone on with from anywhere.
PLAIN: Final = Lines(
    "Explain in a few sentences why the sky is blue.",
    "The light of the sun looks white, but it is made of many colors. When it reaches the Earth, it meets"
    " the tiny molecules of the air. Blue light has a short wavelength, so it is scattered in all directions"
    " much more than red light. Wherever we look, some of that scattered blue light reaches our eyes. At"
    " sunset the light takes a longer way through the air. Most of the blue is gone by then, and what is"
    " left is orange and red.",
)
