"""The chart of a comparison: one panel of bars for each of the main figures."""

from __future__ import annotations

from benchmarks.load import svg
from benchmarks.load.contestants import CONTESTANTS
from benchmarks.load.scenarios import SCENARIOS, Figure
from benchmarks.load.stats import Table

WIDTH, COLUMNS, GAP = 880.0, 2, 24.0

PANELS = (
    ("echo1", "Echo, 1 in flight"),
    ("echo16", "Echo, 16 in flight"),
    ("broadcast", "Broadcast to 1,000 clients"),
    ("polling", "Echo over long-polling"),
    ("connect", "Connecting over WebSocket"),
    ("memory", "5,000 idle connections"),
)


def _items(table: Table, scenario: str, figure: Figure) -> list[svg.Bar]:
    items = []
    for name in table.contestants:
        contestant = CONTESTANTS.get(name)
        spread = table.get(name, scenario, figure.key)
        if contestant is not None and not contestant.is_bound and spread is not None:
            items.append(svg.Bar(contestant.short, spread.median, name.startswith("ours")))
    return sorted(items, key=lambda item: item.value, reverse=figure.more_is_better)


def chart(table: Table) -> str:
    """Return the picture; panels of which nothing was measured are left out."""
    panels = [(name, title) for name, title in PANELS if name in table.scenarios]
    filled = [(name, title, _items(table, name, SCENARIOS[name].figure)) for name, title in panels]
    width = (WIDTH - GAP * (COLUMNS - 1)) / COLUMNS
    height = max((svg.bars_height(len(items)) for _, _, items in filled), default=0.0)
    parts = []
    for index, (name, title, items) in enumerate(filled):
        row, column = divmod(index, COLUMNS)
        figure = SCENARIOS[name].figure
        unit = f"{figure.title}: {'more' if figure.more_is_better else 'less'} is better"
        parts += svg.bars(column * (width + GAP), row * height, width, title=title, unit=unit, items=items)
    rows = -(-len(filled) // COLUMNS)
    return svg.document(WIDTH, rows * height, parts, description="Socket.IO servers beside one another")
