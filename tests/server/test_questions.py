"""What is asked before something is changed."""

import io

import pytest
from hubctl import questions
from hubctl.errors import HubError


def test_a_question_that_nobody_is_there_to_answer_ends_with_what_answers_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(HubError, match="give --yes, or run it in a terminal"):
        questions.confirm("Go on?", default=True, abort=True)
