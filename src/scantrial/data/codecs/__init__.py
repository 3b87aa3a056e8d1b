"""The kinds of image files: a module and a row of `scantrial.data.codecs.table` each."""
