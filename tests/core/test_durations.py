import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain.durations import GO_LIMIT, MINUTE, SECOND, format_duration, parse_duration

LONGEST = GO_LIMIT - 1


@pytest.mark.parametrize(
    ("text", "nanoseconds", "canonical"),
    [
        ("0", 0, "0s"),
        ("-0", 0, "0s"),
        ("+0s", 0, "0s"),
        ("1m", MINUTE, "1m0s"),
        ("60s", MINUTE, "1m0s"),
        ("1m0s", MINUTE, "1m0s"),
        ("1h", 60 * MINUTE, "1h0m0s"),
        ("100h", 6000 * MINUTE, "100h0m0s"),
        ("1h1h", 120 * MINUTE, "2h0m0s"),
        ("1h30m0.5s", 90 * MINUTE + SECOND // 2, "1h30m0.5s"),
        ("1.s", SECOND, "1s"),
        (".5s", SECOND // 2, "500ms"),
        ("-.5s", -SECOND // 2, "-500ms"),
        ("+5m", 5 * MINUTE, "5m0s"),
        ("-1h2s", -60 * MINUTE - 2 * SECOND, "-1h0m2s"),
        ("1.5ms", 1_500_000, "1.5ms"),
        ("1us", 1_000, "1µs"),
        ("1\N{MICRO SIGN}s", 1_000, "1µs"),
        ("1\N{GREEK SMALL LETTER MU}s", 1_000, "1µs"),
        ("1.1ns", 1, "1ns"),
        ("0.000000000000000000001h", 0, "0s"),
        ("0.3333333333333333333h", 20 * MINUTE, "20m0s"),  # Go multiplies as floating point
        ("0.100000000000000000000h", 6 * MINUTE, "6m0s"),
        ("9223372036854775.807us", LONGEST, "2562047h47m16.854775807s"),
        ("9223372036854775807ns", LONGEST, "2562047h47m16.854775807s"),
        ("-9223372036854775808ns", -GO_LIMIT, "-2562047h47m16.854775808s"),
    ],
)
def test_reads_and_writes_as_go_does(text: str, nanoseconds: int, canonical: str) -> None:
    """What Go accepts means the same here, and is written in the same canonical form."""
    assert nanoseconds == parse_duration(text)
    assert canonical == format_duration(nanoseconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "+",
        ".",
        "3",
        "1.5",
        "s",
        ".s",
        "--1s",
        "1 s",
        " 1s",
        "1s ",
        "1 day",
        "1d",
        "1h30",
        "1e3s",
        "\N{ARABIC-INDIC DIGIT ONE}s",
        "PT1M",
    ],
)
def test_refuses_what_go_refuses(text: str) -> None:
    """A text that Go would not read is an error that says what would be right."""
    with pytest.raises(ValueError, match="such as"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", ["9223372036854775808ns", "-9223372036854775809ns", "2562048h", "9223372036854775.808us"]
)
def test_refuses_more_than_64_bits(text: str) -> None:
    """A duration beyond 292 years is an error, as in Go."""
    with pytest.raises(ValueError, match="too long"):
        parse_duration(text)


@given(st.integers(-GO_LIMIT, LONGEST))
def test_round_trip(nanoseconds: int) -> None:
    """Every duration survives being written and read."""
    assert nanoseconds == parse_duration(format_duration(nanoseconds))


@given(st.text())
def test_never_fails_otherwise(text: str) -> None:
    """Any text is a duration or a ValueError."""
    try:
        parse_duration(text)
    except ValueError as error:
        assert "duration" in str(error)  # noqa: PT017 - either outcome is right
