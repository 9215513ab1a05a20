# How much memory watchd can need with every queue full at once, in MiB: the table "Memory" of
# ARCHITECTURE.md, with the longest paths that Linux takes. Private memory; what it maps of its own
# program, and the kernel's part of its sockets, are in `process`.
{ cfg, lib }:
let
  watches = lib.length (lib.attrNames cfg.settings.watch);
  endpoints = lib.attrValues cfg.settings.endpoint;
  concurrency = e: if e.concurrency == null then 4 else e.concurrency;

  process = 48; # the listener 30, SQLite 3, program and libraries 12, a reload's second configuration
  perWatch = 8 + 21 + 15; # hints, reports, candidates
  # Bodies of events held (51 KiB at worst, 256 or twice the concurrency), and buffers of requests.
  ofEndpoint = e: 15 + concurrency e / 2;
  # Here, in notify, in the kernel: 3 KiB for each directory with its inode.
  directories = cfg.directoriesMax * 3 / 1024;

  ceiling =
    process + perWatch * watches + lib.foldl' (sum: e: sum + ofEndpoint e) 0 endpoints + directories;
  # In steps, so that an endpoint more is most often a reload.
  step = 64;
in
rec {
  # Above: slowed down, and told to give back. The page cache of the journal counts, and goes first.
  high = (ceiling + step - 1) / step * step;
  # Above: killed, and started again. Only a fault gets there.
  max = high * 3 / 2;
}
