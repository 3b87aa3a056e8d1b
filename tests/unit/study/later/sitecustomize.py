"""Makes a later scantrial of every process that has this folder on its PYTHONPATH: the recipe has one key more.

Python imports this module as it starts, before anything has seen the recipe; worker processes inherit it.
"""

from typing import Literal

from pydantic import create_model

from scantrial.recipe import spec

spec.Recipe = create_model("Recipe", __base__=spec.Recipe, warp=(Literal["none", "flip"], "none"))
