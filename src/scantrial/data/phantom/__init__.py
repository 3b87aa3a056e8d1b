"""A procedural chest phantom: labelled scans for demonstrations and tests, without any download."""

from scantrial.data.phantom.make import CLASS_NAMES, PHANTOM_VERSION, Phantom, make_phantom
from scantrial.data.phantom.options import PhantomOptions

__all__ = ["CLASS_NAMES", "PHANTOM_VERSION", "Phantom", "PhantomOptions", "make_phantom"]
