"""Where frames come from: folders, videos, data sets, rooms, cameras."""
