"""What stands in a room: furniture, small objects, textures, and the faces they are made of."""
