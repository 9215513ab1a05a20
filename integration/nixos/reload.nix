import ./common/test.nix ./reload.py
