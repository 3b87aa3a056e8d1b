"""The study folder: what is written, read, locked.

`scantrial.store.folder.StudyFolder` is the one door. The training wing writes through it, the
judging wing reads through it; neither knows the other.
"""
