import ./common/test.nix ./restarts.py
