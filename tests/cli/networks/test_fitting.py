"""Where a network is used that was made for other surroundings."""

from scenecode.cli.networks.fitting import warn_of_surroundings
from scenecode.slam.config.slam_config import SlamConfig


def test_an_indoor_network_in_a_street_is_announced(caplog):
    warn_of_surroundings(SlamConfig(), "rooms:1:10")
    assert not caplog.records
    warn_of_surroundings(SlamConfig(), "streets:1:10")
    (record,) = caplog.records
    assert "learnt depths indoors, streets:1:10 is outdoors" in record.message
