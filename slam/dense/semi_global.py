"""Semi-global matching (Hirschmueller 2008): costs of labels on a line, aggregated over an image.

Along each path the aggregated cost is the min-sum message of dynamic programming; the sum of the
messages and the pixel's own cost is its min-marginal on the tree of the paths through it
(Drory et al. 2014), from which follow a mean and a variance.
"""

import numpy as np

#: Penalty of a change by one label between neighbours.
SMALL_STEP = 0.03
#: Part of the penalty of a larger change that one by one label costs at most.
_LARGEST_SHARE = 0.999


def min_marginals(cost: np.ndarray, step_x: np.ndarray, step_y: np.ndarray) -> np.ndarray:
    """(H, W, N): of costs (H, W, N), with penalties of changes by more than one label between
    neighbours in a row (H, W - 1) and in a column (H - 1, W)."""
    total = -3 * cost
    for paths, penalty, transposed in ((cost, step_y, False),
                                       (np.ascontiguousarray(cost.swapaxes(0, 1)),
                                        np.ascontiguousarray(step_x.T), True)):
        down, up = _sweep(paths, penalty), _sweep(paths[::-1], penalty[::-1])[::-1]
        both = down + up
        total += both.swapaxes(0, 1) if transposed else both
    return total


def mean_and_std(energies: np.ndarray, labels: np.ndarray,
                 inverse_temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (H, W) of labels (N,) whose probabilities fall exponentially
    with the energies (H, W, N)."""
    weights = np.exp(inverse_temperature * (energies.min(2, keepdims=True) - energies))
    weights /= weights.sum(2, keepdims=True)
    mean = weights @ labels
    return mean, np.sqrt(np.maximum(weights @ labels ** 2 - mean ** 2, 0))


def _sweep(cost: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """(L, M, N) aggregated along M parallel paths of length L, with penalties (L - 1, M)."""
    out = np.empty_like(cost)
    previous = out[0] = cost[0]
    for i in range(1, len(cost)):
        least, large = previous.min(1, keepdims=True), penalty[i - 1][:, None]
        small = np.minimum(np.float32(SMALL_STEP), np.float32(_LARGEST_SHARE) * large)
        best = np.minimum(previous, least + large)
        np.minimum(best[:, 1:], previous[:, :-1] + small, out=best[:, 1:])
        np.minimum(best[:, :-1], previous[:, 1:] + small, out=best[:, :-1])
        best += cost[i] - least
        previous = out[i] = best
    return out
