"""Networks trained through what the SLAM does with them."""
