"""Trained networks made ready to run: checkpoints, precision, folding, ONNX
Runtime."""
