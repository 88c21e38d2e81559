// undici.js WORKLOAD URL COUNT CONNECTIONS - small GETs by undici's request
//
//   sequential, concurrent: as clients/curl.c has them; the body is taken as a string
//
// NODE_MODULES has the package. Prints what the other clients do.

'use strict';

const { readFileSync, writeFileSync } = require('fs');
const { Agent, request } = require(`${process.env.NODE_MODULES}/undici`);

const [, url, times, width] = process.argv.slice(2);
const count = Number(times);
const connections = Number(width);
const dispatcher = new Agent({ connections, pipelining: 1 });

let bytes = 0;

function kib(field) {
  return Number(readFileSync('/proc/self/status', 'latin1').match(`${field}:\\s*(\\d+)`)[1]);
}

async function many(times) {
  for (let i = 0; i < times; i++) {
    const { body } = await request(url, { dispatcher });
    bytes += (await body.text()).length;
  }
}

async function run(total) {
  await Promise.all(Array.from({ length: connections }, (_, i) =>
    many(Math.floor(total / connections) + (i < total % connections ? 1 : 0))));
}

async function main() {
  await run(connections * 4);
  bytes = 0;
  writeFileSync('/proc/self/clear_refs', '5');
  const rss = kib('VmRSS');
  const start = process.cpuUsage();
  const began = process.hrtime.bigint();
  await run(count);
  const used = process.cpuUsage(start);
  const wall = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(`cpu=${(used.user + used.system) / 1e6} user=${used.user / 1e6} ` +
    `sys=${used.system / 1e6} wall=${wall} requests=${count} bytes=${bytes} ` +
    `rss=${kib('VmHWM') - rss}`);
  await dispatcher.close();
}

main();
