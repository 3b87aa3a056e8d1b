"""The sections of a report, one module each: from the view's numbers to a `Section` of the document."""
