import ./common/test.nix ./power_loss.py
