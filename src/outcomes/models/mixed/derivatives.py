"""Derivatives of the deviance of a linear mixed model in its variance components.

The outcome's covariance is ``sigma^2 V`` with ``V = I + sum_j delta_j G_j``: delta are
the distinct elements of the relative covariances, term by term and lower triangles by
rows, and G_j is ``Z E_j Z'`` with a matrix E_j of zeros and ones. Everything REML,
Satterthwaite and Kenward-Roger need is a trace or a quadratic form of products of
``V^-1`` and G_j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcomes.models.mixed.criterion import Evaluation
from outcomes.models.mixed.layout import Layout
from outcomes.models.mixed.moments import Moments
from outcomes.models.options import FloatArray, IntArray

Pairs = list[tuple[IntArray, IntArray]]


@dataclass(frozen=True, slots=True)
class Products:
    """Traces and quadratic forms in m matrices G, with ``A = [X y]``.

    Attributes
    ----------
    trace : FloatArray, shape (m,)
        ``tr(V^-1 G_j)``.
    traces : FloatArray, shape (m, m)
        ``tr(V^-1 G_j V^-1 G_k)``.
    form : FloatArray, shape (m, p + 1, p + 1)
        ``A' V^-1 G_j V^-1 A``.
    forms : FloatArray, shape (m, m, p + 1, p + 1)
        ``A' V^-1 G_j V^-1 G_k V^-1 A``.
    """

    trace: FloatArray
    traces: FloatArray
    form: FloatArray
    forms: FloatArray


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Derivatives of the deviance at fixed sigma, G scaled by ``sigma^2``.

    Attributes
    ----------
    gradient : FloatArray, shape (m,)
        First derivatives.
    observed : FloatArray, shape (m, m)
        Second derivatives.
    expected : FloatArray, shape (m, m)
        Their expectation.
    pull : FloatArray, shape (m,)
        ``r' V^-1 G_j V^-1 r / sigma^2`` of the residuals r.
    """

    gradient: FloatArray
    observed: FloatArray
    expected: FloatArray
    pull: FloatArray


def components(layout: Layout) -> tuple[list[FloatArray | None], list[Pairs]]:
    """E_j of each parameter: a C x C matrix in the first tier, places in the second."""
    inner: list[FloatArray | None] = []
    outer: list[Pairs] = []
    for slot in layout.slots:
        c = layout.terms[slot.term].c
        for a, b in zip(*np.tril_indices(c), strict=True):
            pairs = [(slot.places[:, a], slot.places[:, b])]
            if a != b:
                pairs.append((slot.places[:, b], slot.places[:, a]))
            outer.append([] if slot.inner else pairs)
            E = np.zeros((layout.C, layout.C))
            for left, right in pairs if slot.inner else []:
                E[left, right] = 1.0
            inner.append(E if slot.inner else None)
    return inner, outer


def multiply(at: Evaluation, moments: Moments) -> Products:
    """Compute the traces and forms of all variance components.

    Parameters
    ----------
    at : Evaluation
        Where.
    moments : Moments
        Sums over records.

    Returns
    -------
    Products
        In the m parameters delta.
    """
    q, K, B = moments.q, at.K, at.B
    inner, outer = components(moments.layout)
    m, a = len(inner), moments.p + 1
    # Z1'V1^-1 [Z2 X y] and Z1'V1^-1 Z1 of each group
    N = np.eye(moments.layout.C) - act(moments.A, at.H)
    U, square = act(N, moments.W), act(N, moments.A)
    Uz, Ua = U[:, :, :q], U[:, :, q:]
    # V^-1 A and V^-1 Z2 in columns of V1^-1 [Z2 X y]
    Fz, Fa = np.eye(q) - K @ B[:q, :q], -K @ B[:q, q:]
    VA, VZ = Ua + _right(Uz, Fa), _right(Uz, Fz)
    R = B[:q, q:] + B[:q, :q] @ Fa  # Z2'V^-1 A
    S = B[:q, :q] @ Fz  # Z2'V^-1 Z2
    UKU = np.einsum("gcq,gdq->gcd", _right(Uz, K), Uz)
    out = Products(
        np.zeros(m), np.zeros((m, m)), np.zeros((m, a, a)), np.zeros((m, m, a, a))
    )
    EVA: list[FloatArray | None] = []
    EVZ: list[FloatArray] = []  # A'V^-1 G_j V^-1 Z2 and Z2'V^-1 G_j V^-1 Z2
    EUz: list[FloatArray] = []  # A'V^-1 G_j V1^-1 Z2
    KEU: list[FloatArray] = []
    GVZ: list[FloatArray] = []
    for j, E in enumerate(inner):
        if E is None:
            out.trace[j] = sum(float(np.sum(S[i, k])) for i, k in outer[j])
            out.form[j] = sum(R[i].T @ R[k] for i, k in outer[j])
            EVA.append(None)
            for each in (EVZ, EUz, KEU, GVZ):
                each.append(np.zeros((0, 0)))
            continue
        acted = act(E, VA)
        EVA.append(acted)
        out.form[j] = _gram(VA, acted)
        out.trace[j] = float(np.sum(E * (square - UKU).sum(axis=0)))
        EVZ.append(_gram(acted, VZ))
        EUz.append(_gram(acted, Uz))
        KEU.append(K @ _gram(Uz, act(E, Uz)))
        GVZ.append(_gram(VZ, act(E, VZ)))
    for j in range(m):
        for k in range(j + 1):
            first, second = inner[j], inner[k]
            if first is not None and second is not None:
                middle = act(act(first, square), second)
                form = _gram(VA, act(middle, VA)) - EUz[j] @ K @ EUz[k].T
                twice = act(middle, square - 2.0 * UKU)
                trace = float(np.trace(twice, axis1=1, axis2=2).sum())
                trace += float(np.sum(KEU[j] * KEU[k].T))
            elif first is None and second is None:
                form, trace = _outer_pair(outer[j], outer[k], R, S)
            else:
                one, other = (j, k) if second is None else (k, j)
                form, trace = np.zeros((a, a)), 0.0
                for left, right in outer[other]:
                    form = form + EVZ[one][:, left] @ R[right]
                    trace += float(np.sum(GVZ[one][left, right]))
                if one != j:
                    form = form.T
            out.forms[j, k], out.forms[k, j] = form, form.T
            out.traces[j, k] = out.traces[k, j] = trace
    return out


def act(left: FloatArray, right: FloatArray) -> FloatArray:
    """Multiply C x C matrices, one or one for each group, by what each group has."""
    if left.shape[-1] == 1:  # a loop of products of single numbers is slow
        return left * right
    return left @ right


def _right(left: FloatArray, right: FloatArray) -> FloatArray:
    """Multiply what each group has by one matrix, shape (q, b)."""
    G, C, q = left.shape
    product = left.reshape(G * C, q) @ right
    return product.reshape(G, C, right.shape[1])


def _gram(left: FloatArray, right: FloatArray) -> FloatArray:
    """Sum over groups of ``left' right``."""
    rows = left.shape[0] * left.shape[1]
    flat = left.reshape(rows, left.shape[2])
    return np.asarray(flat.T @ right.reshape(rows, right.shape[2]))


def _outer_pair(
    first: Pairs, second: Pairs, R: FloatArray, S: FloatArray
) -> tuple[FloatArray, float]:
    form: FloatArray = np.zeros((R.shape[1], R.shape[1]))
    trace = 0.0
    for i, k in first:
        for u, v in second:
            between = S[np.ix_(k, u)]
            form = form + R[i].T @ between @ R[v]
            trace += float(np.sum(between * S[np.ix_(v, i)].T))
    return form, trace


def with_residual(
    products: Products, delta: FloatArray, at: Evaluation, moments: Moments
) -> Products:
    """Add the residual variance as the last parameter.

    Its matrix is the identity, which is ``V - sum_j delta_j G_j``, so its products
    follow from the others.
    """
    q, m = moments.q, len(delta)
    whole = at.B[q:, q:] - at.B[q:, :q] @ at.K @ at.B[:q, q:]
    trace = moments.n - delta @ products.trace
    form = whole - np.tensordot(delta, products.form, axes=1)
    traces = products.trace - products.traces @ delta
    forms = products.form - np.tensordot(products.forms, delta, axes=([1], [0]))
    last_trace = trace - delta @ traces
    last_form = form - np.tensordot(delta, forms, axes=1)
    out = Products(
        np.append(products.trace, trace),
        np.empty((m + 1, m + 1)),
        np.concatenate([products.form, form[None]]),
        np.empty((m + 1, m + 1, *form.shape)),
    )
    out.traces[:m, :m], out.forms[:m, :m] = products.traces, products.forms
    out.traces[m, :m] = out.traces[:m, m] = traces
    out.forms[:m, m], out.forms[m, :m] = forms, np.swapaxes(forms, 1, 2)
    out.traces[m, m], out.forms[m, m] = last_trace, last_form
    return out


def differentiate(products: Products, at: Evaluation, *, reml: bool) -> Derivatives:
    """Turn products into derivatives of the deviance at fixed sigma."""
    p = len(at.beta)
    r = np.append(-at.beta, 1.0)
    xx = products.form[:, :p, :p]
    quadratic = np.einsum("a,jab,b->j", r, products.form, r) / at.sigma2
    pulled = products.form[:, :p, :] @ r
    bent = np.einsum("a,jkab,b->jk", r, products.forms, r) - pulled @ at.Phi @ pulled.T
    mixed = at.Phi @ xx
    loss = np.trace(mixed, axis1=1, axis2=2)
    traced = np.einsum("ab,jkba->jk", at.Phi, products.forms[:, :, :p, :p])
    flat = mixed.reshape(len(mixed), -1)
    crossed = flat @ np.swapaxes(mixed, 1, 2).reshape(len(mixed), -1).T
    expected = products.traces - traced - traced.T + crossed
    curved = expected if reml else products.traces
    return Derivatives(
        gradient=products.trace - quadratic - (loss if reml else 0.0),
        observed=2.0 * bent / at.sigma2 - curved,
        expected=expected,
        pull=quadratic,
    )
