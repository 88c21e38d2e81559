// multipart.js DIRECTORY CONTENT_TYPE < body - what busboy finds in it
//
// Prints a line of JSON for each part. The content of the nth is in DIRECTORY/n, or in
// `hex` if it is short.

'use strict';

const fs = require('fs');
const busboy = require('busboy');

const [directory, type] = process.argv.slice(2);
const parts = [];
const parser = busboy({
  headers: { 'content-type': type },
  defParamCharset: 'utf8',
  preservePath: true,
  limits: { fieldNameSize: Infinity, fieldSize: Infinity, fields: Infinity },
});

function add(name, filename, kind, data) {
  const part = { name, filename, type: kind };
  const bytes = Buffer.from(data);
  if (bytes.length < 100) part.hex = bytes.toString('hex');
  else fs.writeFileSync(`${directory}/${parts.length + 1}`, bytes);
  parts.push(JSON.stringify(part));
}

parser.on('field', (name, value) => add(name, null, null, value));
parser.on('file', (name, stream, info) => {
  const pieces = [];
  stream.on('data', (piece) => pieces.push(piece));
  stream.on('end', () => {
    add(name, info.filename, info.mimeType, Buffer.concat(pieces));
  });
});
parser.on('close', () => { if (parts.length) console.log(parts.join('\n')); });
parser.on('error', (error) => {
  console.error(String(error));
  process.exit(1);
});
process.stdin.pipe(parser);
