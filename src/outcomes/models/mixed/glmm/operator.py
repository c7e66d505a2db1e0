"""Products with Z Lambda, and the matrix M of equation (8) by blocks.

M is eliminated group by group, all groups at once; what is left is dense and as large
as there are effects over groups. No loop runs over groups.
"""

from __future__ import annotations

import numpy as np

from outcomes.models.mixed.glmm.structure import Structure, lower
from outcomes.models.options import FloatArray

Effects = tuple[FloatArray, FloatArray]
"""Of the groups, shape (C, G), and over groups, shape (q,)."""


class Operator:
    """Random effects at one value of the parameters: ``Z Lambda = (A, B)``.

    Attributes
    ----------
    A : FloatArray, shape (C, n)
        Entries of each record for the effects of its group.
    B : FloatArray, shape (m, n)
        Entries for its effects over groups.
    """

    __slots__ = ("A", "B", "s")

    def __init__(self, structure: Structure, theta: FloatArray) -> None:
        self.s = structure
        if structure.C == 1:
            self.A = structure.Z * theta[structure.inner[0].theta][0]
        else:
            self.A = np.empty_like(structure.Z)
            for term in structure.inner:
                L = lower(theta[term.theta], term.c)
                self.A[term.rows] = L.T @ structure.Z[term.rows]
        self.B = np.empty(structure.cols.shape)
        for own in structure.outer:
            L = lower(theta[own.theta], own.c)
            share = own.weights[:, None, :] * (L.T @ own.values)[None, :, :]
            self.B[own.rows] = share.reshape(-1, share.shape[-1])

    def forward(self, u: Effects) -> FloatArray:
        """Effects of the records, ``Z Lambda u``; shape (n,)."""
        out = np.zeros(self.A.shape[1])
        for a, own in zip(self.A, u[0], strict=True):
            out += a * own[self.s.group]
        for b, col in zip(self.B, self.s.cols, strict=True):
            out += b * u[1][col]
        return out

    def back(self, r: FloatArray) -> Effects:
        """Return ``(Z Lambda)' r``."""
        s = self.s
        own = s.by_group(self.A * r) if s.C else np.zeros((0, 0))
        if not s.q:
            return own, np.zeros(0)
        entries = (self.B * r).ravel()
        rest = np.bincount(s.cols.ravel(), entries, minlength=s.q)
        return own, rest.astype(float)

    def factor(self, w: FloatArray) -> Factor:
        """Factor ``M = (Z Lambda)' W Z Lambda + I``; w has shape (n,)."""
        return Factor(self, w)

    def slopes(
        self,
        e: FloatArray,
        l1: FloatArray,
        w: FloatArray,
        u: Effects,
        s: Effects,
        rows: Effects,
    ) -> FloatArray:
        """Sum equation (12) over records, for each parameter; shape (m,).

        Parameters
        ----------
        e, l1, w : FloatArray, shape (n,)
            Multipliers of ``u``, ``s`` and twice ``rows``.
        u, s : Effects
            The mode and the adjoint solution.
        rows : Effects
            From `Factor.rows`, by record.
        """
        structure = self.s
        out = np.empty(structure.n_theta)
        group = structure.group
        for term in structure.inner:
            right = np.stack(
                [
                    e * u[0][k][group] + l1 * s[0][k][group] + 2.0 * w * rows[0][k]
                    for k in range(term.rows.start, term.rows.stop)
                ]
            )
            left = structure.Z[term.rows]
            out[term.theta] = (left @ right.T)[np.tril_indices(term.c)]
        for own in structure.outer:
            cols = structure.cols[own.rows]
            right = e * u[1][cols] + l1 * s[1][cols] + 2.0 * w * rows[1][own.rows]
            parts = right.reshape(len(own.weights), own.c, -1)
            shared = np.einsum("kn,kcn->cn", own.weights, parts)
            out[own.theta] = (own.values @ shared.T)[np.tril_indices(own.c)]
        return out


class Factor:
    """M by blocks, ready for solutions.

    Attributes
    ----------
    inverse : FloatArray, shape (C, C, G)
        Inverses of the diagonal blocks of the groups.
    log_blocks : FloatArray, shape (G,)
        Logarithms of their determinants.
    log_rest : float
        Log determinant of the Schur complement.
    """

    __slots__ = ("N", "T", "inverse", "log_blocks", "log_rest", "op", "schur")

    def __init__(self, op: Operator, w: FloatArray) -> None:
        self.op = op
        s = op.s
        self.inverse, self.log_blocks = self._blocks(w)
        self.log_rest = 0.0
        if not s.q:
            return
        pairs = s.pairs
        K = len(pairs.col)
        weighted = op.B * w
        self.T = np.empty((s.C, K))
        for c in range(s.C):
            self.T[c] = np.bincount(
                pairs.record.ravel(), (weighted * op.A[c]).ravel(), minlength=K
            )
        self.N = np.einsum("cdk,dk->ck", self.inverse[:, :, pairs.group], self.T)
        S = self._outer(weighted)
        if K:
            cross = np.einsum("ck,ck->k", self.T[:, pairs.left], self.N[:, pairs.right])
            place = pairs.col[pairs.left] * s.q + pairs.col[pairs.right]
            S -= np.bincount(place, cross, minlength=s.q * s.q).reshape(s.q, s.q)
        S = (S + S.T) / 2.0
        self.schur = np.linalg.cholesky(S)
        self.log_rest = 2.0 * float(np.log(np.diagonal(self.schur)).sum())

    def _blocks(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        s, A = self.op.s, self.op.A
        C = s.C
        if C == 0:
            return np.zeros((0, 0, 0)), np.zeros(0)
        if C == 1:
            M = 1.0 + s.by_group(w * A[0] * A[0])
            return (1.0 / M)[None, None, :], np.log(M)
        M = np.empty((C, C, s.G))
        for i in range(C):
            weighted = w * A[i]
            for j in range(i + 1):
                M[i, j] = M[j, i] = s.by_group(weighted * A[j])
            M[i, i] += 1.0
        return invert_blocks(M)

    def _outer(self, weighted: FloatArray) -> FloatArray:
        """Block of the effects over groups; shape (q, q)."""
        s, B = self.op.s, self.op.B
        out = np.zeros(s.q * s.q)
        for i, (b, row) in enumerate(zip(weighted, s.cols, strict=True)):
            for j in range(i + 1):
                entries = b * B[j] * (0.5 if i == j else 1.0)
                out += np.bincount(row * s.q + s.cols[j], entries, minlength=len(out))
        square = out.reshape(s.q, s.q)
        return np.asarray(square + square.T + np.eye(s.q))

    @property
    def log_det(self) -> float:
        """Log determinant of M, groups counted as often as they stand for."""
        return float(self.log_blocks @ self.op.s.count) + self.log_rest

    def solve(self, r: Effects) -> Effects:
        """Return ``M^-1 r``."""
        s = self.op.s
        if s.C == 1:
            own = self.inverse[0] * r[0]
        else:
            own = np.einsum("cdg,dg->cg", self.inverse, r[0])
        if not s.q:
            return own, r[1]
        from scipy.linalg import cho_solve

        col, group = s.pairs.col, s.pairs.group
        coupled = np.einsum("ck,ck->k", self.T, own[:, group])
        rest = r[1] - np.bincount(col, coupled, minlength=s.q)
        rest = cho_solve((self.schur, True), rest, check_finite=False)
        for c in range(s.C):
            own[c] -= np.bincount(group, self.N[c] * rest[col], minlength=s.G)
        return own, rest

    def rest_inverse(self) -> FloatArray:
        """Inverse of the Schur complement, the covariance of effects over groups."""
        root = np.linalg.inv(self.schur)
        return np.asarray(root.T @ root)

    def group_covariance(self, rest: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Blocks of M^-1 of the groups, and N S^-1 at the pairs.

        Parameters
        ----------
        rest : FloatArray, shape (q, q)
            From `rest_inverse`.

        Returns
        -------
        tuple of FloatArray, shapes (C, C, G) and (C, K)
        """
        s, pairs = self.op.s, self.op.s.pairs
        K = len(pairs.col)
        between = rest[pairs.col[pairs.left], pairs.col[pairs.right]]
        spread = np.empty((s.C, K))
        for c in range(s.C):
            spread[c] = np.bincount(
                pairs.right, self.N[c, pairs.left] * between, minlength=K
            )
        whole = self.inverse.copy()
        for c in range(s.C):
            for d in range(s.C):
                whole[c, d] += np.bincount(
                    pairs.group, spread[c] * self.N[d], minlength=s.G
                )
        return whole, spread

    def rows(self) -> Effects:
        """Entries of ``M^-1 (Z Lambda)'`` where ``Z Lambda`` has entries.

        Returns
        -------
        tuple of FloatArray, shapes (C, n) and (m, n)
            Of the record's own group, and of its effects over groups.
        """
        s, A, B = self.op.s, self.op.A, self.op.B
        if not s.q:
            if s.C == 1:
                return self.inverse[0][:, s.group] * A, B
            return np.einsum("cdn,dn->cn", self.inverse[:, :, s.group], A), B
        rest = self.rest_inverse()
        whole, spread = self.group_covariance(rest)
        own = np.empty_like(A)
        if s.C:
            own[:] = np.einsum("cdn,dn->cn", whole[:, :, s.group], A)
        over = np.zeros_like(B)
        for j, col in enumerate(s.cols):
            for c in range(s.C):
                linked = spread[c][s.pairs.record[j]]
                own[c] -= linked * B[j]
                over[j] -= linked * A[c]
            for b, other in zip(B, s.cols, strict=True):
                over[j] += rest[col, other] * b
        return own, over


def invert_blocks(M: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Invert G positive definite matrices at once.

    Parameters
    ----------
    M : FloatArray, shape (C, C, G)
        The matrices, the last axis running over them.

    Returns
    -------
    tuple of FloatArray, shapes (C, C, G) and (G,)
        Inverses and log determinants.
    """
    C = len(M)
    L = np.zeros_like(M)
    R = np.zeros_like(M)
    for j in range(C):
        L[j, j] = np.sqrt(M[j, j] - np.einsum("kg,kg->g", L[j, :j], L[j, :j]))
        R[j, j] = 1.0 / L[j, j]
        for i in range(j + 1, C):
            done = np.einsum("kg,kg->g", L[i, :j], L[j, :j])
            L[i, j] = (M[i, j] - done) * R[j, j]
    for j in range(C):
        for i in range(j + 1, C):
            done = np.einsum("kg,kg->g", L[i, j:i], R[j:i, j])
            R[i, j] = -done * R[i, i]
    log_det = -2.0 * np.log(R[np.arange(C), np.arange(C)]).sum(axis=0)
    inverse = np.einsum("kig,kjg->ijg", R, R)
    return inverse, log_det
