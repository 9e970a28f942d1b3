"""SceneNet RGB-D in its published layout."""
