"""A finished study as records of numbers: read from its folder, judged, diagnosed; nothing is rounded or drawn."""
