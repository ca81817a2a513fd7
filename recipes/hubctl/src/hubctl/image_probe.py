"""Runs inside an image, with its Python, and prints on one line what is there. Standard library only at the top."""

import json
import os
import shutil
import subprocess
from importlib import metadata


def _version(project: str) -> str:
    try:
        return metadata.version(project)
    except metadata.PackageNotFoundError:
        return ""


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    program = shutil.which(os.path.join(home, "bin", "java") if home else "java")  # noqa: PTH118
    if program is None:
        return ""
    said = subprocess.run([program, "-version"], capture_output=True, text=True).stderr
    words = said.split('"')
    return words[1] if len(words) > 1 else ""


def _kernel() -> str:
    """What goes wrong when a cell is run in a new kernel; empty when nothing does."""
    try:
        from jupyter_client.manager import start_new_kernel

        manager, client = start_new_kernel(kernel_name="python3", startup_timeout=90)
        try:
            reply = client.execute_interactive("assert 6 * 7 == 42", timeout=60)
        finally:
            manager.shutdown_kernel(now=True)
    except Exception as error:
        return repr(error)
    return "" if reply["content"]["status"] == "ok" else str(reply["content"])


def _kernels() -> list:  # type: ignore[type-arg]  # read by older Pythons, too
    try:
        from jupyter_client.kernelspec import KernelSpecManager
    except ImportError:
        return []
    return sorted(KernelSpecManager().find_kernel_specs())


print(
    json.dumps(
        {
            "jupyterhub": _version("jupyterhub"),
            "singleuser": shutil.which("jupyterhub-singleuser") or "",
            "pyspark": _version("pyspark"),
            "java": _java(),
            "klist": shutil.which("klist") or "",
            "kernels": _kernels(),
            "kernel": _kernel(),
        }
    )
)
