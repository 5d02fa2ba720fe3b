"""How sure a look at a window must be whose labels are still coming, so that all looks together keep to its share of false alarms.

A window is judged at every revision, as often as labels come: the same rows and some more. With the labelled share ``s`` of its rows the
sum of what they say moves as a Brownian motion does, which crosses ``c`` at some time up to 1 with probability ``2 Φ(-c)`` (the reflection
principle). So a look at share ``s`` alerts from ``c / √s`` standard errors on, with ``2 Φ(-c) = α``: the limit of O'Brien and Fleming
(1979, Biometrics 35) for any number of looks at any times, which is how Lan and DeMets (1983, Biometrika 70) spend. No look needs to
know of the others. What looks have in common (the reference's own error, what windows vary by) makes them more alike than that, and
so cross less often (Slepian's inequality).
"""

from __future__ import annotations

import math

from scipy import special

BEFORE_LABELS = 0.5
"""Of a window's share, where labels will come: what the estimate may spend; the rest is for the labels."""
SMALLEST = 1e-12
"""Below it quantiles of Student's distribution are no numbers; so little is spent in no number of looks."""


def level_at(alpha: float, share: float, *, last: bool) -> float:
    """The chance of a false alarm that one look may have, of ``alpha`` that all looks at the window may have together.

    ``share``: of the window's rows, those with a label, within [0, 1]. ``last``: nothing more will come, so what the earlier looks
    cannot have spent is left for this one.
    """
    share = min(max(share, 0.0), 1.0)
    if not share:
        return SMALLEST
    look = float(special.ndtr(special.ndtri(alpha / 2) / math.sqrt(share)))
    return max(look, alpha - 2 * look if last else 0.0, SMALLEST)
