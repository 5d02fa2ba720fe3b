"""Templates of people's own: known names alone, filled so that JSON stays JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.template import filled, filled_text, names_in, text_of, unknown_names
from monitor.errors import UsageError

VALUES = {"id": "ret_1", "model": 'a "b" {{ id }}', "evidence": {"rows": [1, None]}, "incident": None, "n": 3}


@pytest.mark.parametrize(
    ("template", "meant"),
    [
        ("{{ id }}", "ret_1"),
        ("{{id}}", "ret_1"),
        (" {{  id  }} ", "ret_1"),
        ("run {{ id }}/{{ n }}", "run ret_1/3"),
        ("{{ evidence }}", {"rows": [1, None]}),
        ("all: {{ evidence }}", 'all: {"rows":[1,null]}'),
        ("{{ incident }}", None),
        ("of {{ incident }}.", "of ."),
        ("{{ model }}", 'a "b" {{ id }}'),
        ("m={{ model }}", 'm=a "b" {{ id }}'),
        ({"a": ["{{ n }}", {"{{ id }}": "{{ id }}"}], "b": 1, "c": None}, {"a": [3, {"{{ id }}": "ret_1"}], "b": 1, "c": None}),
        ("plain", "plain"),
        ("{ id } {{}", "{ id } {{}"),
    ],
)
def test_placeholders_are_filled_and_values_are_no_templates(template: object, meant: object) -> None:
    assert filled(template, VALUES) == meant


def test_a_text_stays_a_text() -> None:
    assert (filled_text("{{ n }}", VALUES), filled_text("{{ incident }}", VALUES)) == ("3", "")
    assert text_of({"a": "µ"}) == '{"a":"µ"}'


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ ident }}", "unknown placeholder {{ ident }}; known: id, model"),
        (["{{ b }}", {"x": "{{ a }} {{ id }}"}], "unknown placeholder {{ a }}, {{ b }}; known: id, model"),
        ("{{ id.__class__ }}", "unknown placeholder {{ id.__class__ }}; known: id, model"),
        ("{{ }}", "unknown placeholder {{  }}; known: id, model"),
        ("{{ id }}", ""),
    ],
)
def test_what_is_unknown_is_named_with_what_is_known(template: object, said: str) -> None:
    assert unknown_names(template, ("model", "id")) == said
    if said:
        with pytest.raises(UsageError, match="unknown placeholder"):
            filled(template, {"id": "1", "model": "m"})


def test_names_are_told_in_their_order() -> None:
    assert list(names_in({"a": "{{ z }} {{ y }}", "b": ["{{ x }}"], "c": 4})) == ["z", "y", "x"]


LEAVES = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)), st.text())
def test_whatever_is_filled_in_the_result_is_the_same_json(value: object, text: str) -> None:
    made = filled({"alone": "{{ v }}", "within": "a {{ t }} b"}, {"v": value, "t": text})
    again = json.loads(json.dumps(made))
    assert again["alone"] == json.loads(json.dumps(value))
    assert again["within"] == f"a {text} b"
