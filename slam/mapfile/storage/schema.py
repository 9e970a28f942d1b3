"""Tables of a map file, and how a file of an older version becomes one of this version."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

#: "scnc", in the header of every map file.
APPLICATION_ID = 0x73636E63

#: The Python type of a column's values.
ColumnType = type[int] | type[float] | type[str] | type[bytes]


@dataclass(frozen=True, eq=False)
class SqlTable:
    """A table; its rows end with a ``checksum`` of their other values (``rows.checksum``)."""

    name: str
    #: in order, without the checksum
    columns: dict[str, ColumnType]
    #: how many of the first columns are the key
    key: int = 1

    @property
    def key_columns(self) -> tuple[str, ...]:
        return tuple(self.columns)[:self.key]


META = SqlTable("meta", {"name": str, "value": str})
SESSIONS = SqlTable("sessions", {"number": int, "source": str, "started": float})
KEYFRAMES = SqlTable("keyframes", {
    "number": int, "session": int, "frame_index": int, "timestamp": float, "fx": float,
    "fy": float, "cx": float, "cy": float, "width": int, "height": int,
    "T_world_cam_inserted": bytes, "pixels": bytes, "descriptors": bytes, "image": bytes})
STATES = SqlTable("states", {
    "number": int, "component": int, "scale": float, "T_world_cam": bytes, "code_depth": bytes,
    "code_semantic": bytes})
GEOMETRIES = SqlTable("geometries", {
    "keyframe": int, "grid_depths": bytes, "feature_depths": bytes})
LANDMARKS = SqlTable("landmarks", {
    "keyframe": int, "pixels": bytes, "log_depth": bytes, "log_std": bytes})
OBSERVATIONS = SqlTable("observations", {
    "keyframe": int, "observer": int, "absorbed": int, "landmarks": bytes, "pixels": bytes}, key=2)
LINKS = SqlTable("links", {"keyframe": int, "other": int, "absorbed": int}, key=2)
LOOPS = SqlTable("loops", {
    "number": int, "older": int, "newer": int, "T_older_newer": bytes, "log_scale": float,
    "num_landmarks": int})
REDIRECTS = SqlTable("redirects", {
    "keyframe": int, "heir": int, "T_heir_culled": bytes, "scale_culled": float,
    "scale_heir": float})
FRAMES = SqlTable("frames", {"session": int, "block": int, "frames": bytes}, key=2)
PRIORS = SqlTable("priors", {
    "number": int, "keyframes": bytes, "T_world_cam": bytes, "codes_depth": bytes,
    "codes_semantic": bytes, "value": bytes, "jacobian": bytes})
CORRECTIONS = SqlTable("corrections", {
    "number": int, "keyframe": int, "label": int, "kind": str, "weight": float, "active": int,
    "timestamp": float, "runs": bytes})

IMAGE_DEPTHS = SqlTable("image_depths", {
    "keyframe": int, "code_depth": bytes, "views": bytes, "T_key_view": bytes, "scales": bytes,
    "linked": bytes, "log_factor": bytes, "log_b": bytes})

TABLES = (META, SESSIONS, KEYFRAMES, STATES, GEOMETRIES, LANDMARKS, OBSERVATIONS, LINKS, LOOPS,
          REDIRECTS, FRAMES, PRIORS, CORRECTIONS, IMAGE_DEPTHS)

_VERSION_1 = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT, checksum INTEGER)",
    "CREATE TABLE sessions (number INTEGER PRIMARY KEY, source TEXT, started REAL,"
    " checksum INTEGER)",
    "CREATE TABLE keyframes (number INTEGER PRIMARY KEY, session INTEGER, frame_index INTEGER,"
    " timestamp REAL, fx REAL, fy REAL, cx REAL, cy REAL, width INTEGER, height INTEGER,"
    " T_world_cam_inserted BLOB, pixels BLOB, descriptors BLOB, image BLOB, checksum INTEGER)",
    "CREATE TABLE states (number INTEGER PRIMARY KEY, component INTEGER, scale REAL,"
    " T_world_cam BLOB, code_depth BLOB, code_semantic BLOB, checksum INTEGER)",
    "CREATE TABLE geometries (keyframe INTEGER PRIMARY KEY, grid_depths BLOB,"
    " feature_depths BLOB, checksum INTEGER)",
    "CREATE TABLE landmarks (keyframe INTEGER PRIMARY KEY, pixels BLOB, log_depth BLOB,"
    " log_std BLOB, checksum INTEGER)",
    "CREATE TABLE observations (keyframe INTEGER, observer INTEGER, absorbed INTEGER,"
    " landmarks BLOB, pixels BLOB, checksum INTEGER, PRIMARY KEY (keyframe, observer))",
    "CREATE TABLE links (keyframe INTEGER, other INTEGER, absorbed INTEGER, checksum INTEGER,"
    " PRIMARY KEY (keyframe, other))",
    "CREATE TABLE loops (number INTEGER PRIMARY KEY, older INTEGER, newer INTEGER,"
    " T_older_newer BLOB, log_scale REAL, num_landmarks INTEGER, checksum INTEGER)",
    "CREATE TABLE redirects (keyframe INTEGER PRIMARY KEY, heir INTEGER, T_heir_culled BLOB,"
    " scale_culled REAL, scale_heir REAL, checksum INTEGER)",
    "CREATE TABLE frames (session INTEGER, block INTEGER, frames BLOB, checksum INTEGER,"
    " PRIMARY KEY (session, block))",
    "CREATE TABLE priors (number INTEGER PRIMARY KEY, keyframes BLOB, T_world_cam BLOB,"
    " codes_depth BLOB, codes_semantic BLOB, value BLOB, jacobian BLOB, checksum INTEGER)",
)

Migration = Callable[[sqlite3.Connection], None]


def _make_tables(connection: sqlite3.Connection) -> None:
    for statement in _VERSION_1:
        connection.execute(statement)


def _add_corrections(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE corrections (number INTEGER PRIMARY KEY, keyframe INTEGER, label INTEGER,"
        " kind TEXT, weight REAL, active INTEGER, timestamp REAL, runs BLOB, checksum INTEGER)")


def _add_image_depths(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE image_depths (keyframe INTEGER PRIMARY KEY, code_depth BLOB, views BLOB,"
        " T_key_view BLOB, scales BLOB, linked BLOB, log_factor BLOB, log_b BLOB,"
        " checksum INTEGER)")


def _append_motions(connection: sqlite3.Connection) -> None:
    """Poses of states may be followed by motions: what is there is as it was."""


#: Entry n turns a file of version n into one of version n + 1; version 0 is an empty database.
MIGRATIONS: list[Migration] = [_make_tables, _add_corrections, _add_image_depths,
                               _append_motions]


def newest_version() -> int:
    """The version that this program writes."""
    return len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a database of an older ``version`` to the newest one, in the present transaction."""
    for migration in MIGRATIONS[version:]:
        migration(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {newest_version()}")


def definition(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    """Everything that is defined in a database, as SQL."""
    return set(connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') "
                                  "FROM sqlite_master"))


def newest_definition() -> set[tuple[str, ...]]:
    """``definition`` of a database of the newest version."""
    connection = sqlite3.connect(":memory:")
    try:
        migrate(connection, 0)
        return definition(connection)
    finally:
        connection.close()
