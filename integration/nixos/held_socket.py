PORT = 9464
# Asks without a pause, and keeps what curl's exit code said: 7 is "refused".
CLIENT = f"""
while [ ! -e /run/client-end ]; do
  status=0
  curl -s -o /dev/null -m 60 http://127.0.0.1:{PORT}/health || status=$?
  echo $status >> /run/client-said
done
"""

with subtest("the port is open while the daemon is not"):
    box.succeed("systemctl stop watchd.service")
    box.require_unit_state("watchd.socket")
    box.wait_for_open_port(PORT)
    box.succeed("systemctl start watchd.service")

with subtest("no client is refused while the daemon is restarted three times"):
    box.succeed("rm -f /run/client-end /run/client-said")
    box.succeed(f"systemd-run --unit=client --quiet -- bash -c {shlex.quote(CLIENT)}")
    box.wait_until_succeeds("grep -q 0 /run/client-said", PATIENCE)
    for _ in range(3):
        box.succeed("systemctl restart watchd.service")
        box.succeed("n=$(wc -l < /run/client-said); while [ $(wc -l < /run/client-said) -lt $((n + 3)) ]; do sleep 0.2; done")
    box.succeed("touch /run/client-end")
    box.wait_until_fails("systemctl is-active client.service", PATIENCE)
    said = box.succeed("sort /run/client-said | uniq -c")
    assert [line.split()[1] for line in said.splitlines()] == ["0"], said
