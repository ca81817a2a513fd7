"""What single wheels get wrong for our servers, and what is done about it."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from forge.errors import ForgeError

_ICONS = "share/jupyterhub/static/components/@fortawesome/fontawesome-free"

LEFT_OUT: Mapping[str, tuple[str, ...]] = {
    # Compiled for glibc 2.34, though the wheel is tagged for any platform. It serves `debugpy --pid` alone, which
    # needs gdb on the server too; debugging from JupyterLab does without.
    "debugpy": ("debugpy/_vendored/pydevd/pydevd_attach_to_process/attach_linux_amd64.so",),
    # Of seven files that an installation would write, six are icons of Font Awesome, each drawn twice as a file of its
    # own, then in sprites and tables. The pages name its style sheets, and these its web fonts: they stay.
    "jupyterhub": tuple(f"{_ICONS}/{name}/*" for name in ("metadata", "sprites", "sprites-full", "svgs", "svgs-full")),
}
"""Files of a project's wheel that are not packaged, as patterns of fnmatch (a star stands for folders, too)."""

_LAZY_PARSER = b"""\
def make_syntax_validator(rule_name):
    @cache
    def parser():
        return Lark(grammar, start=rule_name, parser=RFC3987_SYNTAX_PARSER_TYPE)

    def syntax_validator(text):
        try:
            parser().parse(text)
"""

_EAGER_PARSER = b"""\
def make_syntax_validator(rule_name):
    parser = Lark(grammar, start=rule_name, parser=RFC3987_SYNTAX_PARSER_TYPE)

    def syntax_validator(text):
        try:
            parser.parse(text)
"""

_CONFIGURATION_OF_THE_FOLDER = b"""\
    config_file = Unicode('jupyterhub_config.py', help="The config file to load").tag(
        config=True
    )
"""

_CONFIGURATION_OF_THE_ENVIRONMENT = b"""\
    config_file = Unicode(
        help="The config file to load: jupyterhub_config.py of this folder, else of the environment"
    ).tag(config=True)

    @default("config_file")
    def _default_config_file(self):
        here = "jupyterhub_config.py"
        ours = os.path.join(sys.prefix, here)
        # a new file, for which somebody asks, is made in this folder
        return here if self.generate_config or os.path.isfile(here) or not os.path.isfile(ours) else ours
"""

REPLACED: Mapping[str, Mapping[str, tuple[tuple[bytes, bytes], ...]]] = {
    # Every Jupyter server imports it, by jupyterhub, jupyter_events and jsonschema, for one function. The parsers for
    # all others, which nobody calls, take a second to make: half of what a user's server needs to start.
    "rfc3987-syntax": {
        "rfc3987_syntax/syntax_helpers.py": (
            (b"from pathlib import Path\n", b"from functools import cache\nfrom pathlib import Path\n"),
            (_EAGER_PARSER, _LAZY_PARSER),
        )
    },
    # Without `-f` it reads the folder that it is typed in, and in any other one starts another hub: over plain http,
    # with a database of its own. The same holds for `jupyterhub token` and `jupyterhub upgrade-db`.
    "jupyterhub": {"jupyterhub/app.py": ((_CONFIGURATION_OF_THE_FOLDER, _CONFIGURATION_OF_THE_ENVIRONMENT),)},
}
"""What is another text in a project's package than in its wheel, by file: old and new."""

_LICENSES = Path(__file__).with_name("licenses")


def licenses(project: str) -> dict[str, bytes]:
    """Licence texts that upstream leaves out of the wheel, by file name; ``licenses/PROJECT/`` holds them."""
    return {path.name: path.read_bytes() for path in sorted((_LICENSES / project).glob("*"))}


def is_left_out(project: str, file: str) -> bool:
    """Whether a wheel's file is not packaged."""
    return any(fnmatchcase(file, pattern) for pattern in LEFT_OUT.get(project, ()))


def amended(project: str, file: str, content: bytes) -> bytes:
    """The content that a wheel's file has in the package.

    Raises:
        ForgeError: it does not hold what was to be replaced.
    """
    for old, new in REPLACED.get(project, {}).get(file, ()):
        if content.count(old) != 1:
            raise ForgeError(
                f"{file} of {project} is not what forge/wheels/amendments.py replaces a part of.",
                "Look whether this version still needs that.",
            )
        content = content.replace(old, new)
    return content
