"""Real-time monocular dense semantic SLAM."""
