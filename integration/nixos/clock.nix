import ./common/test.nix ./clock.py
