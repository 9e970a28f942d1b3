"""Parts that networks of any family are built from: image encoders and decoders."""
