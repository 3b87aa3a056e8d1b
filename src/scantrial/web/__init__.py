"""A study in a browser, live: the view models of reports as pages and as JSON, for one person on one machine."""
