import ./common/test.nix ./watchdog.py
