"""Where frames come from: folders, videos, data sets, rooms, cameras.

``open_source`` looks at what it is given and opens it; ``formats.FORMATS`` lists what it knows.
"""

from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.source import Source
from scenecode.slam.sources.formats import FORMATS, FORMS, open_source

__all__ = ["FORMATS", "FORMS", "Source", "SourceOptions", "open_source"]
