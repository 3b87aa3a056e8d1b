"""Build hook: compile the fused engine's kernel, if this machine can; installation succeeds either way."""

from __future__ import annotations

import importlib.util
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = "src/scantrial/train/native"


class KernelHook(BuildHookInterface):
    """Compiles the kernel beside its sources, where an editable install finds it and a wheel takes it along."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's
        """Compile; on success the wheel is for this platform, though for any Python: ctypes needs no ABI."""
        build = _load(Path(self.root) / NATIVE / "build.py")
        try:
            build.build()
        except build.BuildError as error:
            self.app.display_warning(f"without the fused engine: {error}")
            build_data["artifacts"].append(f"{NATIVE}/{build.WHY_NOT.name}")
            return
        build_data["artifacts"].append(f"{NATIVE}/{build.LIBRARY.name}")
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("scantrial_native_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
