"""Drawing scenes of flat textured faces: what procedural rooms and streets have in common."""
