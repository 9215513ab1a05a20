#!/usr/bin/env bash
# The peer in a shell: what closes is posted, one after the other. It knows no quiet period. setpriv is the bench's:
# inotifywait would outlive a shell that is killed.
root=$1 url=$2
setpriv --pdeathsig KILL inotifywait --monitor --recursive --event close_write --event moved_to --format '%w%f' "$root" |
  while IFS= read -r path; do
    curl --silent --output /dev/null --max-time 30 --header 'content-type: application/json' \
      --data "{\"type\":\"file.landed\",\"path\":\"$path\",\"rel_path\":\"${path#"$root"/}\"}" "$url"
  done
