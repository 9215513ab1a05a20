import ./common/test.nix ./drain.py
