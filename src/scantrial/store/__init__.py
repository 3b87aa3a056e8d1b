"""The study folder: what is written, read, locked.

`scantrial.store.folder.StudyFolder` is the only entry. The training wing writes through it, the
judging wing reads through it; neither imports the other.
"""
