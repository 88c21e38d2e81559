// bench/origin/events_idle.js - streams of server-sent events that have one event, and then none
//
// Prints its port and its process id; ends by a signal.
"use strict";

const http = require("http");

const server = http.createServer((request, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  response.write("id: 1\ndata: hello\n\n");
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () =>
  console.log(server.address().port, process.pid));
