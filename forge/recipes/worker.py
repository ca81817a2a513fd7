"""One recipe, built and tested in a process of its own. Usage: worker.py RECIPE VARIANTS CHANNEL OUTPUT.

Build scripts see this process's environment, so the caller decides what is in it. What is printed is the build's log.
The exit code is 1 when the build or one of the package's tests fails. It imports nothing of forge: build scripts must
not find forge on their path.
"""

import asyncio
import os
import resource
import sys
from pathlib import Path

from rattler.index import index_fs
from rattler_build import (
    EnvironmentIsolation,
    PlatformConfig,
    RattlerBuildError,
    RenderConfig,
    Stage0Recipe,
    ToolConfiguration,
    VariantConfig,
)

QUICK = "conda:1"
"""The compression of what is compressed again while it is normalised."""


class Log:
    """What py-rattler-build reports, as lines on standard output."""

    def on_download_start(self, event: object) -> None:
        """Nothing is downloaded: the channel is a folder."""

    def on_download_progress(self, event: object) -> None:
        """Nothing is downloaded."""

    def on_download_complete(self, event: object) -> None:
        """Nothing is downloaded."""

    def on_build_step(self, event: object) -> None:
        """A step has begun."""
        print(event, flush=True)

    def on_log(self, event: object) -> None:
        """A line of the build script, or of the builder itself."""
        print(getattr(event, "message", event), flush=True)


def build(recipe: Path, variants: Path, channel: Path, output: Path) -> None:
    """Builds every output of the recipe into ``output``, from the packages of ``channel`` alone, and runs its tests."""
    asyncio.run(index_fs(channel))
    rendered = Stage0Recipe.from_file(recipe / "recipe.yaml").render(
        VariantConfig.from_file(variants), RenderConfig(platform=PlatformConfig(target_platform="linux-64"))
    )
    for variant in rendered:
        variant.run_build(
            tool_config=ToolConfiguration(
                test_strategy="native", compression_threads=1, allow_symlinks_on_windows=True
            ),
            output_dir=output,
            channels=[channel.as_uri()],
            progress_callback=Log(),
            package_format=QUICK,
            no_build_id=True,
            no_include_recipe=True,
            env_isolation=EnvironmentIsolation.NONE,
        )


def main(arguments: list[str]) -> int:
    """The process's exit code."""
    recipe, variants, channel, output = map(Path, arguments)
    try:
        build(recipe, variants, channel, output)
    except RattlerBuildError as error:
        print(error, flush=True)
        return 1
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"CPU seconds: {used.ru_utime:.0f} user, {used.ru_stime:.0f} system")
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # the library's threads may crash an interpreter that takes itself down in order
