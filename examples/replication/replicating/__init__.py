"""What `examples/replication/replicate.py` needs: the reports' numbers, measures of our runs, rules, and the document.

reports    what the two reports printed: docs/data/reports.yaml, typed
runs       study folders seen as the reports' arms
measures   one number of one run, by name
rules      when a number agrees with a printed one, and what a conclusion may rest on
document   all of it as Markdown
"""
