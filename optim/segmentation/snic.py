"""Superpixels by simple non-iterative clustering, SNIC (Achanta and Süsstrunk, CVPR 2017), that
respect labels: equation 3 of "Twins" (seed grid, priority queue, running means).
"""

from dataclasses import dataclass

import numpy as np
from skimage.measure import label as connected_components

from scenecode.optim.segmentation.compiled import compiled

#: Pixels of a superpixel on average, where no number is given.
PIXELS_PER_SUPERPIXEL = 256


@dataclass(frozen=True)
class Superpixels:
    """A partition of an image into K regions, each 4-connected."""

    #: (H, W) int32 in 0..K-1
    index: np.ndarray
    #: (K,) of the labels' type: the label of most pixels of a region, the seed's where several
    #: labels have as many
    labels: np.ndarray
    #: (K,) int64 pixels
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def superpixels(colours: np.ndarray, labels: np.ndarray, count: int | None = None, *,
                compactness: float = 15.0, label_penalty: float = 10.0,
                min_region: int | None = None) -> Superpixels:
    """SNIC with labels.

    ``colours``: (H, W, 3) CIELAB; ``labels``: (H, W) uint8.  The squared distance of pixel j to
    superpixel k is ``|x_j - x_k|^2 / s + |c_j - c_k|^2 / m + h`` with ``s`` = pixels / ``count``,
    ``m = compactness^2`` and h = 0 where labels are equal, else ``label_penalty``; its root, which
    equation 3 takes, gives the same order.  The label of a superpixel is the running majority.

    Seeds are on a regular grid; with ``min_region`` every connected region of one label that has
    no seed and at least so many pixels gets one.  The queue is ordered by distance, then by the
    order of insertion, so that the result is always the same.
    """
    colours = np.ascontiguousarray(colours, np.float32)
    height, width = labels.shape
    if count is None:
        count = max(1, round(height * width / PIXELS_PER_SUPERPIXEL))
    known, compact = np.unique(labels, return_inverse=True)
    compact = compact.reshape(labels.shape).astype(np.int32)
    seeds = grid_seeds(width, height, count)
    if min_region is not None:
        seeds = np.concatenate([seeds, _region_seeds(compact, seeds, min_region)])
    index, majority = _grow(colours.reshape(-1, 3), compact.ravel(), len(known), seeds, width,
                            count / (height * width), 1 / compactness ** 2, label_penalty)
    return Superpixels(index=index.reshape(labels.shape), labels=known[majority],
                       sizes=np.bincount(index, minlength=len(seeds)))


def grid_seeds(width: int, height: int, count: int) -> np.ndarray:
    """(about ``count``,) int64 pixels, row by row, in the middle of the cells of a regular grid
    of cells that are nearly square."""
    edge = (width * height / count) ** 0.5
    columns, rows = (min(size, max(1, round(size / edge))) for size in (width, height))
    u = ((np.arange(columns) + 0.5) * width / columns).astype(np.int64)
    v = ((np.arange(rows) + 0.5) * height / rows).astype(np.int64)
    return (v[:, None] * width + u).ravel()


def _region_seeds(labels: np.ndarray, seeds: np.ndarray, min_region: int) -> np.ndarray:
    """(M,) the pixel next to the centre of each connected region without a seed."""
    regions = connected_components(labels, connectivity=1, background=-1).ravel()
    sizes = np.bincount(regions)
    is_wanted = sizes >= max(min_region, 1)
    is_wanted[regions[seeds]] = False
    pixels = np.flatnonzero(is_wanted[regions])
    region = regions[pixels]
    v, u = np.divmod(pixels, labels.shape[1])
    mean_u, mean_v = (np.bincount(region, x, len(sizes)) / np.maximum(sizes, 1) for x in (u, v))
    distance = (u - mean_u[region]) ** 2 + (v - mean_v[region]) ** 2
    order = np.lexsort((distance, region))
    return pixels[order[np.unique(region[order], return_index=True)[1]]]


@compiled
def _grow(colours, labels, num_labels, seeds, width, per_position, per_colour, label_penalty):
    """(N,) superpixel of each pixel and (K,) majority of their labels; a binary heap of entries,
    which are numbered in the order of insertion."""
    num_pixels, num_seeds = len(labels), len(seeds)
    height = num_pixels // width
    index = np.full(num_pixels, -1, np.int32)
    sums = np.zeros((num_seeds, 5))
    sizes = np.zeros(num_seeds, np.int64)
    votes = np.zeros((num_seeds, num_labels), np.int32)
    majority = np.empty(num_seeds, np.int32)
    capacity = num_seeds + 4 * num_pixels
    pixel_of, owner_of = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    heap_key, heap_entry = np.empty(capacity), np.empty(capacity, np.int32)
    for k in range(num_seeds):
        pixel_of[k], owner_of[k] = seeds[k], k
        heap_key[k], heap_entry[k] = 0.0, k
        majority[k] = labels[seeds[k]]
    entries = size = num_seeds
    while size:
        entry = heap_entry[0]
        # the last entry sinks from the root
        size -= 1
        key, moved = heap_key[size], heap_entry[size]
        at = 0
        while True:
            child = 2 * at + 1
            if child >= size:
                break
            right = child + 1
            if right < size and (heap_key[right] < heap_key[child] or (
                    heap_key[right] == heap_key[child]
                    and heap_entry[right] < heap_entry[child])):
                child = right
            if key < heap_key[child] or (key == heap_key[child] and moved < heap_entry[child]):
                break
            heap_key[at], heap_entry[at] = heap_key[child], heap_entry[child]
            at = child
        heap_key[at], heap_entry[at] = key, moved

        pixel, k = pixel_of[entry], owner_of[entry]
        if index[pixel] >= 0:
            continue
        index[pixel] = k
        v, u = pixel // width, pixel % width
        sums[k, 0] += u
        sums[k, 1] += v
        for channel in range(3):
            sums[k, 2 + channel] += colours[pixel, channel]
        sizes[k] += 1
        label = labels[pixel]
        votes[k, label] += 1
        lead = votes[k, label] - votes[k, majority[k]]
        if lead > 0 or (lead == 0 and label == labels[seeds[k]]):
            majority[k] = label
        inverse = 1.0 / sizes[k]
        for direction in range(4):
            x, y = u, v
            if direction == 0:
                x += 1
            elif direction == 1:
                y += 1
            elif direction == 2:
                x -= 1
            else:
                y -= 1
            if x < 0 or x >= width or y < 0 or y >= height:
                continue
            neighbour = y * width + x
            if index[neighbour] >= 0:
                continue
            distance = ((x - sums[k, 0] * inverse) ** 2
                        + (y - sums[k, 1] * inverse) ** 2) * per_position
            for channel in range(3):
                difference = colours[neighbour, channel] - sums[k, 2 + channel] * inverse
                distance += difference * difference * per_colour
            if labels[neighbour] != majority[k]:
                distance += label_penalty
            pixel_of[entries], owner_of[entries] = neighbour, k
            at = size
            size += 1
            while at > 0:
                parent = (at - 1) // 2
                if heap_key[parent] <= distance:    # of equal ones the older stays in front
                    break
                heap_key[at], heap_entry[at] = heap_key[parent], heap_entry[parent]
                at = parent
            heap_key[at], heap_entry[at] = distance, entries
            entries += 1
    return index, majority
