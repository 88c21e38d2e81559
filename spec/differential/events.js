// events.js < streams - what npm's eventsource-parser makes of streams of events
//
// A line of input is an array of pieces, each a JSON string of text. A line of output is an array
// of [type, data, id, retry] as eventsource-parser gives them, null where it gives nothing.

'use strict';

const readline = require('readline');
const { createParser } = require('../../build/npm/node_modules/eventsource-parser');

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const events = [];
  let retry = null;
  const parser = createParser({
    onEvent(event) {
      events.push([event.event ?? null, event.data, event.id ?? null, retry]);
      retry = null;
    },
    onRetry(value) {
      retry = value;
    },
  });
  for (const piece of JSON.parse(line)) parser.feed(piece);
  console.log(JSON.stringify(events));
});
