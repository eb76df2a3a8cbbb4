"""The whole image at once, in the panel: settings, runs, the tree and its measurements."""
