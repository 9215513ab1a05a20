import ./common/test.nix ./failing_disk.py
