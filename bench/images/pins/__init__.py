"""How well a build is pinned: the files that decide what is in an image, read for what may change behind them."""
