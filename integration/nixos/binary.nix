import ./common/test.nix ./binary.py
