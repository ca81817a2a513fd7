"""What the steps say, in the language of whoever runs them: ``en.py``, and another language with the same keys."""

import os
import re

from post_install.messages import en, ru

LANGUAGES = {"en": en.MESSAGES, "ru": ru.MESSAGES}


def message(key: str, /, **values: object) -> str:
    """A message, with its values in it."""
    return LANGUAGES[language()][key].format(**values)


def language() -> str:
    """Russian where the locale asks for it and can show it, else English: as the installer's header chooses."""
    asked, shown = _first("LC_ALL", "LC_MESSAGES", "LANG"), _first("LC_ALL", "LC_CTYPE", "LANG")
    russian = re.match(r"ru(?:$|[_.@])", asked) and re.search("utf-?8", shown, re.IGNORECASE)
    return "ru" if russian else "en"


def _first(*names: str) -> str:
    """The first of these variables that is not empty."""
    return next((value for name in names if (value := os.environ.get(name))), "")
