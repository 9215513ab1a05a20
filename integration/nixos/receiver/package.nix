{ python3, writeTextFile }:
writeTextFile {
  name = "watchd-test-receiver";
  text = "#!${python3.interpreter}\n" + builtins.readFile ./receiver.py;
  executable = true;
  destination = "/bin/receiver";
  meta.mainProgram = "receiver";
}
