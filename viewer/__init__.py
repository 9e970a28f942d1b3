"""Shows snapshots of the map; never touches the live state."""
