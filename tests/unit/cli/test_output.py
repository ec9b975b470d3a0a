import io
import json

from regent_operator.cli.output import Invitation, Progress, visible

INVITATION = Invitation("shop/helper", "http://127.0.0.1:8080", "shop/visitor", "aaa.bbb.ccc", admitted=True)


def test_progress_goes_to_stderr_and_invitations_to_stdout() -> None:
    err, out = io.StringIO(), io.StringIO()
    progress = Progress(err, out)

    progress.say("starting")
    progress.fail("one\ntwo")
    progress.show(INVITATION, "json")

    assert err.getvalue() == "starting\nerror: one\nerror: two\n"
    assert json.loads(out.getvalue()) == {
        "agent": "shop/helper",
        "endpoint": "http://127.0.0.1:8080",
        "caller": "shop/visitor",
        "token": "aaa.bbb.ccc",
        "admitted": True,
    }


def test_a_note_is_said_once_however_often_the_manifests_are_read() -> None:
    err = io.StringIO()
    progress = Progress(err, io.StringIO())

    progress.note("a", "b")
    progress.note("a", "c")

    assert err.getvalue() == "a\nb\nc\n"


def test_a_caller_who_is_not_let_in_is_told_what_to_expect() -> None:
    out = io.StringIO()

    Progress(io.StringIO(), out).show(Invitation("a/b", "http://x", "a/c", "t", admitted=False), "text")

    assert out.getvalue().startswith("# a/b, as ServiceAccount a/c (whom its policies do not let in: expect 403)\n")


def test_colours_are_for_terminals_alone() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    err = Terminal()
    Progress(err, io.StringIO()).fail("no")

    assert err.getvalue() == "\x1b[31merror: no\x1b[0m\n"


def test_what_it_says_does_not_steer_the_terminal() -> None:
    err = io.StringIO()
    Progress(err).fail("a\x1b[2Jb")
    assert err.getvalue() == "error: a\\u001b[2Jb\n"


def test_what_people_write_with_stays_for_a_terminal() -> None:
    written = "می\u200cخواهم\n\t\U0001f469\u200d\U0001f680"
    assert visible(written + "\u202e\x07") == written + "\\u202e\\u0007"
