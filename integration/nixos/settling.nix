import ./common/test.nix ./settling.py
