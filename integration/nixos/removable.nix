import ./common/test.nix ./removable.py
