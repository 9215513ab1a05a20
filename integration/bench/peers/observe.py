"""The peer in Python: watchdog, a time for each file, eight workers, nothing on disk."""

import collections, concurrent.futures, json, os, sys, threading, time, urllib.request
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

root, url, quiet = sys.argv[1], sys.argv[2], float(sys.argv[3])
waiting, lock = collections.OrderedDict(), threading.Lock()


class Handler(FileSystemEventHandler):
    def touched(self, path):
        with lock:
            waiting[path] = time.monotonic() + quiet
            waiting.move_to_end(path)

    def on_created(self, event):
        if not event.is_directory:
            self.touched(event.src_path)

    on_modified = on_closed = on_created

    def on_moved(self, event):
        if not event.is_directory:
            self.touched(event.dest_path)


def post(path):
    body = {"type": "file.landed", "path": path, "rel_path": os.path.relpath(path, root)}
    request = urllib.request.Request(url, json.dumps(body, separators=(",", ":")).encode(), {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=30).read()


observer = Observer()
observer.schedule(Handler(), root, recursive=True)
observer.start()
print("ready", flush=True)
with concurrent.futures.ThreadPoolExecutor(8) as workers:
    while True:
        with lock:
            while waiting and next(iter(waiting.values())) <= time.monotonic():
                workers.submit(post, waiting.popitem(last=False)[0])
        time.sleep(0.02)
