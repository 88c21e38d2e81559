// events.js WORKLOAD URL COUNT CONNECTIONS - server-sent events by undici and eventsource-parser
//
//   events    a body streamed, event by event, COUNT times one after the other
//   delays    CONNECTIONS streams at once, COUNT events of each, whose data begins with the time
//             of sending; prints p50= and p99= in us
//
// NODE_PATH leads to the packages: .ci/install bench puts them there. Prints what the other clients
// do.

'use strict';

const { Agent, request } = require('undici');
const { createParser } = require('eventsource-parser');

const [workload, url] = process.argv.slice(2);
const [count, connections] = process.argv.slice(4).map(Number);
const dispatcher = new Agent({ bodyTimeout: 0, headersTimeout: 0, connections });

async function each(onEvent) {
  const { body } = await request(url, { dispatcher });
  const parser = createParser({ onEvent });
  const decoder = new TextDecoder();
  for await (const chunk of body) parser.feed(decoder.decode(chunk, { stream: true }));
}

let bytes = 0;

async function readAll() {
  for (let i = 0; i < count; i++) {
    await each((event) => {
      bytes += event.data.length + 'data: \n\n'.length;
    });
  }
}

const delays = [];

async function readMany() {
  const streams = [];
  for (let i = 0; i < connections; i++) {
    streams.push(each((event) => {
      const now = Number(process.hrtime.bigint());
      delays.push(now - Number(event.data.slice(0, event.data.indexOf(' '))));
    }));
  }
  await Promise.all(streams);
  delays.sort((a, b) => a - b);
}

function percentile(share) {
  return (delays[Math.floor((delays.length - 1) * share)] / 1000).toFixed(1);
}

async function main() {
  const start = process.cpuUsage();
  const began = process.hrtime.bigint();
  await (workload === 'delays' ? readMany() : readAll());
  const used = process.cpuUsage(start);
  const wall = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(`cpu=${(used.user + used.system) / 1e6} user=${used.user / 1e6} ` +
    `sys=${used.system / 1e6} wall=${wall} requests=${count} bytes=${bytes}` +
    (delays.length ? ` events=${delays.length} p50=${percentile(0.5)} p99=${percentile(0.99)}` : ''));
  await dispatcher.close();
}

main();
