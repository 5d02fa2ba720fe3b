"""Texts given on the command line, by the API's rules: they are shown to people and stored, whoever wrote them."""

from __future__ import annotations

import typer


def name(text: str) -> str:
    """Who does something; empty: you."""
    from monitor.web.query import MAX_NAME, is_name

    if text and not is_name(text):
        raise typer.BadParameter(f"expected a name of 1 to {MAX_NAME} printable characters")
    return text.strip()


def sentence(text: str) -> str:
    """For people to read."""
    from monitor.web.body import MAX_DETAIL, is_text

    if not is_text(text, MAX_DETAIL):
        raise typer.BadParameter(f"expected a text of at most {MAX_DETAIL} characters")
    return text


def version(text: str) -> str:
    """What a trainer calls what it has made."""
    from monitor.web.body import MAX_VERSION, is_named

    if not is_named(text):
        raise typer.BadParameter(f"expected a name of 1 to {MAX_VERSION} printable characters")
    return text.strip()


def address(text: str) -> str:
    """A web address: the page links to it."""
    from monitor.web.body import is_url

    if not is_url(text):
        raise typer.BadParameter("expected an address like https://ci.example/runs/7")
    return text
