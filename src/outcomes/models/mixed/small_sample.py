"""Precision of variance components, and what it does to that of the coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.mixed.derivatives import Products, differentiate, with_residual
from outcomes.models.mixed.moments import Moments
from outcomes.models.mixed.newton import Optimum, delta_jacobian, delta_of
from outcomes.models.options import FloatArray

# Eigenvalue of an information matrix, its diagonal scaled to one, that is rounding.
NO_INFORMATION = 1e-10


@dataclass(frozen=True, slots=True)
class SmallSample:
    """What degrees of freedom rest on, in orthonormal columns.

    Attributes
    ----------
    adjusted : FloatArray, shape (p, p)
        Covariance of the coefficients for inference.
    jacobian : FloatArray, shape (m, p, p)
        Derivatives of the model covariance in m variance parameters.
    cov_theta : FloatArray, shape (m, m)
        Covariance of these.
    messages : tuple of str
        What weakens them.
    """

    adjusted: FloatArray
    jacobian: FloatArray
    cov_theta: FloatArray
    messages: tuple[str, ...]


def small_sample(
    optimum: Optimum, moments: Moments, *, df: str, preset: str, reml: bool
) -> SmallSample:
    """Compute the covariance of coefficients and of variance parameters.

    Parameters
    ----------
    optimum : Optimum
        The fit.
    moments : Moments
        Sums over records.
    df : str
        Degrees of freedom asked for.
    preset : str
        Information Kenward-Roger takes.
    reml : bool
        Method.

    Returns
    -------
    SmallSample
        With parameters that suit ``df``: the free ones of the optimiser for
        Satterthwaite (where a variance at its boundary is an ordinary minimum), the
        variances and covariances themselves for Kenward-Roger.
    """
    Phi = optimum.at.sigma2 * optimum.at.Phi
    if df != "kenward-roger":
        jacobian, cov = _free(optimum, moments, reml=reml)
        messages = () if np.all(np.isfinite(cov)) else (_FLAT,)
        return SmallSample(Phi, jacobian, cov, messages)
    return _kenward_roger(optimum, moments, observed=preset == "sas_proc_mixed")


_FLAT = (
    "the data do not determine the variance components: their likelihood is flat, so"
    " how they share the variance is arbitrary and there are no degrees of freedom"
)


def _free(
    optimum: Optimum, moments: Moments, *, reml: bool
) -> tuple[FloatArray, FloatArray]:
    """Find derivatives and covariance in theta and the logarithm of sigma^2."""
    at, p = optimum.at, moments.p
    n = moments.n - p if reml else moments.n
    J = delta_jacobian(optimum.theta, moments.layout)
    inner = at.Phi @ optimum.products.form[:, :p, :p] @ at.Phi
    jacobian = at.sigma2 * np.concatenate(
        [np.tensordot(J.T, inner, axes=1), at.Phi[None]]
    )
    r = np.append(-at.beta, 1.0)
    pull = np.einsum("a,jab,b->j", r, optimum.products.form, r) / at.sigma2
    cross = J.T @ pull
    m = len(cross)
    hessian = np.empty((m + 1, m + 1))
    hessian[:m, :m] = optimum.hessian + np.outer(cross, cross) / n
    hessian[:m, m] = hessian[m, :m] = cross
    hessian[m, m] = n
    return jacobian, 2.0 * invert(hessian)


def invert(information: FloatArray) -> FloatArray:
    """Invert a positive definite matrix; NaN throughout where it is not."""
    diagonal = np.diagonal(information)
    if not np.all(diagonal > 0.0):
        return np.full_like(information, np.nan)
    size = np.sqrt(diagonal)
    scaled = information / size[:, None] / size
    if not np.linalg.eigvalsh(scaled)[0] > NO_INFORMATION:
        return np.full_like(information, np.nan)
    return np.asarray(np.linalg.inv(scaled) / size[:, None] / size)


def _kenward_roger(
    optimum: Optimum, moments: Moments, *, observed: bool
) -> SmallSample:
    """Adjust as in equation (14), where V is linear in its parameters."""
    at, p = optimum.at, moments.p
    products = _natural(optimum, moments)
    now = differentiate(products, at, reml=True)
    kept = np.ones(len(products.trace), dtype=bool)
    if observed:
        kept[:-1] = np.any(delta_jacobian(optimum.theta, moments.layout) != 0.0, axis=1)
    chosen = (now.observed if observed else now.expected)[np.ix_(kept, kept)]
    W = 2.0 * at.sigma2**2 * invert(chosen)
    P = products.form[kept][:, :p, :p]
    Q = products.forms[np.ix_(kept, kept)][:, :, :p, :p]
    jacobian = at.Phi @ P @ at.Phi
    Phi = at.sigma2 * at.Phi
    middle = np.tensordot(W, Q, axes=2)
    mixed = np.tensordot(W, P, axes=1)
    middle = middle - np.einsum("jab,bc,jcd->ad", P, at.Phi, mixed, optimize=True)
    adjusted = Phi + 2.0 * at.Phi @ middle @ at.Phi / at.sigma2
    messages = () if np.all(np.isfinite(W)) else (_FLAT,)
    return SmallSample((adjusted + adjusted.T) / 2.0, jacobian, W, messages)


def _natural(optimum: Optimum, moments: Moments) -> Products:
    """Products in variances and covariances, the residual's last."""
    delta = delta_of(optimum.theta, moments.layout)
    return with_residual(optimum.products, delta, optimum.at, moments)
