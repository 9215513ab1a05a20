import ./common/test.nix ./self_check.py
