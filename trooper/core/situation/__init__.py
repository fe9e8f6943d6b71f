"""
The situation report: what stands in the place of turns that a small window cannot hold.

`facts` finds what of a turn has to be known later, `writing` makes a text of it.
"""
