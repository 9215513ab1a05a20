// The peer in Node: chokidar, its own `awaitWriteFinish`, eight requests at a time, nothing on disk.
import path from "node:path";
import chokidar from "chokidar";

const [root, url, quiet] = process.argv.slice(2);
const settled = [];
let busy = 0;

async function post(file) {
  const body = { type: "file.landed", path: file, rel_path: path.relative(root, file) };
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  await answer.arrayBuffer();
}

function go() {
  while (busy < 8 && settled.length) {
    busy++;
    post(settled.shift()).catch((error) => console.error(error)).finally(() => { busy--; go(); });
  }
}

const arrived = (file) => { settled.push(file); go(); };
chokidar
  .watch(root, { ignoreInitial: true, awaitWriteFinish: { stabilityThreshold: Number(quiet) * 1000, pollInterval: 100 } })
  .on("add", arrived)
  .on("change", arrived)
  .on("ready", () => console.log("ready"));
