"""How numbers are written, in tables of the command line, of reports and of the dashboard alike.

>>> count(2567463684), millions(372245000), giga(648.9e9), percent(-0.17)
('2,567,463,684', '372.25 M', '648.9 G', '−17.0 %')
>>> interval(-0.0024, -0.0038, -0.001)
'−0.0024 (−0.0038 … −0.0010)'
>>> decimals(2)(1234.5), count(None)
('1,234.50', '–')
"""

from collections.abc import Callable
from typing import Any

ABSENT = "–"


def count(value: Any) -> str:
    """Write an integer in groups of three digits; a dash for None."""
    return ABSENT if value is None else f"{value:,}"


def millions(value: Any) -> str:
    """Write a count in millions; a dash for None."""
    return ABSENT if value is None else f"{value / 1e6:,.2f} M"


def giga(value: Any) -> str:
    """Write a count in billions; a dash for None."""
    return ABSENT if value is None else f"{value / 1e9:,.1f} G"


def percent(value: Any) -> str:
    """Write a fraction as a signed percentage; a dash for None."""
    return ABSENT if value is None else f"{100 * value:+.1f} %".replace("-", "−")


def interval(value: float, low: float, high: float, digits: int = 4) -> str:
    """Write a change with its interval: −0.0024 (−0.0038 … −0.0010)."""
    one, least, most = (f"{v:+.{digits}f}".replace("-", "−") for v in (value, low, high))
    return f"{one} ({least} … {most})"


def decimals(digits: int) -> Callable[[Any], str]:
    """Return a writer of numbers with ``digits`` decimals; a dash for None."""
    return lambda value: ABSENT if value is None else f"{value:,.{digits}f}"
