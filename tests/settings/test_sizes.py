"""Sizes of memory in the file."""

from __future__ import annotations

import pytest

from monitor.settings.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MiB", 512 * 2**20), (" 1 GiB ", 2**30), ("1.5GiB", 3 * 2**29), ("800MB", 800_000_000), ("300000KB", 300_000_000)],
)
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("value", ["", "512", "512 mib", "-1GiB", "1e3MiB", "9" * 400 + "MiB", 536870912, True, None, ["1GiB"]])
def test_what_is_no_size_is_told_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match=r"is not a size; expected a number and a unit \(MB, GB, MiB, GiB\), e\.g\. 512MiB"):
        parse_size(value)


@pytest.mark.parametrize("text", ["255MiB", "0GiB", "1025GiB"])
def test_a_size_beyond_reason_is_told_with_the_bounds(text: str) -> None:
    with pytest.raises(ValueError, match="out of range; expected 256MiB to 1024GiB"):
        parse_size(text)
