"""Sandwich covariances over subjects, and the degrees of freedom that go with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.errors import ModelError
from outcomes.models.design import Design
from outcomes.models.mmrm.likelihood import Problem
from outcomes.models.mmrm.optimise import Optimum
from outcomes.models.mmrm.prepare import Prepared
from outcomes.models.mmrm.records import Records
from outcomes.models.mmrm.subjects import blocks_of
from outcomes.models.options import BoolArray, FloatArray

# Eigenvalues of I - H_i below this are zero: the subject settles a coefficient alone.
ZERO = 1e-10
OFFENDERS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Sandwich:
    """A sandwich covariance and what its degrees of freedom need of each subject.

    Attributes
    ----------
    covariance : FloatArray, shape (p, p)
        Equation (16), in the coordinates of the problem.
    Phi : FloatArray, shape (p, p)
        Model-based covariance.
    whitened : FloatArray, shape (N, K, p)
        ``C_i' X_i`` with ``C_i C_i'`` the inverse covariance of subject i; zero after
        its last record.
    adjusted : FloatArray, shape (N, K, p)
        ``A_i C_i' X_i``.
    messages : tuple of str
        Who is not in it.
    """

    covariance: FloatArray
    Phi: FloatArray
    whitened: FloatArray
    adjusted: FloatArray
    messages: tuple[str, ...]

    def row_df(self, L: FloatArray) -> FloatArray:
        """Approximate degrees of freedom of rows, equation (17).

        Parameters
        ----------
        L : FloatArray, shape (r, p)
            Rows, in the coordinates of the problem.

        Returns
        -------
        FloatArray, shape (r,)
            ``(tr G)^2 / tr(G G)``, G being N x N, from sums over subjects.

        References
        ----------
        Bell and McCaffrey (2002), Survey Methodology 28, 169-181; Pustejovsky and
        Tipton (2018), J Bus Econ Stat 36, 672-683.
        """
        df = np.empty(len(L))
        for r, row in enumerate(L):
            a = self.adjusted @ (self.Phi @ row)  # (N, K)
            b = np.einsum("nkp,nk->np", self.whitened, a)
            mixed = b @ self.Phi
            own = np.einsum("nk,nk->n", a, a)
            back = np.einsum("np,np->n", mixed, b)
            cross = mixed.T @ b
            squares = np.sum((own - back) ** 2) - np.sum(back**2)
            squares += np.sum(cross * cross.T)
            df[r] = np.sum(own - back) ** 2 / squares
        return df


def make_sandwich(
    kind: str,
    design: Design,
    records: Records,
    prepared: Prepared,
    problem: Problem,
    optimum: Optimum,
    subject: str,
) -> Sandwich:
    """Compute a sandwich covariance of the coefficients.

    Parameters
    ----------
    kind : str
        ``"cr0"`` (SAS EMPIRICAL), ``"cr2"`` (bias-reduced) or ``"cr3"`` (jackknife).
    design, records, prepared, problem, optimum
        The fit.
    subject : str
        Column of the subjects, for messages.

    Raises
    ------
    ModelError
        With ``"cr3"``, if the fit without some subject leaves a coefficient open.

    References
    ----------
    Liang and Zeger (1986), Biometrika 73, 13-22 (CR0); Bell and McCaffrey (2002),
    Survey Methodology 28, 169-181 (CR2, CR3).
    """
    at = optimum.evaluation
    X = design.X[:, ~prepared.aliased]
    residual = design.y - X @ prepared.ols
    X = X @ np.linalg.inv(prepared.R)
    residual = residual - X @ at.beta
    K, p = len(records.visits), X.shape[1]
    whitened = np.zeros((records.n_subjects, K, p))
    adjusted = np.zeros_like(whitened)
    meat = np.zeros((p, p))
    done = 0
    alone: list[int] = []
    for block in blocks_of(records, problem, optimum.theta):
        n, k = block.rows.shape
        try:
            C = np.swapaxes(np.linalg.cholesky(np.linalg.inv(block.sigma)), 1, 2)
        except np.linalg.LinAlgError:  # of a fit that did not converge, and says so
            unknown = np.full_like(whitened, np.nan)
            return Sandwich(np.full_like(meat, np.nan), at.Phi, unknown, unknown, ())
        x = C @ X[block.rows]
        e = C @ residual[block.rows][:, :, None]
        ax, ae = x, e
        A, settled = _adjustment(x, at.Phi, kind)
        alone += block.rows[settled, 0].tolist()
        if kind != "cr0":
            ax, ae = A @ x, A @ e
        score = np.einsum("nkp,nk->np", x, ae[:, :, 0])
        meat += score.T @ score
        own = slice(done, done + n)
        whitened[own, :k], adjusted[own, :k] = x, ax
        done += n
    messages: tuple[str, ...] = ()
    if alone:
        names = design.frame[subject].iloc[sorted(alone)]
        who = f"{subject} {', '.join(map(str, names[:OFFENDERS_SHOWN]))}"
        if kind == "cr3":
            raise ModelError(
                f"vcov: 'cr3' leaves out one subject at a time, and without {who} a"
                " coefficient cannot be estimated. Use 'cr2', or take terms out of the"
                " formula."
            )
        messages = (
            f"{len(alone)} subjects settle a coefficient alone (first: {who}); their"
            f" residuals are zero, and what they settle has no variance in {kind}",
        )
    return Sandwich(at.Phi @ meat @ at.Phi, at.Phi, whitened, adjusted, messages)


def _adjustment(
    x: FloatArray, Phi: FloatArray, kind: str
) -> tuple[FloatArray, BoolArray]:
    """``(I - H_i)^-1/2`` or ``(I - H_i)^-1`` of each subject; who makes it singular."""
    left = np.eye(x.shape[1]) - x @ Phi @ np.swapaxes(x, 1, 2)
    values, vectors = np.linalg.eigh((left + np.swapaxes(left, 1, 2)) / 2.0)
    zero = values < ZERO
    safe = np.where(zero, 1.0, values)
    power = np.where(zero, 0.0, safe ** (-0.5 if kind == "cr2" else -1.0))
    A = (vectors * power[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    return np.asarray(A), np.asarray(zero.any(axis=1))
