// A WebSocket server by the package ws: peer.js PORT plain|deflate. Does what peer.py does.
const { WebSocketServer } = require("ws");

const [port, mode] = process.argv.slice(2);
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(port),
  maxPayload: 1 << 30,
  perMessageDeflate: mode === "deflate" ? { threshold: 0 } : false,
  handleProtocols: (offered) => (offered.has("second") ? "second" : false),
});

server.on("connection", (socket) => {
  socket.on("error", () => socket.terminate());
  socket.on("pong", (payload) => {
    if (payload.toString() === "are you there?") socket.send("pong");
  });
  socket.on("message", (data, isBinary) => {
    const words = isBinary ? [] : data.toString().split(" ");
    if (words[0] === "close") socket.close(Number(words[1]), words[2]);
    else if (words[0] === "large") socket.send("x".repeat(Number(words[1])));
    else if (words[0] === "ping") socket.ping("are you there?");
    else if (words[0] === "vanish") socket.terminate();
    else socket.send(data, { binary: isBinary });
  });
});
