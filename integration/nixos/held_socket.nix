import ./common/test.nix ./held_socket.py
