"""Admission: one decision for all ways into a group.

`Deciding.enter` decides a join, and `Settling.settle` records how it ended. What they share is in
modules of its own: the facts, the record, the seats held by this process, the deaths of codes.
"""
