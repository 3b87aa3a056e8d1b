"""What every other part may use: errors, records, random streams, registries, safe file writing.

Nothing here knows about scans, networks or studies.
"""
