"""Do the images look like photographs as a set? Kernel inception distance (Binkowski et al. 2018, section 4).

The squared maximum mean discrepancy with the kernel (x . y / d + 1)^3, its unbiased form, between generated images and
real photographs of test people with as many faces. Features are the run's image-text model's embeddings, stretched to
length sqrt(d), so that the kernel is (cosine + 1)^3; values cannot be compared with those of Inception features.

Unlike the Frechet distance it is not biased in small sets. Instead of a mean over random subsets the whole U-statistic
is taken: it is that mean's limit. Intervals come from weights on images: a pair of images counts with the product of
their weights, and two things that would shift all draws upwards are taken out. An image is never paired with its own
copy. And images of one person, who look alike, are drawn together or not at all, so that the product of their weights
is twice that of others on the mean: each product is divided by its mean over the draws.
"""

import numpy as np

from pipeline.metric import Card, Floats, cosines

SCALE = 1000.0

CARDS = (
    Card(
        "kid",
        "Kernel distance to photographs",
        "1000 x unbiased squared MMD with the kernel (cosine + 1)^3 on the image-text model's embeddings, between the "
        "generated images and real photographs of test people with the same number of faces. Intervals resample "
        "identities and photographs. Images that are not there are left out and counted.",
        "10^-3",
        "lower",
        -8000,
        16000,
        absent="is left out",
    ),
)


def distance(drawn: Floats, real: Floats, drawn_weights: Floats, real_weights: Floats) -> Floats:
    """KID (W,) for each of W weightings of generated images (n, D) and photographs (m, D), both of unit length.

    Weights are (W, n) and (W, m), not negative: draws of one resampling, or a row of ones for the images as they are.
    A weighting with fewer than two images on a side gives NaN.
    """
    within = _pairs(kernel(drawn, drawn), drawn_weights) + _pairs(kernel(real, real), real_weights)
    shares = _shares(drawn_weights), _shares(real_weights)
    across = np.einsum("wn,nm,wm->w", shares[0], kernel(drawn, real), shares[1], optimize=True)
    return SCALE * (within - 2.0 * across)


def kernel(left: Floats, right: Floats) -> Floats:
    """The cubic kernel (n, m) of unit vectors (n, D) and (m, D)."""
    return (cosines(left, right) + 1.0) ** 3


def _pairs(values: Floats, weights: Floats) -> Floats:
    """Weighted mean (W,) of a symmetric matrix (n, n) outside its diagonal; over the draws all pairs weigh alike."""
    mean = weights.T @ weights / len(weights)
    scale = np.divide(1.0, mean, out=np.zeros_like(mean), where=mean > 0)
    np.fill_diagonal(scale, 0.0)
    total = ((weights @ scale) * weights).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, ((weights @ (values * scale)) * weights).sum(1) / total, np.nan)


def _shares(weights: Floats) -> Floats:
    return weights / np.maximum(weights.sum(1, keepdims=True), 1e-300)
