"""Who may write: the bearer of the configured token. Reading needs none."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from monitor.errors import Retryable
from monitor.web.errors import Refused

TokenSource = Callable[[], str | None]
"""Gives the token at each use, so that a rotated file counts at once; None: writing is switched off."""


def no_token() -> str | None:
    """Writing over HTTP is switched off."""
    return None


def authorize(header: str | None, *sources: TokenSource) -> None:
    """One of the tokens will do. Raises Refused: 403 when writing is switched off, 401 when ``Authorization`` does not bear a token,
    503 when one cannot be read."""
    try:
        tokens = [token for source in sources if (token := source())]
    except Retryable as error:
        raise Refused(503, "token_unavailable", f"the token cannot be read now: {error}") from None
    if not tokens:
        raise Refused(403, "writing_is_off", "changes over HTTP are switched off: no token is configured",
                      hint="set http.token_file in the configuration, or use the driftd command")
    scheme, _, given = (header or "").partition(" ")
    good = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in tokens]  # all of them: how many takes as long
    if scheme.lower() != "bearer" or not any(good):
        raise Refused(401, "unauthorized", "the request does not bear the right token",
                      hint="send the header 'Authorization: Bearer <token>'", headers={"WWW-Authenticate": 'Bearer realm="driftd"'})
