"""The paper of a picture: inches instead of shares of a figure, texts that fit, no text that is obeyed. Runs in the worker only.

matplotlib reads ``$`` as the beginning of mathematics: names of columns come from logs, so that is turned off, everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO

from matplotlib import font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

WIDTH = 8.0
"""Inches."""
DOTS = 150
"""An inch: 1,200 pixels in all, shown as 800 or less."""
POINTS = 72
"""An inch."""
MAIN_FONT = "DejaVu Sans"
MORE_FONTS = (
    "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "IPAGothic", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai",
)
"""For letters that the first has not, where they are installed."""
UNKNOWN = "\N{WHITE VERTICAL RECTANGLE}"
"""Stands for a letter that no font has."""
LINE = 1.25
"""Height of a line, times the size of its letters."""

INK, FAINT, RULE = "#1d1c1d", "#616061", "#dddddd"
REFERENCE_FILL, REFERENCE_LINE = "#d5d8dc", "#7f868e"
NOW = "#0072b2"
BAD = "#d55e00"
"""Blue and vermilion of Okabe and Ito, which the colour-blind tell apart, also in grey."""


class Sheet:
    """A white sheet, so many inches high. Places are inches from its upper left corner."""

    def __init__(self, height: float) -> None:
        self.height = height
        self._figure = Figure(figsize=(WIDTH, height), dpi=DOTS, facecolor="white")
        self._renderer: RendererAgg = FigureCanvasAgg(self._figure).get_renderer()  # type: ignore[no-untyped-call]  # it has no types

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """An empty place to draw in, without frame and ticks."""
        box = (left / WIDTH, 1 - (top + height) / self.height, max(width, 0.1) / WIDTH, max(height, 0.1) / self.height)
        made = self._figure.add_axes(box)
        made.set_axis_off()
        return made

    def text(self, left: float, top: float, text: str, size: float, *, colour: str = INK, bold: bool = False, align: str = "left") -> None:
        """One line, whose upper edge is at ``top``."""
        self._figure.text(left / WIDTH, 1 - top / self.height, known(text), fontsize=size, color=colour, ha=align, va="top",
                          weight="bold" if bold else "normal")

    def block(self, left: float, top: float, text: str, size: float, *, width: float, lines: int, colour: str = INK,
              bold: bool = False) -> float:
        """A text on so many lines at most; where the next thing may begin."""
        for line in self.wrapped(text, size, width, lines, bold=bold):
            self.text(left, top, line, size, colour=colour, bold=bold)
            top += size * LINE / POINTS
        return top

    def width_of(self, text: str, size: float, *, bold: bool = False) -> float:
        """Inches."""
        style = FontProperties(family=fonts(), size=size, weight="bold" if bold else "normal")
        width, _, _ = self._renderer.get_text_width_height_descent(  # type: ignore[no-untyped-call]  # it has no types
            known(text) or " ", style, ismath=False)
        return float(width) / DOTS

    def wrapped(self, text: str, size: float, width: float, lines: int, *, bold: bool = False) -> list[str]:
        """Lines of no more than so many inches; what has no room is cut."""
        found: list[str] = []
        rest = text.strip()
        while rest and len(found) < lines:
            kept = self._fits(rest, size, width, bold)
            if kept == len(rest):
                return [*found, rest]
            if len(found) == lines - 1:
                return [*found, self.cut(rest, size, width, bold=bold)]
            at = rest.rfind(" ", 1, kept + 1)
            at = at if at > kept // 2 else max(kept, 1)
            found.append(rest[:at].rstrip())
            rest = rest[at:].lstrip()
        return found

    def cut(self, text: str, size: float, width: float, *, bold: bool = False) -> str:
        """Within so many inches."""
        kept = self._fits(text, size, width, bold)
        if kept == len(text):
            return text
        return text[: self._fits(text, size, width - self.width_of("…", size, bold=bold), bold)].rstrip() + "…"

    def _fits(self, text: str, size: float, width: float, bold: bool) -> int:
        """So many characters of it do."""
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.width_of(text[:middle], size, bold=bold) <= width else (low, middle - 1)
        return low

    def png(self) -> bytes:
        """As it is now."""
        stream = BytesIO()
        self._figure.savefig(stream, format="png", dpi=DOTS, facecolor="white", metadata={"Software": None})
        return stream.getvalue()


@contextmanager
def plain_texts() -> Iterator[None]:
    """Within it a text is drawn as it is, whatever is in it and however matplotlib was set up."""
    with rc_context({"text.parse_math": False, "text.usetex": False, "font.family": fonts()}):
        yield


@cache
def fonts() -> list[str]:
    """The main one, and of the others those that are there."""
    there = set(font_manager.get_font_names())
    return [MAIN_FONT, *(name for name in MORE_FONTS if name in there)]


@cache
def _letters() -> frozenset[int]:
    """Those that some font has."""
    found: set[int] = set()
    for name in fonts():
        found |= set(font_manager.get_font(font_manager.findfont(FontProperties(family=[name]))).get_charmap())
    return frozenset(found)


def known(text: str) -> str:
    """With a box for each letter that no font has."""
    return "".join(letter if ord(letter) in _letters() else UNKNOWN for letter in text)
