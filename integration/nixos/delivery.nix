import ./common/test.nix ./delivery.py
