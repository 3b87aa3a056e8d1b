"""DICOM: headers read by an allow-list of tags, stored values to gray levels, and cases without names.

pydicom is imported where it is used; without it, `scantrial.core.errors.MissingExtraError` says what to install.
"""
