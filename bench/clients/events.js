// events.js WORKLOAD URL COUNT CONNECTIONS - server-sent events by undici and eventsource-parser
//
//   events    a body streamed, event by event, COUNT times one after the other
//   stages    the same through web streams: fetch, TextDecoderStream, EventSourceParserStream
//
// NODE_MODULES has the packages. Prints what the other clients do.

'use strict';

const modules = process.env.NODE_MODULES;
const { Agent, fetch, request } = require(`${modules}/undici`);
const { createParser } = require(`${modules}/eventsource-parser`);
const { EventSourceParserStream } = require(`${modules}/eventsource-parser/dist/stream.cjs`);

const [workload, url, times] = process.argv.slice(2);
const count = Number(times);
const dispatcher = new Agent({ bodyTimeout: 0, headersTimeout: 0 });

let bytes = 0;

function note(event) {
  bytes += event.data.length + 'data: \n\n'.length;
}

const workloads = {
  async events() {
    const { body } = await request(url, { dispatcher });
    const parser = createParser({ onEvent: note });
    const decoder = new TextDecoder();
    for await (const chunk of body) parser.feed(decoder.decode(chunk, { stream: true }));
  },

  async stages() {
    const response = await fetch(url, { dispatcher });
    const events = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream());
    for await (const event of events) note(event);
  },
};

async function main() {
  const start = process.cpuUsage();
  const began = process.hrtime.bigint();
  for (let i = 0; i < count; i++) await workloads[workload]();
  const used = process.cpuUsage(start);
  const wall = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(`cpu=${(used.user + used.system) / 1e6} user=${used.user / 1e6} ` +
    `sys=${used.system / 1e6} wall=${wall} requests=${count} bytes=${bytes}`);
  await dispatcher.close();
}

main();
