"""Factorisation of sparse symmetric matrices."""

from scipy.sparse import sparray, spmatrix
from scipy.sparse.linalg import SuperLU, splu


def symmetric_factor(matrix: sparray | spmatrix) -> SuperLU:
    """Factors of a positive definite matrix (n, n), whose ``solve`` takes a right-hand side (n,).

    SuperLU in its symmetric mode: without pivoting, in the order that fills least.  Raises
    ``RuntimeError`` for a singular matrix.
    """
    return splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                options={"SymmetricMode": True})
