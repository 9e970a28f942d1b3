"""The messages of SceneNet RGB-D's trajectory files, as far as they are read.

Field numbers are those of the published ``scenenet.proto``; protobuf skips the fields
that are not declared (layouts, lights, object poses).  Enumerations are read as integers,
which is the same on the wire.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from scenecode.core.errors import DataError

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto
    from google.protobuf.message import Message

_PACKAGE = "scenenet"
#: message -> (field, number, type); a type in brackets repeats, a capital names a message
_MESSAGES = {
    "Position": (("x", 1, "float"), ("y", 2, "float"), ("z", 3, "float")),
    "Pose": (("camera", 1, "Position"), ("lookat", 2, "Position"), ("timestamp", 3, "float")),
    "View": (("frame_num", 1, "int32"), ("shutter_open", 2, "Pose"),
             ("shutter_close", 3, "Pose")),
    "Instance": (("instance_id", 1, "int32"), ("semantic_wordnet_id", 2, "string"),
                 ("semantic_english", 3, "string"), ("instance_type", 4, "int32")),
    "Trajectory": (("instances", 2, "[Instance]"), ("views", 3, "[View]"),
                   ("render_path", 4, "string")),
    "Trajectories": (("trajectories", 1, "[Trajectory]"),),
}
#: ``Instance.instance_type`` of pixels where a ray left the scene
BACKGROUND = 1


@cache
def trajectories_type() -> type[Message]:
    """The class of the root message, ``Trajectories``."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    file = descriptor_pb2.FileDescriptorProto(
        name="scenenet.proto", package=_PACKAGE, syntax="proto2")
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind in fields:
            message.field.append(_field(name, number, kind))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{_PACKAGE}.Trajectories"))


def read_trajectories(path: Path) -> list[Message]:
    """The ``Trajectory`` messages of a ``.pb`` file; ``DataError`` when it is not one."""
    from google.protobuf.message import DecodeError
    root = trajectories_type()()
    try:
        root.ParseFromString(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); SceneNet RGB-D needs its "
                        "trajectory file, such as scenenet_rgbd_val.pb") from error
    except DecodeError as error:
        raise DataError(f"{path}: is not a whole SceneNet RGB-D trajectory file ({error}); "
                        "fetch it again") from error
    if not root.trajectories:
        raise DataError(f"{path}: holds no trajectory")
    return list(root.trajectories)


def _field(name: str, number: int, kind: str) -> FieldDescriptorProto:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto
    field = FieldDescriptorProto(name=name, number=number)
    inner = kind.strip("[]")
    field.label = field.LABEL_OPTIONAL if inner == kind else field.LABEL_REPEATED
    if inner[0].isupper():
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{inner}"
    else:
        field.type = getattr(field, f"TYPE_{inner.upper()}")
    return field
