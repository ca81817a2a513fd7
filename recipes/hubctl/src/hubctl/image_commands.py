"""``hubctl image``: images of users' servers."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from hubctl import checksum, image_check, images, kernels, tables
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import load

app = typer.Typer(
    help="Loads, lists and checks the images that users can choose.\n\nExample: hubctl image list",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="For programs.")]

_LOAD_SECONDS = 1800
"""Docker answers only when everything is unpacked."""

_PIECE = 2**20


@app.command("load")
def load_file(
    file: Annotated[
        Path, typer.Argument(help="As `docker save` writes it; .tar, .tar.gz or .tar.zst.", metavar="FILE")
    ],
) -> None:
    """Give an image file to Docker. Where FILE.sha256 lies beside it, the file is checked first.

    Example: hubctl image load hub-notebook-image.tar.zst
    """
    checksum.check(file)
    with images.engine(_LOAD_SECONDS) as client:
        names = images.load(client, _content(file), file.name)
    for name in names:
        print(f"loaded {name}")


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """Show the images of hub.yaml: whether Docker has them, their size, when they were built, what is in them.

    Example: hubctl image list --json
    """
    layout = Layout.current()
    settings = load(layout.settings)
    with images.engine() as client:
        rows = [(offered, images.find(layout, client, offered.image)) for offered in settings.docker.images]
    if as_json:
        entries = [
            {"name": offered.name, "image": offered.image, "found": dataclasses.asdict(found) if found else None}
            for offered, found in rows
        ]
        print(json.dumps(entries, indent=2))
        return
    tables.show(("name", "image", "found"), [(offered.name, offered.image, _words(found)) for offered, found in rows])


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A name from hub.yaml, or what Docker calls it.", metavar="NAME")],
    as_json: Json = False,
) -> None:
    """Run an image once, as an unknown user without network, and say whether it can be a user's server.

    What is found is remembered: an image with PySpark gets the PySpark kernels from then on.

    Example: hubctl image check hubforge/notebook
    """
    layout = Layout.current()
    settings = load(layout.settings)
    reference = next((offered.image for offered in settings.docker.images if offered.name == name), name)
    with images.engine(image_check.SECONDS) as client:
        image = images.find(layout, client, reference)
        if image is None:
            raise HubError(f"Docker has no image {reference}", "load it: hubctl image load FILE")
        findings = image_check.check(layout, client, image)
    if as_json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        tables.show(("", "found"), [("good" if finding.good else "BAD", finding.text) for finding in findings])
    if not all(finding.good for finding in findings):
        raise HubError(f"{reference} can't be a user's server", "mend what is marked BAD, then check it again")


@app.command("kernels")
def render_kernels(
    check: Annotated[bool, typer.Option("--check", help="Only say what is not as it should be.")] = False,
) -> None:
    """Write the PySpark kernels that hub.yaml asks for. `hubctl setup` and every start of a server do it, too.

    With --check: exit code 1 when something is not as it should be. With `spawner: local` there are none to write.

    Example: hubctl image kernels
    """
    layout = Layout.current()
    settings = load(layout.settings)
    if settings.spawner == "local":
        print("With `spawner: local` users' servers are no containers: there are no kernels to write.")
        return
    changes = kernels.render(settings, layout, check)
    print("\n".join(changes) or "nothing changed")
    if check and changes:
        raise typer.Exit(1)


def _words(image: images.Image | None) -> str:
    if image is None:
        return "not here: hubctl image load FILE"
    text = f"{image.size / 1e6:.0f} MB, built {image.created[:10]}"
    if image.facts is None:
        return f"{text}, never checked: hubctl image check NAME"
    contents = [f"{name} {number}" for name, number in dataclasses.asdict(image.facts).items() if number]
    return f"{text}, {', '.join(contents) or 'no jupyterhub'}"


def _content(file: Path) -> Iterator[bytes]:
    """The file for Docker, piece by piece. Docker itself reads tar and gzip; zstd only from version 23 on."""
    import zstandard

    with checksum.opened(file) as raw:
        content: Any = zstandard.ZstdDecompressor().stream_reader(raw) if file.suffix == ".zst" else raw
        try:
            while piece := content.read(_PIECE):
                yield piece
        except zstandard.ZstdError as error:
            raise HubError(f"{file} is damaged: {error}", "copy it to this server again") from None
