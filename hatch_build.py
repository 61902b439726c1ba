"""Compiles the gateway's hot path where a C compiler is found; else it runs interpreted, as it is.

mypyc turns the modules of :data:`HOT_PATH`, typed Python as all others, into C extensions that lie
beside them and are preferred by ``import``. Nothing else differs but speed. ``CROSSMODEL_PURE=1``
leaves them interpreted; docs/decisions/0026 says why.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("src")
GROUP = "crossmodel"
"""Names the library that holds all of them: ``crossmodel__mypyc``."""

HOT_PATH = {
    "crossmodel/balancing": "balancer breaker endpoint held limits retries strategies",
    "crossmodel/domain": "ids",
    "crossmodel/gateway": (
        "account attempt bounds cache choosing connection core exchange headers heads hiding http1 "
        "keys limits metrics peek recording relaying replies request routes state targets upstream"
    ),
    "crossmodel/wire": "sse watch",
}

COMPILER = ["mypy>=2.0,<3", "setuptools>=65"]
IMPORTED = ["httptools", "msgspec", "sqlalchemy>=2", "structlog"]
"""Their types decide how classes that build on theirs are compiled."""


class CompiledHotPath(BuildHookInterface):
    """The hook that ``pip install`` runs, of wheels and of editable installs."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What compiling needs besides a compiler."""
        return [*COMPILER, *IMPORTED] if _can_compile() and not _is_fresh(self._source) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless that was done since the sources changed or cannot be done here."""
        if not _can_compile():
            self.app.display_info("the gateway's hot path stays interpreted: there is no compiler")
            return
        if not _is_fresh(self._source):
            compile_hot_path(self._source)
        if not _is_fresh(self._source):
            self.app.display_warning("the gateway's hot path could not be compiled: see above")
            return
        build_data["pure_python"], build_data["infer_tag"] = False, True
        if self.target_name == "wheel" and "editable" not in version:
            for library in [*_libraries(self._source), _group(self._source)]:
                build_data["force_include"][str(library)] = str(library.relative_to(self._source))

    @property
    def _source(self) -> Path:
        return Path(self.root) / SOURCE


def modules(source: Path) -> list[Path]:
    """The files that are compiled."""
    return [
        source / folder / f"{name}.py"
        for folder, names in HOT_PATH.items()
        for name in names.split()
    ]


def compile_hot_path(source: Path) -> bool:
    """Compile in a process of its own, so that a failure leaves everything interpreted."""
    remove_compiled(source)
    build = source.parent / "build"
    command = [sys.executable, __file__, str(source), str(build)]
    done = subprocess.run(command, cwd=source, check=False)  # noqa: S603 - our own arguments
    shutil.rmtree(build, ignore_errors=True)
    if done.returncode:
        remove_compiled(source)
    return done.returncode == 0


def remove_compiled(source: Path) -> None:
    """Leave the hot path interpreted."""
    for library in [*_libraries(source), _group(source)]:
        library.unlink(missing_ok=True)


def _libraries(source: Path) -> list[Path]:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    return [module.with_suffix(suffix) for module in modules(source)]


def _group(source: Path) -> Path:
    return source / f"{GROUP}__mypyc{sysconfig.get_config_var('EXT_SUFFIX')}"


def _is_fresh(source: Path) -> bool:
    """Whether all are compiled, and no source has changed since."""
    libraries = [*_libraries(source), _group(source)]
    if not all(library.exists() for library in libraries):
        return False
    oldest = min(library.stat().st_mtime for library in libraries)
    return all(module.stat().st_mtime <= oldest for module in modules(source))


def _can_compile() -> bool:
    if os.environ.get("CROSSMODEL_PURE") or sys.implementation.name != "cpython":
        return False
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return header.exists() and any(shutil.which(each) for each in (compiler, "cc"))


def _build(source: Path, build: Path) -> None:
    """What the process does."""
    from mypyc.build import mypycify  # noqa: PLC0415 - only there when something is compiled
    from setuptools import setup  # noqa: PLC0415

    files = [str(module.relative_to(source)) for module in modules(source)]
    options = ["--strict", "--ignore-missing-imports", "--follow-imports=silent"]
    extensions = mypycify(
        [*options, *files], opt_level="2", debug_level="0", group_name=GROUP, target_dir=str(build)
    )
    setup(
        name=GROUP,
        ext_modules=extensions,
        script_args=["-q", "build_ext", "--inplace", "--build-temp", str(build)],
    )


if __name__ == "__main__":
    _build(Path(sys.argv[1]), Path(sys.argv[2]))
