"""Pictures and videos of a map without a browser and without a graphics card."""
