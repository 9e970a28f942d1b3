"""Shipped configurations, what ``scenecode config`` prints, and keys of earlier versions."""

from dataclasses import fields, is_dataclass, replace

import pytest
import yaml

from scenecode.core.errors import ConfigError
from scenecode.core.shipped import CONFIGS
from scenecode.core.strict_config import load_yaml
from scenecode.networks.training.config import read_train_config
from scenecode.slam.config.files import changed, config_text, load_config
from scenecode.slam.config.renamed import RENAMED
from scenecode.slam.config.setting import description, is_basic
from scenecode.slam.config.slam_config import SlamConfig

#: Settings that people are expected to read: all, and those shown first.
MOST, MOST_BASIC = 61, 20
#: By group, every key of the configuration before it was reduced.
OLD_KEYS = {
    "":
        """width height model device precision""",
    "tracking.lucas_kanade":
        """iterations huber noise border max_pixels edge_tolerance max_correction min_update
        update_growth gain_sigma offset_sigma""",
    "tracking":
        """depth_deviation lost_overlap lost_inliers lost_error lost_gain give_up_after
        min_contrast""",
    "tracking.relocalisation":
        """trials features max_ratio clear_ratio ransac_pixels min_matches max_motion refined
        min_support judged trust certain_matches min_ncc doubt levels turns turn_step
        min_inliers candidates min_likeness""",
    "keyframes":
        """motion overlap inliers min_interval urgent certainty""",
    "mapping":
        """window marginal_priors links link_overlap scale_share schedule geometric_level
        semantic_level one_way""",
    "mapping.residuals":
        """used effective_pixels photometric_pixels photometric_sigma photometric_huber
        agreeing agreement geometric_sigma geometric_huber geometric_every semantic_every
        semantic_sigma semantic_huber code_sigma sparse_sigma sparse_cauchy point_deviation
        point_cauchy border slant_cosine edge_tolerance occlusion""",
    "mapping.matching":
        """features points distance quality window levels max_return ransac_pixels reach back""",
    "mapping.loops":
        """enabled asked indexed max_distance max_ratio min_age pause candidates spacing
        min_votes ransac_pixels min_matches min_corners min_fitting fitting_pixels
        min_overlap schedule max_log_scale translation_sigma rotation_sigma motion_sigma
        certain_corners scale_sigma loop_scale_sigma max_drift min_belief""",
    "mapping.loops.pose_graph":
        """iterations damping damping_increase damping_decrease damping_max tolerance""",
    "mapping.gauss_newton":
        """iterations damping damping_increase damping_decrease damping_max tolerance""",
    "fusion":
        """level depth_tolerance agreeing_views max_relative_std voxel min_cosine labels""",
    "fusion.refinement":
        """enabled min_parallax min_views deviation pixels cauchy iterations smoothness pull
        step colour""",
}


def entries(config):
    """Every field of a configuration that is a value, by its dotted key."""
    for entry in fields(config):
        value = getattr(config, entry.name)
        if is_dataclass(value):
            yield from ((f"{entry.name}.{key}", field) for key, field in entries(value))
        else:
            yield entry.name, entry


SETTINGS = dict(entries(SlamConfig()))


def test_base_is_what_the_command_prints():
    text = (CONFIGS / "base.yaml").read_text(encoding="utf-8")
    assert text == config_text(SlamConfig(), everything=True), \
        "run 'scenecode config --all > configs/base.yaml'"


def test_settings_are_few_and_each_is_described():
    assert len(SETTINGS) <= MOST
    assert 5 < sum(map(is_basic, SETTINGS.values())) <= MOST_BASIC
    assert [key for key, entry in SETTINGS.items() if not description(entry)] == []


@pytest.mark.parametrize("everything", [True, False])
def test_printed_configuration_is_read_back(tmp_path, everything):
    config = changed(changed(SlamConfig(), "mapping.residuals.code_sigma=0.5"),
                     "mapping.schedule=[{stage: joint, level: 1, iterations: 2}]")
    config = replace(config, model="weights: of mine #1")
    path = tmp_path / "mine.yaml"
    path.write_text(config_text(config, everything), encoding="utf-8")
    assert load_config(path) == config


def test_advanced_settings_are_printed_when_they_were_changed():
    config = changed(SlamConfig(), "fusion.refinement.smoothness=50")
    printed = yaml.safe_load(config_text(config, everything=False))
    assert printed["fusion"]["refinement"] == {"method": "images", "smoothness": 50.0}
    assert "links" not in printed["mapping"]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.stem)
def test_slam_configurations_are_valid(path):
    load_config(path)


@pytest.mark.parametrize("path", sorted((CONFIGS / "train").glob("*.yaml")), ids=lambda p: p.stem)
def test_training_configurations_are_valid(path):
    read_train_config(load_yaml(path), str(path))


def test_old_keys_exist_or_are_explained():
    missing = []
    for group, names in OLD_KEYS.items():
        for name in names.split():
            key = f"{group}.{name}" if group else name
            if key not in SETTINGS:
                with pytest.raises(ConfigError) as error:
                    changed(SlamConfig(), f"{key}=1")
                message = str(error.value)
                if "is now" not in message and "no longer exists" not in message:
                    missing.append(key)
    assert missing == []


def test_replacements_of_old_keys_exist():
    assert {new for new in RENAMED.values() if isinstance(new, str)} <= SETTINGS.keys()
    assert not RENAMED.keys() & SETTINGS.keys()


def test_old_file_is_answered_with_all_that_replaces_its_keys(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text("keyframes: {motion: 0.1}\nmapping: {matching: {points: 100, reach: 3}}\n")
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert "'keyframes.motion' is now 'keyframes.max_translation'" in str(error.value)
    assert "'mapping.matching.points' is now 'mapping.landmarks.per_keyframe'" in str(error.value)
    assert "'mapping.matching.reach' no longer exists" in str(error.value)


def test_old_keys_that_went_for_one_reason_are_listed_together(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text("keyframes: {motion: 0.1}\nmapping: {matching: {reach: 3, back: 2}}\n")
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(error.value).splitlines()[1:] == [
        "  'keyframes.motion' is now 'keyframes.max_translation'",
        "  'mapping.matching.reach', 'mapping.matching.back' no longer exist: fixed in the "
        "program now, to be left out"]


@pytest.mark.parametrize("group", ["tracking.lucas_kanade", "mapping.matching"])
def test_old_groups_are_explained(group):
    with pytest.raises(ConfigError, match=f"'{group}' no longer exists"):
        changed(SlamConfig(), f"{group}={{}}")


@pytest.mark.parametrize("assignment, rule", [
    ("mapping.window=0", "mapping.window must be at least 1, got 0"),
    ("mapping.residuals.geometric_sigma=0", "geometric_sigma must be positive, got 0.0"),
    ("mapping.residuals.semantic_stride=0", "semantic_stride must be at least 1, got 0"),
    ("mapping.landmarks.min_distance=0", "min_distance must be at least 1, got 0"),
    ("mapping.loops.min_age=0", "mapping.loops.min_age must be at least 1, got 0"),
    ("tracking.relocalisation.verify_below=1.5", "must be from 0 to 1, got 1.5"),
    ("keyframes.min_interval=.nan", "keyframes.min_interval must be at least 0, got nan"),
    ("width=0", "width must be at least 16, got 0"),
    ("height=10000", "one must be at most 5 times the other; got 256 and 10000"),
    ("mapping.semantic_level=4", "must be 0 to 3; got 0 to 4"),
    ("mapping.schedule=[{stage: depth, level: 1, iterations: 2}]", "must be one of geometry"),
    ("mapping.schedule=[{stage: joint, level: 1, iterations: 0}]", "must be at least 1, got 0"),
    ("fusion.refinement.smoothness=-1", "smoothness must be positive, got -1.0")])
def test_values_that_cannot_be_are_refused_by_their_rule(assignment, rule):
    with pytest.raises(ConfigError, match=rule):
        changed(SlamConfig(), assignment)
