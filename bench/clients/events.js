// events.js WORKLOAD URL COUNT CONNECTIONS - server-sent events by undici and eventsource-parser
//
//   events    a body streamed, event by event, COUNT times one after the other
//   delays    COUNT streams at once of origin/ticker.c; prints p50= and p99= in us
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
const delays = [];

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

  async delays() {
    const { body } = await request(url, { dispatcher });
    const decoder = new TextDecoder();
    const parser = createParser({
      onEvent(event) {
        delays.push(Number(process.hrtime.bigint() - BigInt(event.data.split(' ')[0])));
      },
    });
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

function percentile(share) {
  return delays[Math.floor((delays.length - 1) * share)] / 1000;
}

async function main() {
  if (workload === 'delays') {
    await Promise.all(Array.from({ length: count }, workloads.delays));
    delays.sort((a, b) => a - b);
    console.log(`events=${delays.length} p50=${percentile(0.5)} p99=${percentile(0.99)}`);
    return;
  }
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
