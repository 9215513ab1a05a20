import ./common/test.nix ./starting.py
