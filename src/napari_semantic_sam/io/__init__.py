"""Files in and out: a leaf every room may use, and that uses none of them."""
