"""A statement as one HTML page to read and to print: no script, nothing from elsewhere, light and dark."""

from collections.abc import Sequence
from decimal import Decimal
from html import escape
from math import ceil, floor, log10
from typing import Final

from cryptopulse.domain.portfolios import Currency
from cryptopulse.domain.statements import Column, Figure, Kind, Statement, Table, Value, moment, shown

CONTENT_SECURITY_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""What the page needs, so that nothing else can happen in it."""
_TEXTS: Final[frozenset[Kind]] = frozenset(("text", "month", "day", "time"))
_WIDTH, _HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 12, 12, 28
_STEPS: Final = (1, 2, 2.5, 5, 10)
_TICKS: Final = 5

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #5f6b7a; --line: #d5dae1; --ground: #fff; --band: #f4f6f9;
  --value: #0b62c4; --paid: #b35900; --loss: #b3261e }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebef; --faint: #9aa5b4; --line: #39414d; --ground: #14171b; --band: #1d2127;
    --value: #6cb2ff; --paid: #ffb25c; --loss: #ff8a80 } }
@media print {
  :root { color-scheme: light; --ink: #000; --faint: #444; --line: #bbb; --ground: #fff; --band: #f4f4f4;
    --value: #0b62c4; --paid: #b35900; --loss: #b3261e } }
@page { size: A4 landscape; margin: 14mm }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1200px; padding: 2rem 1.25rem; background: var(--ground); color: var(--ink);
  font: 14px/1.45 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.7rem; overflow-wrap: anywhere }
h2 { margin: 2.2rem 0 .6rem; font-size: 1.1rem; break-after: avoid }
.about, p, figcaption { color: var(--faint) }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .5rem; margin: 0 }
.figures div { background: var(--band); border-radius: 6px; padding: .5rem .7rem; break-inside: avoid }
dt { color: var(--faint); font-size: .85rem }
dd { margin: 0; font-size: 1.05rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums }
th, td { padding: .28rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line) }
th { color: var(--faint); font-weight: 600; border-bottom-width: 2px }
thead { display: table-header-group }
tr { break-inside: avoid }
.t { text-align: left }
td bdi { white-space: normal; overflow-wrap: anywhere }
.minus { color: var(--loss) }
tfoot td { font-weight: 600; border-top: 2px solid var(--line) }
figure { margin: 1rem 0 0; break-inside: avoid }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: var(--faint) }
svg path, svg line { fill: none; stroke: var(--line); stroke-width: 1 }
svg .value { stroke: var(--value); stroke-width: 2 }
svg .paid { stroke: var(--paid); stroke-width: 2; stroke-dasharray: 6 4 }
b.value { color: var(--value) }
b.paid { color: var(--paid) }
@media print { body { padding: 0; max-width: none; font-size: 10px } .wide { overflow: visible } }
"""


def page(statement: Statement) -> bytes:
    """The page, in UTF-8. A number shown rounded carries the exact one in the `value` of its `data` element."""
    title, base = f"{statement.title}, {statement.year}", statement.base
    parts = [
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n',
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n</head>\n<body>\n',
        f'<header><h1><bdi>{escape(statement.title)}</bdi></h1>\n<p class="about">Statement of {statement.year}</p>',
        f"{_figures(statement.about, base)}</header>\n",
        f"<section><h2>Performance</h2>{_figures(statement.performance, base)}{_chart(statement)}</section>\n",
        f"<section><h2>Realised</h2>{_figures(statement.realised, base)}</section>\n",
        *(_section(table, base) for table in statement.tables),
        "<section><h2>Notes</h2>",
        *(f"<p>{escape(note)}</p>" for note in statement.notes),
        "</section>\n</body>\n</html>\n",
    ]
    return "".join(parts).encode()


def _figures(figures: Sequence[Figure], base: Currency) -> str:
    inner = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{_value(value, kind, base)}</dd></div>" for name, kind, value in figures
    )
    return f'<dl class="figures">{inner}</dl>'


def _section(table: Table, base: Currency) -> str:
    head = "".join(f'<th scope="col"{_side(column)}>{escape(column.title)}</th>' for column in table.columns)
    body = "".join(_row(row, table.columns, base) for row in table.rows)
    if not table.rows:
        return f"<section><h2>{table.name}</h2><p>None.</p></section>\n"
    foot = f"<tfoot>{_row(table.totals, table.columns, base)}</tfoot>" if table.totals else ""
    told = f"<p>{table.cut}</p>" if table.cut else ""
    return (
        f'<section><h2>{table.name}</h2>{told}<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody>{foot}</table></div></section>\n"
    )


def _row(row: tuple[Value, ...], columns: Sequence[Column], base: Currency) -> str:
    cells = (
        f"<td{_side(column)}>{_value(value, column.kind, base)}</td>"
        for value, column in zip(row, columns, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def _side(column: Column) -> str:
    return ' class="t"' if column.kind in _TEXTS else ""


def _value(value: Value, kind: Kind, base: Currency) -> str:
    text = escape(shown(value, kind, base))
    if isinstance(value, str):
        return f"<bdi>{text}</bdi>"
    if not isinstance(value, Decimal):
        return text or "–"
    sign = ' class="minus"' if value < 0 else ""
    is_exact = kind != "ratio" and Decimal(text.replace(",", "")) == value
    return f"<span{sign}>{text}</span>" if is_exact else f'<data{sign} value="{value:f}">{text}</data>'


# --- the chart ---


def _chart(statement: Statement) -> str:
    """Value, and start and contributions, day by day, as inline SVG."""
    days, values, contributions = _series(statement.days)
    if len(days) < 2:
        return ""
    low, high = min(0.0, *values, *contributions), max(0.0, *values, *contributions)
    if low == high:
        return ""
    step = _step((high - low) / _TICKS)
    low, high = floor(low / step) * step, ceil(high / step) * step

    def x(day: int) -> float:
        return _LEFT + (day - days[0]) / (days[-1] - days[0]) * (_WIDTH - _LEFT - _RIGHT)

    def y(amount: float) -> float:
        return _HEIGHT - _BOTTOM - (amount - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def line(amounts: Sequence[float]) -> str:
        return "M" + "L".join(f"{x(day):.1f},{y(amount):.1f}" for day, amount in zip(days, amounts, strict=True))

    places = max(0, -floor(log10(step))) + (1 if 2 < step / 10 ** floor(log10(step)) < 3 else 0)
    grid = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,.{places}f}</text>'
        for tick in (low + number * step for number in range(round((high - low) / step) + 1))
    )
    months = "".join(
        f'<text x="{x(day):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{moment(day):%b}</text>'
        for day in days[1:-1]
        if moment(day).day == 1
    )
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Value and contributions by day">'
        f'{grid}{months}<path class="paid" d="{line(contributions)}"/><path class="value" d="{line(values)}"/></svg>'
        f'<figcaption><b class="value">Value</b> at the close of each day, and <b class="paid">what was there at the '
        f"start with net contributions</b> (dashed), in {statement.base}</figcaption></figure>"
    )


def _series(days: Table) -> tuple[list[int], list[float], list[float]]:
    """Days (Unix ms), values, and start and contributions, as the chart draws them."""
    return (
        [int(row[0] or 0) for row in days.rows],
        [float(row[1] or 0) for row in days.rows],
        [float(row[3] or 0) for row in days.rows],
    )


def _step(least: float) -> float:
    """The next round number."""
    scale: float = 10.0 ** floor(log10(least))
    return next(step * scale for step in _STEPS if step * scale >= least * (1 - 1e-9))
