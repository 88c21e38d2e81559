// bench/origin/ws_idle.js - a WebSocket server that sends back what it gets, by npm's ws
//
// Prints its port and its process id; ends by a signal.
"use strict";

const path = require("path");
const { WebSocketServer } = require(path.join(process.env.NODE_MODULES, "ws"));

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 1024 }, () =>
  console.log(server.address().port, process.pid));
server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
