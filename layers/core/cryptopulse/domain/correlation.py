"""Correlation: how prices move together, by the log returns between the times that all of them have."""

from collections.abc import Sequence
from functools import reduce
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cryptopulse.domain.analyses import Method
from cryptopulse.domain.technical import Floats, Rows
from cryptopulse.domain.volatility import log_ratio

CONSTANT: Final = 1e-14
"""Returns that differ by no more are the same but for the rounding of prices."""


def common(rows: Sequence[Rows]) -> tuple[list[int], Floats]:
    """The times that all have, oldest first, and the closes then: a line for each."""
    shared = reduce(np.intersect1d, [each.starts for each in rows])
    closes = [each.close[each.starts.searchsorted(shared)] for each in rows]
    return shared.tolist(), np.array(closes)


def correlation(closes: Floats, method: Method) -> Floats:
    """How log returns move together.

    Args:
        closes: Above 0, at the same times: a line for each series.
        method: Pearson's coefficient of the returns, or (Spearman's) of their ranks; equal ones share their mean rank.

    Returns:
        The symmetric matrix, 1 on its diagonal; NaN where returns are constant or fewer than 2.
    """
    moves = _returns(closes)
    if moves.shape[1] < 2:
        return np.full((len(moves), len(moves)), np.nan)
    if method == "spearman":
        moves = _ranks(moves)
    moves -= moves.mean(axis=1, keepdims=True)
    products = moves @ moves.T
    spreads = np.sqrt(products.diagonal())
    spreads[_are_constant(spreads, moves.shape[1])] = np.nan
    matrix: Floats = np.clip(products / (spreads * spreads[:, None]), -1, 1)
    np.fill_diagonal(matrix, spreads / spreads)
    return matrix


def beta(own: Floats, benchmark: Floats) -> float | None:
    """By how much log returns move for one of a benchmark's: their covariance over the benchmark's variance.

    Args:
        own: Closes above 0.
        benchmark: The same at the same times.

    Returns:
        None if the benchmark's returns are constant or fewer than 2.
    """
    moves = _returns(np.array([own, benchmark]))
    if moves.shape[1] < 2:
        return None
    mine, theirs = moves - moves.mean(axis=1, keepdims=True)
    spread = np.sqrt(theirs @ theirs)
    return None if _are_constant(spread, len(theirs)) else float(mine @ theirs / spread**2)


def _returns(closes: Floats) -> Floats:
    return log_ratio(closes[:, 1:], closes[:, :-1])


def _are_constant(spreads: Floats, count: int) -> NDArray[np.bool]:
    """Whether returns, or their ranks, are, whose squared distances from their mean add up to the spread's square."""
    return spreads <= CONSTANT * sqrt(count)


def _ranks(values: Floats) -> Floats:
    """The place of each value in its line, from 1; equal ones have the mean of theirs."""
    order = values.argsort(axis=1)
    gaps = np.diff(np.take_along_axis(values, order, axis=1), prepend=-np.inf)
    groups = (gaps > CONSTANT).cumsum() - 1  # of equal ones, over all lines
    places = np.broadcast_to(np.arange(1.0, values.shape[1] + 1), values.shape)
    means = np.bincount(groups, places.ravel()) / np.bincount(groups)
    ranks = np.empty_like(values)
    np.put_along_axis(ranks, order, means[groups].reshape(values.shape), axis=1)
    return ranks
