"""Fit a linear 3D head to 68 landmarks: pose and expression per face, one shape per identity.

Gauss-Newton on the reprojection error with normal priors on the coefficients, in the manner of landmark fitting by
Huber et al. (2016, section 3), but all faces of an identity share their shape coefficients. Each step eliminates the
unknowns of the faces (pose, expression) from the normal equations by their Schur complement, so an identity costs one
small solve more than its faces do. Everything is batched; faces of many identities are fitted in one call.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.head import pose
from pipeline.head.landmarks import JAW, eye_distance, nme
from pipeline.head.model import Head
from pipeline.settings import ShapesSettings

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

POSE = 6  # three angles, log scale, two shifts
CONTOUR = JAW  # annotators and networks mark the outline there, not one spot of the skin
DAMPING = 1e-6  # keeps a face of equal points solvable


@dataclass(frozen=True)
class Basis:
    """What fitting needs of a head: its 68 landmark vertices alone."""

    mean: Array  # (68, 3)
    identity: Array  # (K, 68, 3)
    expression: Array  # (E, 68, 3)

    def vertices(self, shape: Array, expression: Array) -> Array:
        """Landmark vertices (N, 68, 3) for shape (N, K) and expression (N, E)."""
        return self.mean + np.tensordot(shape, self.identity, 1) + np.tensordot(expression, self.expression, 1)


@dataclass(frozen=True)
class Fit:
    """N fitted faces of G identities."""

    shape: Array  # (G, K)
    expression: Array  # (N, E)
    rotation: Array  # (N, 3, 3)
    scale: Array  # (N,) pixels per unit of the head
    translation: Array  # (N, 2) pixels
    residual: Array  # (N,) mean landmark distance, share of the outer eye distance


@dataclass
class _State:
    """The unknowns; lengths in units of each face's outer eye distance."""

    shape: Array  # (G, K)
    expression: Array  # (N, E)
    rotation: Array  # (N, 3, 3)
    scale: Array  # (N,)
    shift: Array  # (N, 2)


@dataclass(frozen=True)
class _Normal:
    """Normal equations per face: unknowns of the face (F = 6 + E), of the shape (K), and what couples them."""

    face: Array  # (N, F, F)
    mixed: Array  # (N, F, K)
    shape: Array  # (N, K, K)
    face_side: Array  # (N, F)
    shape_side: Array  # (N, K)


def basis_of(head: Head) -> Basis:
    """The landmark vertices of a head."""
    spots = head.landmarks68
    return Basis(
        head.mean[spots].astype(np.float64),
        head.identity[:, spots].astype(np.float64),
        head.expression[:, spots].astype(np.float64),
    )


def fit(points: Array, identity: Ints, basis: Basis, settings: ShapesSettings) -> Fit:
    """Fit N faces.

    Args:
        points: (N, 68, 2) pixels, iBUG order.
        identity: (N,) numbers of the identities, sorted, from 0 without gaps.

    A face whose residual exceeds `settings.max_residual` keeps its pose and expression but loses its say in the
    shape of its identity, which is then fitted again without it.
    """
    everyone = np.ones(len(points))
    first = _fit(points, identity, basis, settings, everyone)
    trust = (first.residual <= settings.max_residual).astype(np.float64)
    mixed = np.isin(identity, identity[trust == 0])
    if not mixed.any():
        return first
    again, numbers = np.unique(identity[mixed], return_inverse=True)
    second = _fit(points[mixed], numbers, basis, settings, trust[mixed])
    return _overlay(first, second, mixed, again)


def shape_of(points: Array, basis: Basis, settings: ShapesSettings) -> Array:
    """The shape (K,) that points (N, 68, 2) of one person have in common."""
    everyone = np.zeros(len(points), np.int64)
    return fit(points, everyone, basis, settings).shape[0]


def _fit(points: Array, identity: Ints, basis: Basis, settings: ShapesSettings, trust: Array) -> Fit:
    unit = _size(points)
    centre = points.mean(axis=1)
    scaled = (points - centre[:, None]) / unit[:, None, None]
    weights = np.ones(points.shape[1])
    weights[CONTOUR] = settings.contour_weight
    state = _start(scaled, identity, basis, weights)
    for _ in range(settings.iterations):
        normal = _linearise(state, scaled, identity, basis, settings, weights)
        _step(state, normal, identity, settings, trust)
    return Fit(
        shape=state.shape,
        expression=state.expression,
        rotation=state.rotation,
        scale=state.scale * unit,
        translation=state.shift * unit[:, None] + centre,
        residual=nme(_project(state, identity, basis), scaled, 1.0) * unit / eye_distance(points),
    )


def _size(points: Array) -> Array:
    # The eyes of a profile lie close together; the spread of all points is a steadier unit to compute in. A face seen
    # from the front has an eye distance of about twice the spread of its points about their mean.
    spread = np.sqrt(points.var(axis=1).sum(axis=-1))
    return np.maximum(1.35 * spread, pose.TINY)


def _start(points: Array, identity: Ints, basis: Basis, weights: Array) -> _State:
    rotation, scale, shift = pose.first_camera(points, basis.mean, weights)
    groups = int(identity[-1]) + 1
    return _State(
        shape=np.zeros((groups, len(basis.identity))),
        expression=np.zeros((len(points), len(basis.expression))),
        rotation=rotation,
        scale=scale,
        shift=shift,
    )


def _project(state: _State, identity: Ints, basis: Basis) -> Array:
    turned = basis.vertices(state.shape[identity], state.expression) @ np.swapaxes(state.rotation, 1, 2)
    return turned[..., :2] * np.array([1.0, -1.0]) * state.scale[:, None, None] + state.shift[:, None]


def _linearise(
    state: _State, points: Array, identity: Ints, basis: Basis, settings: ShapesSettings, weights: Array
) -> _Normal:
    turned = basis.vertices(state.shape[identity], state.expression) @ np.swapaxes(state.rotation, 1, 2)
    turned *= state.scale[:, None, None]
    weight = np.tile(weights, 2) / settings.landmark_noise  # of the residuals: 68 x, then 68 y
    x, y, z = np.moveaxis(turned, 2, 0)
    seen = np.concatenate([x + state.shift[:, :1], state.shift[:, 1:] - y], axis=1)  # (N, 136)
    residual = (np.concatenate([points[..., 0], points[..., 1]], axis=1) - seen) * weight
    rows = state.rotation[:, :2] * np.array([[1.0], [-1.0]]) * state.scale[:, None, None]  # (N, 2, 3)
    face = np.concatenate([_pose_columns(x, y, z), _columns(rows, basis.expression)], axis=2) * weight[:, None]
    shape = _columns(rows, basis.identity) * weight[:, None]
    face_rows, shape_rows = np.swapaxes(face, 1, 2), np.swapaxes(shape, 1, 2)
    return _Normal(
        face=face_rows @ face,
        mixed=face_rows @ shape,
        shape=shape_rows @ shape,
        face_side=(face_rows @ residual[..., None])[..., 0],
        shape_side=(shape_rows @ residual[..., None])[..., 0],
    )


def _pose_columns(x: Array, y: Array, z: Array) -> Array:
    """Derivatives (N, 136, 6) of the pixels by the turn about the viewer's axes, the log scale and the shift."""
    zero, one = np.zeros_like(x), np.ones_like(x)
    across = np.stack([zero, z, -y, x, one, zero], axis=2)
    down = np.stack([z, zero, -x, -y, zero, one], axis=2)
    return np.concatenate([across, down], axis=1)


def _columns(rows: Array, basis: Array) -> Array:
    """Derivatives (N, 136, C) of the pixels by coefficients of a basis (C, 68, 3), for camera rows (N, 2, 3)."""
    count, spots, _ = basis.shape
    flat = np.ascontiguousarray(basis.transpose(2, 1, 0)).reshape(3, spots * count)
    return (rows @ flat).reshape(len(rows), 2 * spots, count)


def _step(state: _State, normal: _Normal, identity: Ints, settings: ShapesSettings, trust: Array) -> None:
    """One Gauss-Newton step, in place."""
    expressions = state.expression.shape[1]
    prior = np.concatenate([np.full(POSE, DAMPING), np.full(expressions, settings.expression_weight)])
    face_side = normal.face_side.copy()
    face_side[:, POSE:] -= settings.expression_weight * state.expression
    sides = np.concatenate([normal.mixed, face_side[..., None]], axis=2)
    solved = np.linalg.solve(normal.face + np.diag(prior), sides)  # (N, F, K + 1)
    shape = _solve_shapes(state, normal, solved, identity, settings, trust)
    delta = solved[..., -1] - (solved[..., :-1] @ shape[identity][..., None])[..., 0]
    state.shape += shape
    # Weights of an expression run from 0 to 1; held there, less of the shape is explained away as negative expressions.
    state.expression = np.clip(state.expression + delta[:, POSE:], 0.0, 1.0)
    state.rotation = pose.turn(state.rotation, delta[:, :3])
    state.scale *= np.exp(np.clip(delta[:, 3], -1.0, 1.0))
    state.shift += delta[:, 4:6]


def _solve_shapes(
    state: _State, normal: _Normal, solved: Array, identity: Ints, settings: ShapesSettings, trust: Array
) -> Array:
    """Changes (G, K) of the shapes: the faces' Schur complements, summed over each identity."""
    across = np.swapaxes(normal.mixed, 1, 2) @ solved  # (N, K, K + 1)
    matrix = (normal.shape - across[..., :-1]) * trust[:, None, None]
    side = (normal.shape_side - across[..., -1]) * trust[:, None]
    starts = np.flatnonzero(np.diff(identity, prepend=-1))
    matrices = np.add.reduceat(matrix, starts) + settings.shape_weight * np.eye(matrix.shape[-1])
    sides = np.add.reduceat(side, starts) - settings.shape_weight * state.shape
    return np.asarray(np.linalg.solve(matrices, sides[..., None])[..., 0], np.float64)


def _overlay(first: Fit, second: Fit, faces: NDArray[np.bool_], identities: Ints) -> Fit:
    values = {}
    for name in ("expression", "rotation", "scale", "translation", "residual"):
        values[name] = getattr(first, name).copy()
        values[name][faces] = getattr(second, name)
    shape = first.shape.copy()
    shape[identities] = second.shape
    return Fit(shape=shape, **values)
