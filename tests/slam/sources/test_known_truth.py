"""Truth in place of a network."""

import numpy as np
import pytest

from scenecode.core.errors import PredictionError
from scenecode.networks.classes import NYU13, VOID
from scenecode.networks.prediction import checked_prediction
from scenecode.slam.map.stored_image import StoredImage
from scenecode.slam.sources.known_truth import KnownTruth
from scenecode.slam.sources.rooms import RoomsSource


def test_the_answer_for_a_stored_image_is_the_truth_of_its_frame():
    source = KnownTruth(RoomsSource(3, 4, 64, 48), NYU13, 64, 48)
    assert (source.name, source.length, source.fps) == ("rooms:3", 4, 30.0)
    with pytest.raises(PredictionError, match="no true depth"):
        source.predict(next(iter(RoomsSource(3, 1, 64, 48))).image, None)
    frames = list(source)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    for frame in (frames[2], frames[0]):
        image = StoredImage.of(frame.image).tensor()
        found = checked_prediction(source, image, frame.camera)
        depth, labels = frame.truth.depth.numpy(), frame.truth.labels.numpy()
        known = labels != VOID
        assert found.depth().numpy() == pytest.approx(depth, rel=2e-3)
        assert (found.logits().argmax(0).numpy() == labels)[known].all()
        assert found.classes is NYU13 and found.depth_code_size == 0
        assert np.isfinite(found.prox_b.numpy()).all() and (found.prox_b > 0).all()
