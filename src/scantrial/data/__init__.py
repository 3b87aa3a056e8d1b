"""Scans in: formats, image fitting, splits, the phantom, the catalogue, preprocessing.

Everything ends in one record, `scantrial.data.scanset.ScanSet`.
"""
