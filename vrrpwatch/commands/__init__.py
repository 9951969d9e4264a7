"""What each command does, one module each, imported only when its command runs. `vrrpwatch.cli` declares them."""
