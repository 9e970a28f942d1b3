"""What a street is made of: its textures, and models of all that stands and moves in it."""
