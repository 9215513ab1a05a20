import ./common/test.nix ./sandbox.py
