"""The page on reliability has the table of `rxbosbase.access.refusals`."""

from __future__ import annotations

from pathlib import Path

from rxbosbase.access.refusals import CONTROLS, Control, Kind

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
HEAD = "| question | refusal | it is the server's answer if |"
KINDS = {"a list": Kind.LIST, "one record": Kind.RECORD, "`auth-refresh`": Kind.LOGIN}
WORDS = {
    "always": Control.NOTHING,
    "`auth-refresh` is answered with 200": Control.LOGIN,
    "the collection's list, with `perPage=1` alone, is answered with 200": Control.LIST,
    "that list, or another, is answered with 200": Control.LIST,
    "that list, or another, is answered with 200, or all are refused and believed": (
        Control.ANY_LIST
    ),
    "the list of the login's own collection, of `users`, or of one that has topics is answered "
    "with 200": Control.LIST,
}


def rows_of_the_page() -> dict[tuple[Kind, int], list[Control]]:
    """Return the controls of the page: for a guest and for a login, or the same for both."""
    lines = PAGE.read_text(encoding="utf-8").partition(HEAD)[2].strip().splitlines()[1:]
    rows: dict[tuple[Kind, int], list[Control]] = {}
    kind = Kind.LIST
    for line in lines[: lines.index("")]:
        question, refusal, words = (cell.strip() for cell in line.strip("|").split("|"))
        if question == "any":
            break
        kind = KINDS.get(question.partition(":")[0], kind)
        statuses = refusal.partition(", with")[0].split(", ")
        for key in ((kind, int(status)) for status in statuses):
            same = rows[Kind.LIST, key[1]] if words == "as for a list" else [WORDS[words]]
            rows.setdefault(key, []).extend(same)
    return rows


def test_the_page_has_the_table_of_the_rules() -> None:
    """The table of docs/reliability.md has each refusal with its control question."""
    page = {key: tuple(words * 2)[:2] for key, words in rows_of_the_page().items()}
    assert page == CONTROLS
