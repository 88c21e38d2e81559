// bench/clients/ws.js - the workloads through npm's ws
//
// usage: node ws.js echo|text <url> <count> <bytes of a message>
//
// A Buffer of each message is looked at once; ws masks with bufferutil.
"use strict";

const path = require("path");
const fs = require("fs");
const WebSocket = require(path.join(process.env.NODE_MODULES, "ws"));

const [workload, url, countText, sizeText] = process.argv.slice(2);
const count = Number(countText);
const size = workload === "text" ? 2 : Number(sizeText);
const payload = Buffer.alloc(size, "01234567890123456789");

const kib = (field) =>
  Number(fs.readFileSync("/proc/self/status", "ascii").match(field + ":\\s*(\\d+)")[1]);

let left = 1;
let bytes = 0;
let start;

function begin() {
  fs.writeFileSync("/proc/self/clear_refs", "5");
  start = { rss: kib("VmRSS"), cpu: process.cpuUsage(), wall: process.hrtime.bigint() };
  bytes = 0;
  left = count;
}

function finish() {
  const { user, system } = process.cpuUsage(start.cpu);
  const wall = Number(process.hrtime.bigint() - start.wall) / 1e9;
  console.log(
    `cpu=${(user + system) / 1e6} user=${user / 1e6} sys=${system / 1e6} wall=${wall} ` +
      `requests=${count} bytes=${bytes} rss=${kib("VmHWM") - start.rss}`
  );
  process.exit(0);
}

const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 2 ** 30 });
socket.on("open", () => socket.send(payload));
socket.on("message", (message) => {
  bytes += message.length;
  left--;
  if (left === 0 && start) return finish();
  if (left === 0) begin();
  socket.send(payload);
});
