// llhttp.js - what node's llhttp, strict, makes of responses
//
// in:  a JSON list of { bytes: base64, request: [traits], eof: bool }
// out: a JSON list of { verdict: accept | refuse | wait, status, body: base64, detail }

"use strict";

process.noDeprecation = true;
process.emitWarning = () => {};
const { HTTPParser } = process.binding("http_parser");

function judge({ bytes, request, eof }) {
  const parser = new HTTPParser();
  const body = [];
  let status = 0;
  let isDone = false;
  let isPaused = false;

  parser.initialize(HTTPParser.RESPONSE, {}, 0, 0);
  parser[HTTPParser.kOnHeaders | 0] = () => {};
  parser[HTTPParser.kOnHeadersComplete | 0] =
    (major, minor, fields, method, url, code, reason, upgrade) => {
      if (isDone) return 0;
      status = code;
      // As node's client does: 2 hands the connection over, 1 skips the body.
      if (upgrade || (request.includes("CONNECT") && code >= 200 && code < 300)) {
        isDone = isPaused = true;
        return 2;
      }
      return request.includes("HEAD") ? 1 : 0;
    };
  parser[HTTPParser.kOnBody | 0] = (chunk) => {
    if (!isDone) body.push(Buffer.from(chunk));
  };
  parser[HTTPParser.kOnMessageComplete | 0] = () => {
    if (status >= 200 || status === 101) isDone = true;
  };

  const verdict = (name, detail) => ({
    verdict: name, status, body: Buffer.concat(body).toString("base64"), detail,
  });
  let result = bytes === "" ? 0 : parser.execute(Buffer.from(bytes, "base64"));
  // What follows a whole message is not this message's fault.
  if (isDone || isPaused) return verdict("accept", "");
  if (result instanceof Error) return verdict("refuse", `${result.code}: ${result.reason}`);
  if (!eof) return verdict("wait", "");
  result = bytes === "" ? new Error("nothing came") : parser.finish();
  if (result instanceof Error) return verdict("refuse", result.code || result.message);
  return verdict(isDone ? "accept" : "refuse", isDone ? "" : "the message is not complete");
}

let text = "";
process.stdin.on("data", (chunk) => { text += chunk; });
process.stdin.on("end", () => {
  process.stdout.write(JSON.stringify(JSON.parse(text).map(judge)));
});
